//! The first of several cards, as the device of a run: what it is told it tells the others, and they keep step.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use model::tensors::TensorId;
use train::Result;
use train::backend::{Backend, Codes, CodesCount, Part, Probe, Rates, StepReport};
use train::batch::Batch;
use train::config::Config;
use train::program::Program;

use super::call::{Answer, Call};
use super::{Cluster, Follower, Line, Watch};
use crate::backend::CudaBackend;
use crate::choice::CardSet;
use crate::driver::{self, Card, Device, MeetingPoint, check_nccl};
use crate::error::Error;
use crate::plan::{CudaOptions, Share};
use crate::run::{Fit, fit};

/// What the others call this one.
const FIRST: &str = "the first card";

/// See the top of this file.
#[derive(Debug)]
pub struct Several {
    /// They end first: what they have on its way needs this card to be there.
    others: Others,
    own: CudaBackend,
}

/// The other cards. When it goes they are told to.
#[derive(Debug)]
struct Others {
    lines: Vec<Line>,
    watch: Arc<Watch>,
}

/// What several cards take.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// How many they are.
    pub cards: usize,
    /// Of the card with the largest share.
    pub each: Fit,
}

impl Taken {
    /// In words; `card` is one of them.
    pub fn describe(&self, card: &Card) -> String {
        let Taken { cards, each } = self;
        format!("training on {cards} cards, the first {card}{}; each {}", each.manner(), each.sizes)
    }
}

/// Who hears what will be taken, before it is: of the first card, and of each.
type Tell<'a> = &'a dyn Fn(&Card, &Taken);

impl Several {
    /// Several cards of this machine: the first is this thread's, each other one has a thread of its own. `options` say how each goes about it, but
    /// for its number and its share.
    ///
    /// # Errors
    /// A card that does not open or does not take the program, cards that are not alike, or that do not reach each other.
    pub fn here(
        program: &Program,
        cards: CardSet,
        options: CudaOptions,
        tell: Tell<'_>,
    ) -> driver::Result<Several> {
        let watch = Arc::new(Watch::default());
        let devices = cards.numbers().map(Device::open).collect::<driver::Result<Vec<Device>>>()?;
        let cards = devices.len();
        let mut devices = devices.into_iter().enumerate();
        let (_, first) = devices.next().expect("a set of cards is not empty");
        let line = |(rank, device): (usize, Device)| {
            let (program, watched) = (program.clone(), Arc::clone(&watch));
            let (who, share) = (format!("cuda:{}", device.card().index), Share { rank, cards });
            Line::to_thread(who.clone(), &watch, move |calls, answer| {
                let options = CudaOptions { card: device.card().index, share, ..options };
                let follower = Follower { who, device, program, options, calls, answer, watch: watched };
                // It has told the watch of what went wrong.
                let _ = follower.work();
            })
            .map_err(|error| Error::Together { problem: format!("no thread for another card: {error}") })
        };
        let lines = devices.map(line).collect::<driver::Result<Vec<Line>>>()?;
        Several::new(first, program, options, lines, watch, tell)
    }

    /// A card of this process, the first, and one of each other process, which call at the listener.
    ///
    /// # Errors
    /// As [`Several::here`]; a process that is of another version, or gone again.
    pub fn of_processes(
        program: &Program,
        config: &Config,
        cluster: &Cluster,
        listener: &TcpListener,
        cancel: &AtomicBool,
        tell: Tell<'_>,
    ) -> driver::Result<Several> {
        let watch = Arc::new(Watch::default());
        let device = Device::open(cluster.card()?)?;
        let lines = cluster.gather(listener, config, program.model.vocab, cancel, &watch)?;
        let options = CudaOptions::on(device.card().index);
        Several::new(device, program, options, lines, watch, tell)
    }

    /// Prepares this card and those at the other ends of the lines, each of which was told the program, and has all meet.
    /// `tell` hears what each will take before it is taken.
    ///
    /// # Errors
    /// A card that does not take the program, cards that are not alike, or that do not reach each other.
    fn new(
        device: Device,
        program: &Program,
        options: CudaOptions,
        lines: Vec<Line>,
        watch: Arc<Watch>,
        tell: Tell<'_>,
    ) -> driver::Result<Several> {
        let mut others = Others { lines, watch };
        match others.prepare(device, program, options, tell) {
            Ok(own) => Ok(Several { others, own }),
            Err(error) => {
                // The first to fail is what went wrong.
                let error = others.watch.check().err().unwrap_or(error);
                others.watch.lost(FIRST, &error.to_string());
                Err(error)
            }
        }
    }

    /// Tells the others, and does the same here.
    fn with<T>(
        &mut self,
        call: impl FnOnce() -> Call,
        own: impl FnOnce(&mut CudaBackend) -> Result<T>,
    ) -> Result<T> {
        let told = self.others.tell(call()).map_err(train::Error::from);
        let done = told.and_then(|()| own(&mut self.own));
        self.or_lost(done)
    }

    /// When this card fails the others hear of it.
    fn or_lost<T>(&self, done: Result<T>) -> Result<T> {
        done.inspect_err(|error| self.others.watch.lost(FIRST, &error.to_string()))
    }

    /// Holds what the cards count against each other: they are replicas, and one that went another way would spoil the run.
    fn compare(&self, counts: &[CodesCount]) -> driver::Result<()> {
        let own = Answer::codes(counts);
        for line in &self.others.lines {
            let theirs = line.answer()?;
            if theirs != own {
                return Err(Error::Together {
                    problem: format!(
                        "{} has other weights than the first card; one of them computes wrongly: go on from the last checkpoint without it",
                        line.who()
                    ),
                });
            }
        }
        Ok(())
    }
}

