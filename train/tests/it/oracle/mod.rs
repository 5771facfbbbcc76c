//! An oracle for gradients: the whole model's loss in f64 plain loops, written from the mathematics alone, and
//! its derivatives by central differences. It shares with the product only the configuration's type and the
//! quantiser of one group; it knows no backward, no f32 and no batching tricks.
//!
//! The straight-through trick makes the differences meaningful: rounding happens once, at the base point, and
//! each residual (rounded minus unrounded) is from then on a constant. `(W + dW)(x + dx)` is smooth, and its
//! derivative is what a straight-through backward must give: `dX = dY (W + dW)`, `dW = dY^T (x + dx)`.

pub mod hyper;
pub mod model;
pub mod ops;
pub mod params;
pub mod random;
pub mod rounding;

mod model_tests;

use ::model::config::ModelConfig;
use model::Point;
use rounding::Rounding;
use std::collections::BTreeMap;

/// Parameters by name, row-major.
pub type Params = BTreeMap<String, Vec<f64>>;

/// The loss near a base point, and its derivatives there.
pub struct Oracle {
    config: ModelConfig,
    batch: Batch,
    /// Parameters as the forward uses them: matrices rounded to their stored precision.
    stored: Params,
    rounding: Rounding,
    base: Point,
}

/// Token ids and the ids that follow them, sequence after sequence.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Positions in one sequence.
    pub seq: usize,
    /// `(sequences, seq)`.
    pub tokens: Vec<u32>,
    /// `(sequences, seq)`.
    pub targets: Vec<u32>,
}

impl Oracle {
    /// Runs the forward once at `params` with the true quantisers and keeps every residual.
    pub fn new(config: &ModelConfig, batch: &Batch, params: &Params) -> Oracle {
        Oracle::at(config, batch, rounding::stored(config, params), Rounding::record())
    }

    /// The same network in real numbers: nothing is rounded.
    pub fn exact(config: &ModelConfig, batch: &Batch, params: &Params) -> Oracle {
        Oracle::at(config, batch, params.clone(), Rounding::Off)
    }

    fn at(config: &ModelConfig, batch: &Batch, stored: Params, mut rounding: Rounding) -> Oracle {
        let base = model::forward(config, &stored, batch, &mut rounding);
        Oracle {
            config: config.clone(),
            batch: batch.clone(),
            stored,
            rounding: rounding.into_replay(),
            base,
        }
    }

    /// Mean cross-entropy at the base point, nats.
    pub fn loss(&self) -> f64 {
        self.base.loss
    }

    /// Logits at the base point, `(tokens, vocab)`.
    pub fn logits(&self) -> &[f64] {
        &self.base.logits
    }

    /// Streams after the last block at the base point, `(tokens, n, d)`.
    pub fn final_streams(&self) -> &[f64] {
        self.base.entries.last().expect("an entry for the head")
    }

    /// The loss recomputed with the recorded residuals.
    pub fn loss_replayed(&mut self) -> f64 {
        model::forward(&self.config, &self.stored, &self.batch, &mut self.rounding).loss
    }

    /// d loss / d `name[index]` by a central difference of half-width `h`.
    pub fn gradient(&mut self, name: &str, index: usize, h: f64) -> f64 {
        let mut moved = |step: f64| {
            let slot = &mut self.stored.get_mut(name).unwrap_or_else(|| panic!("no parameter {name}"))[index];
            let kept = *slot;
            *slot = kept + step;
            let from = model::first_block_reading(&self.config, name);
            let loss =
                model::resume(&self.config, &self.stored, &self.batch, &mut self.rounding, &self.base, from);
            self.stored.get_mut(name).expect("present above")[index] = kept;
            loss
        };
        (moved(h) - moved(-h)) / (2.0 * h)
    }
}
