//! The sections of a configuration that are not the model's shape: what it reads, how it learns, what it writes down.

use cpu::Pool;
use serde::{Deserialize, Serialize};

use crate::optim::{Matrices, Moments};

/// How text becomes token ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokenizer {
    /// `gpt2`, `bpe:N` (trained on the training part), `bytes`, or the path of a `tokenizer.json`.
    pub kind: String,
    /// Keep only the ids that the training part uses, and the bytes.
    pub compact: bool,
}

/// What it reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Text files, joined in this order with nothing between.
    pub text: Vec<String>,
    /// What stands between documents, `<|endoftext|>` say; empty: the text is one document. Each place where it stands becomes the
    /// tokenizer's end-of-text token, two in a row two of them, and the model learns to stop there. No other token is learnt from it or
    /// reaches across it. It counts as its bytes in bits per byte.
    #[serde(default)]
    pub separator: String,
}

/// How long, how much at a time, on how many threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Optimiser steps of the whole run; the schedule is laid out over them.
    pub steps: u64,
    /// Sequences of `model.context` tokens a step.
    pub batch: usize,
    /// Parts a batch is cut into, summed in a fixed order: results depend on this and not on `threads`. 0: 4. Never more than sequences.
    pub shards: usize,
    /// Threads; 0: as many as the machine has.
    pub threads: usize,
    /// Tokens a part takes through the model at a time, whole sequences: bounds memory, and results depend on it.
    pub pass_tokens: usize,
    /// Decides the first weights, the order of the data and dropout.
    pub seed: u64,
    /// Share of sub-layer outputs dropped, 0 to below 1.
    pub dropout: f64,
    /// Share of input ids replaced by ids drawn from the training part, targets untouched, 0 to below 1.
    #[serde(default)]
    pub token_noise: f64,
}

/// Muon or AdamW for the ternary matrices, AdamW for the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// What updates the ternary matrices; the keys of the other do nothing for them.
    #[serde(default)]
    pub matrices: Matrices,
    /// How what the optimiser remembers is kept: `f32`, or `bf16` rounded at random, which takes half the memory on a card.
    #[serde(default)]
    pub moments: Moments,
    /// Learning rate of the ternary matrices under Muon.
    pub muon_lr: f64,
    /// Nesterov momentum.
    pub muon_momentum: f64,
    /// Newton-Schulz steps.
    pub muon_ns_steps: usize,
    /// Weight decay of the latent ternary weights under Muon.
    pub muon_weight_decay: f64,
    /// Learning rate of embeddings, head, norms, hyper-connections and whatever else AdamW updates.
    pub adam_lr: f64,
    /// Decay of the mean of gradients.
    pub adam_beta1: f64,
    /// Decay of the mean of their squares.
    pub adam_beta2: f64,
    /// Keeps the division finite.
    pub adam_eps: f64,
    /// Weight decay of embeddings and head, and of the latent ternary weights under AdamW.
    pub adam_weight_decay: f64,
    /// Largest gradient norm that AdamW sees; 0: no limit.
    pub clip_norm: f64,
}

/// The learning rate over the steps: a rise, a plain, a fall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Steps of the linear rise.
    pub warmup_steps: u64,
    /// Share of the steps, at the end, over which it falls.
    pub warmdown: f64,
    /// Where the fall ends, as a share of the full rate.
    pub floor: f64,
}

/// What is written down, and when. A zero interval means never.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Steps between validations; the last step is always validated.
    pub eval_every: u64,
    /// Steps between looks at the ternary codes: zeros, flips, scales.
    pub codes_every: u64,
    /// Steps between samples; the last step always has one unless `sample_tokens` is 0.
    pub sample_every: u64,
    /// Tokens of a sample.
    pub sample_tokens: usize,
    /// What a sample continues.
    pub sample_prompt: String,
    /// Steps between checkpoints; the last and the best are always kept.
    pub checkpoint_every: u64,
}

impl Train {
    /// Parts of a batch, the default resolved.
    pub fn shards(&self) -> usize {
        self.batch.min(if self.shards == 0 { 4 } else { self.shards })
    }

    /// Threads, the default resolved.
    pub fn threads(&self) -> usize {
        match self.threads {
            0 => Pool::threads_available(),
            n => n,
        }
    }
}
