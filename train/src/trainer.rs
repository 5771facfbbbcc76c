//! The trainer as the loop, the tests and the exporter see it: named parameters, steps, evaluation, one array at a time.
//! How a step is computed is the backend's business; when to step, save or stop is the loop's.

use crate::backend::{Backend, Codes, CodesCount, Part, Probe, Rates, StepReport};
use crate::batch::{Batch, IGNORED};
use crate::error::Result;
use crate::program::Program;
use model::tensors::{TensorId, TensorKind, TensorSpec};

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

/// Windows whose nats are summed before they are added to a text's. Batches are of another size, and what is reported of a text does
/// not depend on it.
const SUM_WINDOWS: usize = 64;

/// A model being trained on some device; one that tests may ask more of where `B` is a [`Probe`].
pub struct Trainer<B: Backend + ?Sized = dyn Backend> {
    program: Program,
    backend: Box<B>,
    in_flight: usize,
}

impl<B: Backend + ?Sized> Trainer<B> {
    /// A trainer on a device that was made for the same program.
    pub fn new(program: Program, backend: Box<B>) -> Trainer<B> {
        Trainer { program, backend, in_flight: 0 }
    }

    /// What the parameters are, in the order of [`Trainer::ids`].
    pub fn specs(&self) -> &[TensorSpec] {
        &self.program.params
    }

    /// Every parameter.
    pub fn ids(&self) -> impl Iterator<Item = TensorId> + use<B> {
        (0..self.program.params.len()).map(TensorId)
    }

    /// How many values a parameter has of a part.
    pub fn part_len(&self, p: TensorId, part: Part) -> usize {
        self.program.part_len(p, part)
    }

    /// How many steps may be in flight while another is submitted; see [`Backend::lag`].
    pub fn lag(&self) -> usize {
        self.backend.lag()
    }

    /// Begins one optimiser step, counted from 0, with at most [`Trainer::lag`] others in flight. The batch has the recipe's shape, and
    /// every id is below the vocabulary.
    ///
    /// # Errors
    /// The device failed.
    pub fn submit(&mut self, step: u64, batch: &Batch, rates: Rates) -> Result<()> {
        assert!(self.in_flight <= self.lag(), "{} steps are in flight", self.in_flight);
        self.check(batch);
        self.backend.submit(step, batch, rates)?;
        self.in_flight += 1;
        Ok(())
    }

    /// What the oldest step in flight reports, once it is done; `None` if there is none.
    ///
    /// # Errors
    /// The device failed.
    pub fn collect(&mut self) -> Result<Option<StepReport>> {
        let report = self.backend.collect()?;
        self.in_flight -= usize::from(report.is_some());
        Ok(report)
    }

    /// One step, waited for.
    ///
    /// # Errors
    /// The device failed.
    pub fn step(&mut self, step: u64, batch: &Batch, rates: Rates) -> Result<StepReport> {
        self.settled();
        self.submit(step, batch, rates)?;
        Ok(self.collect()?.expect("a step is in flight"))
    }

    /// Scores a text in non-overlapping windows of the training length: each window of T inputs scores the T tokens
    /// that follow them, so every token but the first is scored once. The last window may be shorter.
    ///
    /// # Errors
    /// The device failed.
    pub fn evaluate(&mut self, text: &[u32]) -> Result<Evaluation> {
        self.settled();
        let size = self.program.recipe.batch_tokens();
        let sum_tokens = SUM_WINDOWS * self.program.recipe.tokens;
        let scored = text.len().saturating_sub(1);
        let mut nats = vec![0.0; size];
        let (mut total, mut sum) = (0.0, 0.0);
        for first in (0..scored).step_by(size) {
            let last = (first + size).min(scored);
            let batch = self.padded(&text[first..last], &text[first + 1..=last]);
            self.backend.evaluate(&batch, &mut nats)?;
            for (i, &n) in (first..last).zip(&nats) {
                sum += f64::from(n);
                if (i + 1) % sum_tokens == 0 {
                    total += std::mem::take(&mut sum);
                }
            }
        }
        Ok(Evaluation { nats: total + sum, tokens: scored })
    }

    /// Copies a part of a parameter into `out`, which takes its length.
    ///
    /// # Errors
    /// The device failed.
    pub fn read(&mut self, p: TensorId, part: Part, out: &mut Vec<f32>) -> Result<()> {
        self.settled();
        out.resize(self.part_len(p, part), 0.0);
        self.backend.read(p, part, out)
    }

