//! One shard of a batch: its own activations and gradients, so that a shard never waits for another. Interprets the token ops of a
//! program over one pass (a few sequences) at a time; memory does not grow with the batch.

mod backward;
mod forward;
mod pass;

use cpu::ops::HyperCoefficients;

use super::ops::attention;
use super::ops::bit_linear::{self, QuantRows};
use super::ops::hyper::CoefficientGradient;
use super::params::Parameters;
use crate::program::{Buffers, Coefs, Program, Quant, Rows};
use model::tensors::TensorId;

pub(crate) use pass::Pass;

/// Activations, gradients and working memory of one shard.
#[derive(Debug)]
pub(crate) struct Shard {
    tokens_max: usize,
    tokens: usize,
    widths: Vec<usize>,
    rows: Vec<Vec<f32>>,
    quants: Vec<QuantRows>,
    coefs: Vec<Vec<HyperCoefficients>>,
    coef_gradients: Vec<CoefficientGradient>,
    /// One per parameter; empty until the first backward pass.
    pub(crate) gradients: Vec<Vec<f32>>,
    attention: attention::Scratch,
    linear: bit_linear::Scratch,
    row: Vec<f32>,
    logits: Vec<f32>,
}

impl Shard {
    /// Memory for passes of up to `tokens_max` tokens.
    pub(crate) fn new(buffers: &Buffers, tokens_max: usize, float: bool) -> Shard {
        Shard {
            tokens_max,
            tokens: 0,
            widths: buffers.rows.clone(),
            rows: buffers.rows.iter().map(|w| vec![0.0; w * tokens_max]).collect(),
            quants: buffers.quants.iter().map(|&w| QuantRows::new(w, tokens_max, float)).collect(),
            coefs: vec![vec![HyperCoefficients::default(); tokens_max]; buffers.coefs],
            coef_gradients: vec![CoefficientGradient::default(); tokens_max],
            gradients: Vec::new(),
            attention: attention::Scratch::default(),
            linear: bit_linear::Scratch::default(),
            row: Vec::new(),
            logits: Vec::new(),
        }
    }

    /// Sets all gradients to zero, making room for them the first time.
    pub(crate) fn clear_gradients(&mut self, params: &Parameters) {
        if self.gradients.is_empty() {
            self.gradients = params.0.iter().map(|p| vec![0.0; p.latent.len()]).collect();
        } else {
            self.gradients.iter_mut().for_each(|g| g.fill(0.0));
        }
    }

    /// Runs the forward ops over one pass, and the backward ops where the pass has a gradient.
    pub(crate) fn run(&mut self, program: &Program, pass: &Pass<'_>) {
        self.tokens = pass.ids.len();
        assert!(self.tokens <= self.tokens_max && self.tokens.is_multiple_of(pass.seq));
        for op in &program.forward {
            self.forward(op, pass);
        }
        if pass.gradient.is_some() {
            for op in &program.backward {
                self.backward(op, pass);
            }
        }
    }

    /// The values of the last pass in a buffer.
    pub(crate) fn read(&self, r: Rows) -> &[f32] {
        &self.rows[r.0][..self.tokens * self.widths[r.0]]
    }

    fn width(&self, r: Rows) -> usize {
        self.widths[r.0]
    }

    /// Takes a buffer out to be written while others are read; [`Shard::put`] returns it.
    fn take(&mut self, r: Rows) -> Vec<f32> {
        let mut v = std::mem::take(&mut self.rows[r.0]);
        v.truncate(self.tokens * self.widths[r.0]);
        v
    }

    fn put(&mut self, r: Rows, mut v: Vec<f32>) {
        v.resize(self.tokens_max * self.widths[r.0], 0.0);
        self.rows[r.0] = v;
    }

    fn take_gradient(&mut self, p: Option<TensorId>) -> Option<(TensorId, Vec<f32>)> {
        p.map(|p| (p, std::mem::take(&mut self.gradients[p.0])))
    }

    fn put_gradient(&mut self, g: Option<(TensorId, Vec<f32>)>) {
        if let Some((p, g)) = g {
            self.gradients[p.0] = g;
        }
    }

    fn coefs(&self, c: Coefs) -> &[HyperCoefficients] {
        &self.coefs[c.0][..self.tokens]
    }

    fn quant(&self, q: Quant) -> &QuantRows {
        &self.quants[q.0]
    }
}
