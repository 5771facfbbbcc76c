//! A model's tensors in the layouts that the kernels read, one copy of each. Running them is `session`'s business.

mod loader;
mod mixing;
mod rows;

use half::f16;

use cpu::ops::{HeadRows, HyperWeights};
use cpu::{Kernels, TernaryMatrix};
use model::config::ModelConfig;

/// Everything a model has learnt.
#[derive(Debug)]
pub struct Weights {
    /// One row for each id.
    pub embedding: Table,
    /// An untied head; a tied one reads the embedding.
    pub head: Option<Table>,
    /// Gain of the last norm, (d).
    pub output_norm: Vec<f32>,
    /// The blocks, first to last.
    pub blocks: Vec<Block>,
}

/// One block: attention, then the feed-forward network.
#[derive(Debug)]
pub struct Block {
    /// The streams around attention; `None` for one stream.
    pub hc_attn: Option<Hyper>,
    /// Gain of the norm before q, k and v, (d).
    pub attn_norm: Vec<f32>,
    /// Query, key and value on top of each other, (H hd + 2 K hd x d): they read the same input.
    pub qkv: TernaryMatrix,
    /// Gain of each query head's norm, (hd).
    pub q_norm: Option<Vec<f32>>,
    /// Gain of each key head's norm, (hd).
    pub k_norm: Option<Vec<f32>>,
    /// Gain of the norm before the output projection, (H hd).
    pub attn_sub_norm: Option<Vec<f32>>,
    /// Output projection, (d x H hd).
    pub o: TernaryMatrix,
    /// The streams around the feed-forward network; `None` for one stream.
    pub hc_ffn: Option<Hyper>,
    /// Gain of the norm before gate and up, (d).
    pub ffn_norm: Vec<f32>,
    /// Gate, where the activation has one, on top of up, (2 F x d) or (F x d).
    pub gate_up: TernaryMatrix,
    /// Gain of the norm before down, (F).
    pub ffn_sub_norm: Option<Vec<f32>>,
    /// Down, (d x F).
    pub down: TernaryMatrix,
}

/// An embedding or a head, rows x cols.
#[derive(Debug)]
pub enum Table {
    /// Halves.
    F16(Vec<f16>),
    /// Small integers with a scale for each `group` of them.
    Scaled {
        /// Row-major.
        codes: Vec<i8>,
        /// One for each group.
        scales: Vec<f32>,
        /// 32 (Q8_0), or that of ternary rows.
        group: usize,
    },
    /// What no head multiplies by f32: looked up by row, or multiplied by the ternary kernels.
    Ternary(TernaryMatrix),
}

impl Table {
    /// Writes row `r` to `out` (cols).
    pub fn unpack_row(&self, kernels: &Kernels, r: usize, out: &mut [f32]) {
        match self {
            Table::Ternary(m) => {
                let mut codes = vec![0i8; out.len()];
                m.unpack_row(r, &mut codes);
                let groups = out.chunks_exact_mut(m.group()).zip(codes.chunks_exact(m.group()));
                let factor = m.factor(r).unwrap_or(1.0);
                for (g, (out, codes)) in groups.enumerate() {
                    let s = factor * m.scale(r, g).to_f32();
                    out.iter_mut().zip(codes).for_each(|(o, &t)| *o = s * f32::from(t));
                }
            }
            _ => kernels.head_unpack(self.rows(r..r + 1, out.len()), 0, out),
        }
    }

    /// Rows `range` of a table of `cols` columns, to be multiplied by f32.
    ///
    /// # Panics
    /// If it is kept for the ternary kernels.
    pub fn rows(&self, range: std::ops::Range<usize>, cols: usize) -> HeadRows<'_> {
        let elements = range.start * cols..range.end * cols;
        match self {
            Table::F16(w) => HeadRows::F16(&w[elements]),
            Table::Scaled { codes, scales, group } => HeadRows::Scaled {
                codes: &codes[elements.clone()],
                scales: &scales[elements.start / group..elements.end / group],
                group: *group,
            },
            Table::Ternary(_) => panic!("this table is kept for the ternary kernels"),
        }
    }
}

/// Parameters of one hyper-connection: pre, post, res.
#[derive(Debug)]
pub struct Hyper {
    alpha: [f32; 3],
    weight: [Vec<f32>; 3],
    bias: [Vec<f32>; 3],
}

impl Hyper {
    /// As the ops take them.
    pub fn weights(&self, config: &ModelConfig) -> HyperWeights<'_> {
        HyperWeights {
            streams: config.streams,
            eps: config.norm_eps,
            alpha: self.alpha,
            weight: self.weight.each_ref().map(Vec::as_slice),
            bias: self.bias.each_ref().map(Vec::as_slice),
        }
    }
}

impl Weights {
    /// The farthest that a row or column of any mixing matrix is from summing to 1; `None` with one stream.
    pub fn mixing_error(&self, c: &ModelConfig, kernels: &Kernels) -> Option<f32> {
        let hypers = self.blocks.iter().flat_map(|b| [&b.hc_attn, &b.hc_ffn]).flatten();
        let sums = hypers.flat_map(|h| mixing::sums(&h.weights(c), kernels));
        sums.map(|(_, _, sum)| (sum - 1.0).abs()).reduce(f32::max)
    }

    /// The table that the head reads.
    pub fn head_table(&self) -> &Table {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}