    /// Replaces a part of a parameter; `values` has [`Trainer::part_len`] of them.
    ///
    /// # Errors
    /// The device failed.
    pub fn write(&mut self, p: TensorId, part: Part, values: &[f32]) -> Result<()> {
        self.settled();
        assert_eq!(values.len(), self.part_len(p, part));
        self.backend.write(p, part, values)
    }

    /// The latent values of every parameter, copied one at a time as they are asked for.
    pub fn params(&mut self) -> impl Iterator<Item = Result<Named>> {
        self.ids().map(move |p| {
            let mut data = Vec::new();
            self.read(p, Part::Latent, &mut data)?;
            Ok(named(&self.program.params[p.0], data))
        })
    }

    /// Counts the codes against the look before; see [`Backend::look`].
    ///
    /// # Errors
    /// The device failed.
    pub fn look(&mut self) -> Result<Vec<CodesCount>> {
        self.settled();
        self.backend.look()
    }

    /// Copies what the last look remembered of a ternary matrix into `codes`, which takes its length.
    ///
    /// # Errors
    /// The device failed.
    pub fn remembered(&mut self, p: TensorId, codes: &mut Vec<i8>) -> Result<()> {
        self.settled();
        codes.resize(self.program.params[p.0].len(), 0);
        self.backend.remembered(p, codes)
    }

    /// Puts back what a look remembered of a ternary matrix.
    ///
    /// # Errors
    /// The device failed.
    pub fn remember(&mut self, p: TensorId, codes: &[i8]) -> Result<()> {
        self.settled();
        assert_eq!(codes.len(), self.program.params[p.0].len());
        self.backend.remember(p, codes)
    }

    /// A batch of the recipe's shape that begins with these tokens; the rest is not scored.
    fn padded(&self, tokens: &[u32], targets: &[u32]) -> Batch {
        let mut batch = Batch { tokens: tokens.to_vec(), targets: targets.to_vec() };
        batch.tokens.resize(self.program.recipe.batch_tokens(), 0);
        batch.targets.resize(batch.tokens.len(), IGNORED);
        self.check(&batch);
        batch
    }

    fn check(&self, batch: &Batch) {
        let (size, vocab) = (self.program.recipe.batch_tokens(), self.program.model.vocab as u32);
        assert!(batch.tokens.len() == size && batch.targets.len() == size, "a batch has {size} tokens");
        assert!(batch.tokens.iter().all(|&t| t < vocab), "a token id is beyond the vocabulary");
        assert!(
            batch.targets.iter().all(|&t| t < vocab || t == IGNORED),
            "a target id is beyond the vocabulary"
        );
    }

    fn settled(&self) {
        assert_eq!(self.in_flight, 0, "steps are in flight");
    }
}

impl<B: Probe + ?Sized> Trainer<B> {
    /// Mean loss and every parameter's gradient for a batch, without an update.
    ///
    /// # Errors
    /// The device failed.
    pub fn gradients(&mut self, step: u64, batch: &Batch) -> Result<(f64, Vec<Named>)> {
        self.settled();
        self.check(batch);
        let (loss, g) = self.backend.gradients(step, batch)?;
        Ok((loss, self.specs().iter().zip(g).map(|(s, data)| named(s, data)).collect()))
    }

    /// Logits (tokens x vocabulary) and final streams (tokens x n d) of at most a batch of tokens, without dropout.
    ///
    /// # Errors
    /// The device failed.
    pub fn logits(&mut self, tokens: &[u32]) -> Result<(Vec<f32>, Vec<f32>)> {
        self.settled();
        let batch = self.padded(tokens, &[]);
        let (mut logits, mut streams) = self.backend.logits(&batch)?;
        for values in [&mut logits, &mut streams] {
            values.truncate(values.len() / batch.tokens.len() * tokens.len());
        }
        Ok((logits, streams))
    }

    /// Name, codes and scales of every ternary matrix, as the next forward pass uses them.
    ///
    /// # Errors
    /// The device failed.
    pub fn codes(&mut self) -> Result<Vec<(String, Codes)>> {
        self.settled();
        let mut all = Vec::new();
        for p in self.ids() {
            let spec = &self.program.params[p.0];
            if let TensorKind::Ternary { .. } = spec.kind
                && let Some(codes) = self.backend.codes(p)?
            {
                all.push((spec.name.clone(), codes));
            }
        }
        Ok(all)
    }
}

fn named(spec: &TensorSpec, data: Vec<f32>) -> Named {
    Named { name: spec.name.clone(), shape: spec.shape.clone(), data }
}
