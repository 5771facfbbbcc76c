//! A whole step: weights, passes, optimisers.

use super::Recorder;
use crate::error::Result;
use crate::plan::{Exchange, Plan};

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
    /// No other comes after it.
    pub last: bool,
}

impl Plan {
    /// The passes of this card's share of a batch.
    pub fn passes(&self, train: bool) -> impl Iterator<Item = Pass> + use<> {
        let (pass, seq, share) = (self.pass, self.seq, self.share.of(self.sequences));
        share.clone().step_by(pass).map(move |first| Pass {
            first_token: first * seq,
            sequences: pass.min(share.end - first),
            tokens: pass.min(share.end - first) * seq,
            train,
            accumulate: first > share.start,
            last: share.end - first <= pass,
        })
    }
}

impl Recorder<'_> {
    /// Quantises the weights and takes the batch forward, and back where it trains. Where there are other cards, its share of it, and then
    /// has what all of them found.
    pub fn passes_of(&self, train: bool) -> Result<()> {
        self.prepare()?;
        if train {
            self.clear_gradients()?;
        }
        if self.plan.share.is_part() {
            // Every other card adds to what is not this one's.
            self.memory.nats.clear_later(self.device, 0, self.memory.nats.len())?;
        }
        for pass in self.plan.passes(train) {
            self.program.forward.iter().try_for_each(|op| self.forward(op, &pass))?;
            if pass.last && self.plan.share.is_part() {
                self.exchange_nats()?;
            }
            if train {
                self.way_back(&pass)?;
            }
        }
        if self.plan.share.is_part() {
            self.device.rejoin()?;
        }
        Ok(())
    }

    /// All ops of it; behind the last pass's the gradients that are whole go over the cards, while the others are found.
    fn way_back(&self, pass: &Pass) -> Result<()> {
        let mut exchanges = self.plan.exchanges.iter().peekable();
        for (at, op) in self.program.backward.iter().enumerate() {
            self.backward(op, pass)?;
            while let Some(exchange) = exchanges.next_if(|exchange| pass.last && exchange.after == at) {
                self.exchange(exchange)?;
            }
        }
        Ok(())
    }

    /// Every sum of a step, over whatever is there.
    pub fn exchange_all(&self) -> Result<()> {
        self.exchange_nats()?;
        self.plan.exchanges.iter().try_for_each(|exchange| self.exchange(exchange))?;
        self.device.rejoin()
    }

    fn exchange_nats(&self) -> Result<()> {
        self.device.sum_aside(&[self.memory.nats.span(0, self.memory.nats.len())])
    }

    fn exchange(&self, exchange: &Exchange) -> Result<()> {
        let (ternary, dense) = (&self.memory.ternary.gradient, &self.memory.dense.gradient);
        let of_ternary = exchange.ternary.iter().map(|range| ternary.span(range.start, range.len()));
        let of_dense = exchange.dense.iter().map(|range| dense.span(range.start, range.len()));
        self.device.sum_aside(&of_ternary.chain(of_dense).collect::<Vec<_>>())
    }

    /// One step of the optimiser.
    pub fn step(&self) -> Result<()> {
        self.passes_of(true)?;
        self.finish()?;
        self.update()
    }
}
