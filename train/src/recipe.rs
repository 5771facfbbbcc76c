//! How a program is trained: everything besides the model that decides what a step computes. It is part of the program, so that a
//! device knows it before the first step and may compile it in.

use crate::optim::Settings;

/// See the top of this file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Sequences of a batch. Training and evaluation alike come in this shape; what is too short is filled with ignored targets.
    pub sequences: usize,
    /// Tokens of a sequence.
    pub tokens: usize,
    /// Decides initial values and dropout masks.
    pub seed: u64,
    /// Share of sub-layer outputs and embeddings dropped while training.
    pub dropout: f32,
    /// Trains the same network with f32 weights and activations, for comparison.
    pub float: bool,
    /// Muon and AdamW, and the gradient's clip.
    pub optimiser: Settings,
}

impl Recipe {
    /// Tokens of a batch.
    pub fn batch_tokens(&self) -> usize {
        self.sequences * self.tokens
    }
}
