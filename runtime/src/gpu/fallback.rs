//! A sequence on a graphics device that survives it: when the device fails, the CPU reads what was read and goes on, in the
//! middle of a text if need be.

use std::sync::{Arc, Mutex, PoisonError};

use super::model::GpuModel;
use super::session::{GpuSession, Want};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::sequence::{Choose, Next, Sequence};
use crate::session::Session;
use model::config::ModelConfig;

/// Why the CPU had to go on; empty while it has not.
pub type Fault = Arc<Mutex<Option<String>>>;

/// A session on a device, and one on the CPU if that fails.
#[derive(Debug)]
pub struct GpuOrCpu<'m> {
    model: &'m Model,
    threads: usize,
    runs: Runs<'m>,
    fault: Fault,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Runs<'m> {
    Gpu(GpuSession<'m>),
    Cpu(Session<'m>),
}

impl<'m> GpuOrCpu<'m> {
    /// A session of up to `context` tokens on the device, or on up to `threads` threads if the device has no room for it.
    ///
    /// # Errors
    /// A context that the model does not have.
    pub fn new(
        on_gpu: &'m GpuModel,
        model: &'m Model,
        context: usize,
        threads: usize,
        fault: Fault,
    ) -> Result<Self> {
        let runs = match GpuSession::new(on_gpu, context) {
            Ok(session) => Runs::Gpu(session),
            Err(error) if of_device(&error) => {
                note(&fault, &error);
                Runs::Cpu(Session::up_to_threads(model, context, threads)?)
            }
            Err(error) => return Err(error),
        };
        Ok(GpuOrCpu { model, threads, runs, fault })
    }

    /// Runs something on the device; if that fails, moves to the CPU and answers `None`.
    fn on_gpu(&mut self, tokens: &[u32], want: Want) -> Result<Option<u32>> {
        let Runs::Gpu(session) = &mut self.runs else { return Ok(None) };
        match session.run(tokens, want) {
            Ok(id) => Ok(Some(id)),
            Err(error) if of_device(&error) => {
                note(&self.fault, &error);
                let mut cpu = Session::up_to_threads(self.model, session.context(), self.threads)?;
                cpu.advance(session.tokens())?;
                self.runs = Runs::Cpu(cpu);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether it is the device that failed, rather than the request.
fn of_device(error: &Error) -> bool {
    matches!(error, Error::Gpu { .. } | Error::GpuLimit { .. } | Error::GpuMemory { .. })
}

fn note(fault: &Fault, error: &Error) {
    fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
}

impl Sequence for GpuOrCpu<'_> {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn context(&self) -> usize {
        match &self.runs {
            Runs::Gpu(s) => s.context(),
            Runs::Cpu(s) => s.context(),
        }
    }

    fn tokens(&self) -> &[u32] {
        match &self.runs {
            Runs::Gpu(s) => s.tokens(),
            Runs::Cpu(s) => s.tokens(),
        }
    }

    fn prefill_step(&self) -> usize {
        match &self.runs {
            Runs::Gpu(s) => s.prefill_step(),
            Runs::Cpu(s) => s.prefill_step(),
        }
    }

    fn truncate(&mut self, len: usize) {
        match &mut self.runs {
            Runs::Gpu(s) => s.truncate(len),
            Runs::Cpu(s) => s.truncate(len),
        }
    }

    fn advance(&mut self, tokens: &[u32]) -> Result<()> {
        self.on_gpu(tokens, Want::Nothing)?;
        match &mut self.runs {
            Runs::Gpu(_) => Ok(()),
            Runs::Cpu(s) => s.advance(tokens),
        }
    }

    fn next(&mut self, tokens: &[u32], choose: Choose) -> Result<Next<'_>> {
        let chosen = self.on_gpu(tokens, choose.into())?;
        match (&mut self.runs, chosen) {
            (Runs::Gpu(s), Some(id)) if choose != Choose::No => s.chose(id).map(Next::Id),
            (Runs::Gpu(s), _) => Ok(Next::Logits(s.logits())),
            (Runs::Cpu(s), _) => s.next(tokens, choose),
        }
    }

    fn forward_all(&mut self, tokens: &[u32]) -> Result<&[f32]> {
        self.on_gpu(tokens, Want::All)?;
        match &mut self.runs {
            Runs::Gpu(s) => Ok(s.logits()),
            Runs::Cpu(s) => s.forward_all(tokens),
        }
    }
}
