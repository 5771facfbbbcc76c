//! What a device must do to train: hold parameters and optimiser state, and run a program over batches.
//! A step never reads a value back in between; what crosses this border is token ids in, losses and snapshots out.

use half::f16;

use crate::program::Param;

/// Token ids and what should follow each, `batch x seq` row-major. A target of `IGNORED` is not scored.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Tokens of a sequence.
    pub seq: usize,
    /// Inputs.
    pub ids: &'a [u32],
    /// Targets.
    pub targets: &'a [u32],
}

/// Learning rates of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Of the ternary matrices.
    pub muon: f32,
    /// Of everything else.
    pub adam: f32,
}

/// What a step reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepStats {
    /// Mean cross-entropy of the batch before the update, nats per token.
    pub loss: f64,
    /// L2 norm of the whole gradient, before clipping.
    pub grad_norm: f64,
}

/// Optimiser memory of one parameter: Muon keeps the first only, AdamW both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Momentum, or the running mean of gradients.
    pub first: Vec<f32>,
    /// Running mean of squared gradients; empty under Muon.
    pub second: Vec<f32>,
}

/// A training device.
pub trait Backend: Send {
    /// Latent values of a parameter.
    fn param(&self, p: Param) -> Vec<f32>;

    /// Replaces the latent values of a parameter.
    fn set_param(&mut self, p: Param, values: &[f32]);

    /// Optimiser memory of a parameter.
    fn moments(&self, p: Param) -> Moments;

    /// Replaces the optimiser memory of a parameter.
    fn set_moments(&mut self, p: Param, moments: &Moments);

    /// One optimiser step, counted from 0: prepare, forward, backward, update.
    fn step(&mut self, step: u64, batch: Batch<'_>, rates: Rates) -> StepStats;

    /// Cross-entropy in nats of every token, without dropout and without touching anything that trains.
    fn evaluate(&mut self, batch: Batch<'_>) -> Vec<f32>;

    /// Mean loss and the gradient of every parameter, as `step` would use them, without the update.
    fn gradients(&mut self, step: u64, batch: Batch<'_>) -> (f64, Vec<Vec<f32>>);

    /// Logits of every token (tokens x vocabulary) and the streams after the last block (tokens x n d), without dropout.
    fn logits(&mut self, batch: Batch<'_>) -> (Vec<f32>, Vec<f32>);

    /// Codes and scales of a ternary matrix as the next forward pass will use them.
    fn codes(&mut self, p: Param) -> Option<(Vec<i8>, Vec<f16>)>;
}
