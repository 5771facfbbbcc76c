//! The head: logits of the tokens whose logits are wanted, on all threads of a pool. A few tokens share the rows of the table among
//! the threads, many are shared out themselves; no result depends on that.

use std::ops::Range;

use cpu::{Pool, ROW_BLOCK};

use crate::lane::TOGETHER_MAX;
use crate::model::Model;
use crate::weights::Matrix;

/// The rows that a head reads.
#[derive(Debug, Default)]
pub struct Head {
    /// Normed rows, (tokens, width).
    hidden: Vec<f32>,
    /// The same, quantised, and their scales, where the head reads int8.
    q8: Vec<i8>,
    a: Vec<f32>,
}

impl Head {
    /// Takes the normed rows whose logits are wanted.
    pub fn start<'r>(&mut self, rows: impl Iterator<Item = &'r [f32]>) {
        self.hidden.clear();
        rows.for_each(|row| self.hidden.extend_from_slice(row));
    }

    /// Appends their logits, (tokens, vocab).
    pub fn run(&mut self, model: &Model, pool: &Pool, logits: &mut Vec<f32>) {
        let (c, kn) = (model.config(), model.kernels());
        let tokens = self.hidden.len() / c.width;
        if c.head_int8 {
            self.q8.resize(tokens * c.width, 0);
            self.a.resize(tokens, 0.0);
            let rows = self.hidden.chunks_exact(c.width).zip(self.q8.chunks_exact_mut(c.width));
            rows.zip(&mut self.a).for_each(|((x, q), a)| *a = kn.quantise(x, q));
        }
        let at = logits.len();
        logits.resize(at + tokens * c.vocab, 0.0);
        let logits = &mut logits[at..];
        let table = model.weights().table(model.forward().head_table());
        let this = &*self;
        match (tokens, table) {
            (..=TOGETHER_MAX, Matrix::Ternary(m)) => pool.gemm_ternary(kn, m, &self.q8, &self.a, logits),
            (1, _) => pool.split_mut(logits, ROW_BLOCK, |first, y| {
                this.products(model, table, first..first + y.len(), 0..1, y, y.len());
            }),
            (..=TOGETHER_MAX, _) => pool.by_rows(logits, c.vocab, 0..c.vocab, |rows, y| {
                let stride = rows.len();
                this.products(model, table, rows, 0..tokens, y, stride);
            }),
            _ => {
                let share = tokens.div_ceil(pool.threads_used());
                // A product of a token at a time reads a few rows at a time, which stay in the cache for all tokens.
                let rows_a_time = match table {
                    Matrix::Scaled { .. } if c.head_int8 => ROW_BLOCK,
                    _ => c.vocab,
                };
                pool.chunks_mut(logits, share * c.vocab, |i, y| {
                    let first = i * share;
                    let tokens = first..first + y.len() / c.vocab;
                    for first in (0..c.vocab).step_by(rows_a_time) {
                        let rows = first..(first + rows_a_time).min(c.vocab);
                        this.products(model, table, rows, tokens.clone(), &mut y[first..], c.vocab);
                    }
                });
            }
        }
    }

    /// Products of some rows of the table with some tokens: `y[t * stride + r]`.
    fn products(
        &self,
        model: &Model,
        table: &Matrix,
        rows: Range<usize>,
        tokens: Range<usize>,
        y: &mut [f32],
        stride: usize,
    ) {
        let (c, kn) = (model.config(), model.kernels());
        let elements = tokens.start * c.width..tokens.end * c.width;
        match table {
            Matrix::Ternary(m) => {
                kn.gemm_ternary(m, rows, &self.q8[elements], &self.a[tokens], y, stride);
            }
            Matrix::Scaled { codes, scales, group } if c.head_int8 => {
                let weights = rows.start * c.width..rows.end * c.width;
                let scales = &scales[weights.start / group..weights.end / group];
                for (i, t) in tokens.enumerate() {
                    let (q, a) = (&self.q8[t * c.width..][..c.width], self.a[t]);
                    let y = &mut y[i * stride..][..rows.len()];
                    kn.head_products_int8(&codes[weights.clone()], scales, *group, q, a, y);
                }
            }
            _ => {
                let w = table.rows(rows, c.width);
                kn.head_products(w, c.width, &self.hidden[elements], y, stride, &mut Vec::new());
            }
        }
    }
}
