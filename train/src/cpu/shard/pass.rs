//! One pass: a few whole sequences of a batch, and what every op on them may read.

use cpu::Kernels;
use cpu::ops::{HyperWeights, RopeTable};
use model::dropout::Mask;

use crate::cpu::params::Parameters;
use crate::program::Site;
use model::forward::Hyper;

/// What every op of one pass may read.
pub(crate) struct Pass<'a> {
    pub(crate) kn: &'a Kernels,
    pub(crate) params: &'a Parameters,
    pub(crate) rope: &'a RopeTable,
    pub(crate) streams: usize,
    pub(crate) eps: f32,
    pub(crate) seed: u64,
    pub(crate) step: u64,
    /// Share dropped; 0 when evaluating.
    pub(crate) dropout: f32,
    /// The gradient of one token's nats, where there is a backward pass.
    pub(crate) gradient: Option<f32>,
    /// Rounds keys and values to f16.
    pub(crate) quantised: bool,
    /// Index of the pass's first token in the batch.
    pub(crate) first_token: usize,
    /// Tokens of a sequence.
    pub(crate) seq: usize,
    pub(crate) ids: &'a [u32],
    pub(crate) targets: &'a [u32],
}

impl Pass<'_> {
    pub(super) fn mask(&self, site: Site) -> Mask {
        Mask::new(self.seed, self.step, site.0, self.dropout)
    }

    pub(super) fn hyper(&self, c: &Hyper) -> HyperWeights<'_> {
        HyperWeights {
            streams: self.streams,
            eps: self.eps,
            alpha: c.alpha.map(|p| self.params[p].values()[0]),
            weight: c.weight.map(|p| self.params[p].values()),
            bias: c.bias.map(|p| self.params[p].values()),
        }
    }
}
