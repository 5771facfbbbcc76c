//! What a step is told and what it tells, as `kernels/common.cuh` has it. It lies in the card's memory, so that a graph that was recorded
//! once reads its step and its rates there.

use bytemuck::{Pod, Zeroable};
use train::backend::{Rates, StepReport};
use train::optim::Settings;

/// See the top of this file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct StepWords {
    step: u64,
    rate_muon: f32,
    rate_adam: f32,
    /// `1 / (1 - beta1^(step + 1))`.
    adam_c1: f32,
    adam_c2: f32,
    /// 1 / tokens that are scored.
    scored_inv: f32,
    pad: u32,
    loss: f64,
    grad_norm: f64,
    clip: f32,
    skip: u32,
}

/// 32-bit words of it, which is how it is copied.
pub(crate) const WORDS: usize = size_of::<StepWords>() / 4;

impl StepWords {
    /// What a step is told.
    pub(crate) fn new(step: u64, scored: usize, rates: Rates, settings: &Settings) -> StepWords {
        let t = (step + 1).min(1 << 30) as i32;
        let correction = |beta: f32| (1.0 / (1.0 - f64::from(beta).powi(t))) as f32;
        StepWords {
            step,
            rate_muon: rates.muon,
            rate_adam: rates.adam,
            adam_c1: correction(settings.adam.beta1),
            adam_c2: correction(settings.adam.beta2),
            scored_inv: 1.0 / scored.max(1) as f32,
            ..StepWords::default()
        }
    }

    /// What it told.
    pub(crate) fn report(&self) -> StepReport {
        StepReport { loss: self.loss, grad_norm: self.grad_norm, skipped: self.skip != 0 }
    }
}
