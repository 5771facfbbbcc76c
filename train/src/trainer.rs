//! The trainer as the loop, the tests and the exporter see it: named parameters, steps, evaluation, snapshots.
//! How a step is computed is the backend's business; when to step, save or stop is the loop's.

use half::f16;
use model::config::ModelConfig;

use crate::backend::{Backend, Batch, Moments, Rates, StepStats};
use crate::cpu::{CpuBackend, CpuOptions, IGNORED};
use crate::error::Result;
use crate::graph;
use crate::program::{Param, ParamKind, ParamSpec};

/// A named array.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// GGUF tensor name.
    pub name: String,
    /// Outer dimension first.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub data: Vec<f32>,
}

/// Cross-entropy over a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Sum over the scored tokens, nats.
    pub nats: f64,
    /// Scored tokens.
    pub tokens: usize,
}

impl Evaluation {
    /// Mean nats per token.
    pub fn mean(&self) -> f64 {
        self.nats / self.tokens.max(1) as f64
    }
}

/// A model being trained on some backend.
pub struct Trainer {
    specs: Vec<ParamSpec>,
    backend: Box<dyn Backend>,
    seq: usize,
    vocab: usize,
}

impl Trainer {
    /// A fresh model on the CPU, trained on sequences of `seq` tokens.
    ///
    /// # Errors
    /// No threads to be had.
    pub fn on_cpu(config: &ModelConfig, seq: usize, options: CpuOptions) -> Result<Trainer> {
        let program = graph::build(config);
        let specs = program.params.clone();
        let backend = Box::new(CpuBackend::new(config, program, seq, options)?);
        Ok(Trainer { specs, backend, seq, vocab: config.vocab })
    }

    /// What the parameters are, in the order of every list below.
    pub fn specs(&self) -> &[ParamSpec] {
        &self.specs
    }

    /// One optimiser step, counted from 0. `tokens` and `targets` are batch x seq, every id below the vocabulary.
    pub fn step(&mut self, step: u64, tokens: &[u32], targets: &[u32], rates: Rates) -> StepStats {
        self.check(tokens, targets);
        self.backend.step(step, Batch { seq: self.seq, ids: tokens, targets }, rates)
    }

    /// Mean loss and every parameter's gradient for a batch, without an update.
    pub fn gradients(&mut self, step: u64, tokens: &[u32], targets: &[u32]) -> (f64, Vec<Named>) {
        self.check(tokens, targets);
        let (loss, g) = self.backend.gradients(step, Batch { seq: self.seq, ids: tokens, targets });
        (loss, self.specs.iter().zip(g).map(|(s, data)| named(s, data)).collect())
    }

    /// Scores a text in non-overlapping windows of the training length: each window of T inputs scores the T tokens
    /// that follow them, so every token but the first is scored once. The last window may be shorter.
    pub fn evaluate(&mut self, text: &[u32]) -> Evaluation {
        // Enough windows at a time to keep every shard busy, few enough to keep memory small.
        const WINDOWS: usize = 64;
        let mut total = Evaluation { nats: 0.0, tokens: text.len().saturating_sub(1) };
        let scored = total.tokens;
        for first in (0..scored).step_by(WINDOWS * self.seq) {
            let last = (first + WINDOWS * self.seq).min(scored);
            let mut tokens = text[first..last].to_vec();
            let mut targets = text[first + 1..=last].to_vec();
            let padded = tokens.len().next_multiple_of(self.seq);
            tokens.resize(padded, 0);
            targets.resize(padded, IGNORED);
            self.check(&tokens, &targets);
            let nats = self.backend.evaluate(Batch { seq: self.seq, ids: &tokens, targets: &targets });
            total.nats += nats[..last - first].iter().map(|&n| f64::from(n)).sum::<f64>();
        }
        total
    }

    /// Logits (tokens x vocabulary) and final streams (tokens x n d) of whole sequences, without dropout.
    pub fn logits(&mut self, tokens: &[u32]) -> (Vec<f32>, Vec<f32>) {
        let targets = vec![IGNORED; tokens.len()];
        self.check(tokens, &targets);
        self.backend.logits(Batch { seq: self.seq, ids: tokens, targets: &targets })
    }

    /// Latent values of every parameter.
    pub fn params(&self) -> Vec<Named> {
        self.specs.iter().enumerate().map(|(i, s)| named(s, self.backend.param(Param(i)))).collect()
    }

    /// Replaces one parameter's latent values; the length must be the parameter's.
    pub fn set_param(&mut self, index: usize, values: &[f32]) {
        self.backend.set_param(Param(index), values);
    }

    /// Optimiser memory of every parameter.
    pub fn moments(&self) -> Vec<Moments> {
        (0..self.specs.len()).map(|i| self.backend.moments(Param(i))).collect()
    }

    /// Replaces one parameter's optimiser memory; lengths must be as [`Trainer::moments`] gives them.
    pub fn set_moments(&mut self, index: usize, moments: &Moments) {
        self.backend.set_moments(Param(index), moments);
    }

    /// Name, codes (row-major) and scales of every ternary matrix, as the next forward pass uses them.
    pub fn codes(&mut self) -> Vec<(String, Vec<i8>, Vec<f16>)> {
        let ternary = |s: &ParamSpec| matches!(s.kind, ParamKind::Ternary { .. });
        let all = self.specs.iter().enumerate().filter(|(_, s)| ternary(s));
        all.filter_map(|(i, s)| {
            self.backend.codes(Param(i)).map(|(codes, scales)| (s.name.clone(), codes, scales))
        })
        .collect()
    }

    fn check(&self, tokens: &[u32], targets: &[u32]) {
        let vocab = self.vocab as u32;
        assert!(tokens.iter().all(|&t| t < vocab), "a token id is beyond the vocabulary");
        assert!(targets.iter().all(|&t| t < vocab || t == IGNORED), "a target id is beyond the vocabulary");
    }
}

fn named(spec: &ParamSpec, data: Vec<f32>) -> Named {
    Named { name: spec.name.clone(), shape: spec.shape.clone(), data }
}