impl Others {
    fn prepare(
        &mut self,
        device: Device,
        program: &Program,
        options: CudaOptions,
        tell: Tell<'_>,
    ) -> driver::Result<CudaBackend> {
        check_nccl()?;
        let share = Share { rank: 0, cards: self.lines.len() + 1 };
        // The last one's share is the largest.
        let largest = Share { rank: share.cards - 1, ..share };
        let options = CudaOptions { card: device.card().index, share: largest, ..options };
        let own = fit(program, device.card(), device.free()?, options)?;
        let mut sequences = own.sequences;
        for line in &self.lines {
            match line.answer()? {
                Answer::Fits { card, capability, sequences: theirs } => {
                    alike(device.card(), line.who(), &card, capability)?;
                    sequences = sequences.min(theirs);
                }
                answer => return Err(unexpected(line, &answer)),
            }
        }
        let options = CudaOptions { pass_tokens: sequences * program.recipe.tokens, ..own.options };
        let sizes = CudaBackend::sizes(program, &options)?;
        let each = Fit { options, sequences, sizes, ..own };
        tell(device.card(), &Taken { cards: share.cards, each });
        self.tell(Call::Take { sequences })?;
        let mut own = CudaBackend::on(device, program.clone(), CudaOptions { share, ..options })?;
        own.compile()?;
        for line in &self.lines {
            match line.answer()? {
                Answer::Ready => {}
                answer => return Err(unexpected(line, &answer)),
            }
        }
        let point = MeetingPoint::new()?;
        self.tell(Call::Meet { point: point.bytes().to_vec() })?;
        own.meet(point, Arc::clone(&self.watch))?;
        Ok(own)
    }

    fn tell(&mut self, call: Call) -> driver::Result<()> {
        let call = Arc::new(call);
        self.watch.check()?;
        self.lines.iter_mut().try_for_each(|line| line.tell(&call))
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        // Nobody leaves before all are through: a sum that is whole here may be on its way between two others.
        if self.tell(Call::Settle).is_ok() {
            self.lines.iter().for_each(|line| drop(line.answer()));
        }
        let word = match self.watch.check() {
            Ok(()) => Call::End,
            Err(error) => Call::Lost { problem: error.to_string() },
        };
        let word = Arc::new(word);
        for line in self.lines.drain(..) {
            line.end(&word);
        }
    }
}

/// Cards of one kind compute the same bits; of two kinds not.
fn alike(own: &driver::Card, who: &str, name: &str, capability: (i32, i32)) -> driver::Result<()> {
    if own.capability == capability {
        return Ok(());
    }
    let (ours, theirs) = (own.capability, capability);
    Err(Error::Together {
        problem: format!(
            "cards that train together must be of one kind, or their copies of the model drift apart: the first is {} ({}.{}), {who} is {name} ({}.{})",
            own.name, ours.0, ours.1, theirs.0, theirs.1
        ),
    })
}

fn unexpected(line: &Line, answer: &Answer) -> Error {
    Error::Other { who: line.who().to_owned(), problem: format!("it answers {answer:?} at the wrong time") }
}

impl Backend for Several {
    fn lag(&self) -> usize {
        self.own.lag()
    }

    fn submit(&mut self, step: u64, batch: &Batch, rates: Rates) -> Result<()> {
        let call = || Call::Step { step, batch: batch.clone(), rates };
        self.with(call, |own| own.submit(step, batch, rates))
    }

    fn collect(&mut self) -> Result<Option<StepReport>> {
        let collected = self.own.collect();
        self.or_lost(collected)
    }

    fn evaluate(&mut self, batch: &Batch, nats: &mut [f32]) -> Result<()> {
        self.with(|| Call::Evaluate { batch: batch.clone() }, |own| own.evaluate(batch, nats))
    }

    fn read(&mut self, p: TensorId, part: Part, out: &mut [f32]) -> Result<()> {
        self.own.read(p, part, out)
    }

    fn write(&mut self, p: TensorId, part: Part, values: &[f32]) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let written = self.own.write(p, part, values);
        self.or_lost(written)?;
        self.with(|| Call::Copy { parameter: p.0, part }, |own| Ok(own.take_over(p, part)?))
    }

    fn look(&mut self) -> Result<Vec<CodesCount>> {
        let counts = self.with(|| Call::Look, |own| own.look())?;
        let compared = self.compare(&counts).map_err(train::Error::from);
        self.or_lost(compared.map(|()| counts))
    }

    fn remembered(&mut self, p: TensorId, codes: &mut [i8]) -> Result<()> {
        self.own.remembered(p, codes)
    }

    fn remember(&mut self, p: TensorId, codes: &[i8]) -> Result<()> {
        self.own.remember(p, codes)
    }
}

impl Probe for Several {
    fn gradients(&mut self, step: u64, batch: &Batch) -> Result<(f64, Vec<Vec<f32>>)> {
        self.with(|| Call::Gradients { step, batch: batch.clone() }, |own| own.gradients(step, batch))
    }

    fn logits(&mut self, batch: &Batch) -> Result<(Vec<f32>, Vec<f32>)> {
        self.own.logits(batch)
    }

    fn codes(&mut self, p: TensorId) -> Result<Option<Codes>> {
        self.own.codes(p)
    }
}
