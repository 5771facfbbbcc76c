//! A model's tensors in the layouts that the kernels read, one copy of each. Running them is `session`'s business.

mod loader;
mod mixing;
mod rows;

use half::f16;

use cpu::ops::{HeadRows, HyperWeights};
use cpu::{Kernels, TernaryMatrix};
use model::config::ModelConfig;
use model::forward::{Forward, Hyper, StackId};
use model::tensors::TensorId;

/// Everything a model has learnt, by the places that `model::forward` gives.
#[derive(Debug)]
pub struct Weights {
    /// One for each tensor.
    tensors: Vec<Held>,
    /// One for each stack.
    stacks: Vec<TernaryMatrix>,
}

/// A tensor in memory.
#[derive(Debug)]
enum Held {
    /// Part of a stack.
    Stacked,
    /// f32 values.
    Plain(Vec<f32>),
    /// An embedding or a head.
    Table(Table),
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

impl Weights {
    /// A gain, or a parameter of a hyper-connection.
    ///
    /// # Panics
    /// If the tensor is a matrix.
    pub fn plain(&self, id: TensorId) -> &[f32] {
        match &self.tensors[id.0] {
            Held::Plain(values) => values,
            _ => panic!("tensor {} is a matrix", id.0),
        }
    }

    /// An embedding or a head.
    ///
    /// # Panics
    /// If the tensor is another.
    pub fn table(&self, id: TensorId) -> &Table {
        match &self.tensors[id.0] {
            Held::Table(table) => table,
            _ => panic!("tensor {} is no table", id.0),
        }
    }

    /// Ternary matrices on top of each other.
    pub fn stack(&self, id: StackId) -> &TernaryMatrix {
        &self.stacks[id.0]
    }

    /// All of them, in the order of the forward pass.
    pub fn stacks(&self) -> &[TernaryMatrix] {
        &self.stacks
    }

    /// A hyper-connection as the ops take it.
    pub fn hyper(&self, c: &ModelConfig, h: &Hyper) -> HyperWeights<'_> {
        HyperWeights {
            streams: c.streams,
            eps: c.norm_eps,
            alpha: h.alpha.map(|id| self.plain(id)[0]),
            weight: h.weight.map(|id| self.plain(id)),
            bias: h.bias.map(|id| self.plain(id)),
        }
    }

    /// The farthest that a row or column of any mixing matrix is from summing to 1; `None` with one stream.
    pub fn mixing_error(&self, forward: &Forward, kernels: &Kernels) -> Option<f32> {
        let hypers = forward.connections.iter().filter_map(|c| c.hyper.as_ref());
        let sums = hypers.flat_map(|h| mixing::sums(&self.hyper(&forward.config, h), kernels));
        sums.map(|(_, _, sum)| (sum - 1.0).abs()).reduce(f32::max)
    }
}
