//! A card that is not the first: it does what it is told, as far as its share of a batch goes.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use model::tensors::TensorId;
use train::backend::{Backend, Probe};
use train::program::Program;

use super::call::{Answer, Call};
use super::watch::Watch;
use crate::backend::CudaBackend;
use crate::driver::{Device, MeetingPoint, check_nccl};
use crate::error::{Error, Result};
use crate::plan::CudaOptions;
use crate::run::fit;

/// See the top of this file.
pub struct Follower<'a> {
    /// What the others call it.
    pub who: String,
    pub device: Device,
    pub program: Program,
    /// How it goes about it, but for how much at a time.
    pub options: CudaOptions,
    /// What it is told.
    pub calls: Receiver<Arc<Call>>,
    /// Where it answers.
    pub answer: &'a dyn Fn(Answer),
    /// Whether the others are there.
    pub watch: Arc<Watch>,
}

impl Follower<'_> {
    /// Takes part until the run ends.
    ///
    /// # Errors
    /// The card does not take the program, or fails; the others are gone.
    pub fn work(self) -> Result<()> {
        let (who, watch, mut backend) = (self.who.clone(), Arc::clone(&self.watch), None);
        let worked = self.serve(&mut backend);
        if let Err(error) = &worked {
            // Before the backend goes, which otherwise waits for the others.
            watch.lost(&who, &error.to_string());
        }
        worked
    }

    fn serve(self, backend: &mut Option<CudaBackend>) -> Result<()> {
        let Follower { who: _, device, program, options, calls, answer, watch } = self;
        check_nccl()?;
        let own = fit(&program, device.card(), device.free()?, options)?;
        let card = device.card();
        answer(Answer::Fits {
            card: card.name.clone(),
            capability: card.capability,
            sequences: own.sequences,
        });
        let mut device = Some(device);
        while let Ok(call) = calls.recv() {
            match (&*call, &mut *backend) {
                (Call::Take { sequences }, None) => {
                    let pass_tokens = sequences * program.recipe.tokens;
                    let options = CudaOptions { pass_tokens, ..own.options };
                    let device = device.take().expect("its memory is taken once");
                    let taken = CudaBackend::on(device, program.clone(), options)?;
                    taken.compile()?;
                    *backend = Some(taken);
                    answer(Answer::Ready);
                }
                (Call::Meet { point }, Some(backend)) => {
                    let point = MeetingPoint::from_bytes(point).ok_or_else(other_version)?;
                    backend.meet(point, Arc::clone(&watch))?;
                }
                (Call::End, _) => return Ok(()),
                (Call::Lost { .. }, _) => return watch.check(),
                (call, Some(backend)) => follow(backend, call, answer).map_err(of_train)?,
                (call, None) => panic!("{call:?} was told before memory was taken"),
            }
        }
        watch.check()
    }
}

fn other_version() -> Error {
    let problem = "the processes are of different versions of tercet; start the same one everywhere";
    Error::Together { problem: problem.into() }
}

/// Does what the first card does.
fn follow(backend: &mut CudaBackend, call: &Call, answer: &dyn Fn(Answer)) -> train::Result<()> {
    match call {
        Call::Step { step, batch, rates } => {
            backend.submit(*step, batch, *rates)?;
            // The first card reports them; here the place is needed.
            if backend.in_flight() > backend.lag() {
                backend.collect()?;
            }
            return Ok(());
        }
        // Everything else comes when no step is on its way.
        _ => while backend.collect()?.is_some() {},
    }
    match call {
        Call::Gradients { step, batch } => drop(backend.gradients(*step, batch)?),
        Call::Evaluate { batch } => backend.evaluate(batch, &mut vec![0.0; batch.tokens.len()])?,
        Call::Copy { parameter, part } => backend.take_over(TensorId(*parameter), *part)?,
        Call::Settle => answer(Answer::Ready),
        Call::Look => answer(Answer::codes(&backend.look()?)),
        call => panic!("{call:?} is told at the beginning or the end"),
    }
    Ok(())
}

/// What a card of a run says, as what a card says.
fn of_train(error: train::Error) -> Error {
    Error::Together { problem: error.to_string() }
}
