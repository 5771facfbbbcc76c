//! A whole step: weights, passes, optimisers.

use super::Recorder;
use crate::error::Result;
use crate::plan::Plan;

/// Some sequences of a batch on their way forward, and back where they train.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    /// Where they begin in the batch.
    pub first_token: usize,
    pub sequences: usize,
    pub tokens: usize,
    /// With dropout and gradients.
    pub train: bool,
    /// Adds to the gradients of the passes before.
    pub accumulate: bool,
}

impl Plan {
    /// The passes of a batch.
    pub fn passes(&self, train: bool) -> impl Iterator<Item = Pass> + use<> {
        let (pass, sequences, seq) = (self.pass, self.sequences, self.seq);
        (0..sequences).step_by(pass).map(move |first| Pass {
            first_token: first * seq,
            sequences: pass.min(sequences - first),
            tokens: pass.min(sequences - first) * seq,
            train,
            accumulate: first > 0,
        })
    }
}

impl Recorder<'_> {
    /// Quantises the weights and takes the batch forward, and back where it trains.
    pub fn passes_of(&self, train: bool) -> Result<()> {
        self.prepare()?;
        if train {
            self.clear_gradients()?;
        }
        for pass in self.plan.passes(train) {
            self.program.forward.iter().try_for_each(|op| self.forward(op, &pass))?;
            if train {
                self.program.backward.iter().try_for_each(|op| self.backward(op, &pass))?;
            }
        }
        Ok(())
    }

    /// One step of the optimiser.
    pub fn step(&self) -> Result<()> {
        self.passes_of(true)?;
        self.finish()?;
        self.update()
    }
}
