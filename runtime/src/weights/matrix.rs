//! A matrix on the processor, in the precision that its file has. Its products are `cpu`'s kernels' business, when to use which that of
//! a lane and of the head.

use std::ops::Range;

use cpu::ops::HeadRows;
use cpu::{Kernels, TernaryMatrix};
use formats::blocks::TensorType;
use half::f16;

/// An embedding, a head, or the matrix of a linear layer, rows x cols.
#[derive(Debug)]
pub enum Matrix {
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
    /// Blocks as the file has them, row-major.
    Blocks {
        /// How they lie.
        ty: TensorType,
        /// All finite.
        bytes: Vec<u8>,
    },
    /// What nothing multiplies by f32: looked up by row, or multiplied by the ternary kernels.
    Ternary(TernaryMatrix),
}

impl Matrix {
    /// Writes row `r` to `out` (cols).
    pub fn unpack_row(&self, kernels: &Kernels, r: usize, out: &mut [f32]) {
        match self {
            Matrix::Ternary(m) => {
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

    /// Rows `range` of a matrix of `cols` columns, to be multiplied by f32.
    ///
    /// # Panics
    /// If it is kept for the ternary kernels.
    pub fn rows(&self, range: Range<usize>, cols: usize) -> HeadRows<'_> {
        let elements = range.start * cols..range.end * cols;
        match self {
            Matrix::F16(w) => HeadRows::F16(&w[elements]),
            Matrix::Scaled { codes, scales, group } => HeadRows::Scaled {
                codes: &codes[elements.clone()],
                scales: &scales[elements.start / group..elements.end / group],
                group: *group,
            },
            Matrix::Blocks { ty, bytes } => {
                let row = cols / ty.block_len() * ty.block_bytes();
                HeadRows::Blocks { ty: *ty, bytes: &bytes[range.start * row..range.end * row] }
            }
            Matrix::Ternary(_) => panic!("this matrix is kept for the ternary kernels"),
        }
    }

    /// Rows of a matrix of `cols` columns.
    pub fn row_count(&self, cols: usize) -> usize {
        match self {
            Matrix::F16(w) => w.len() / cols,
            Matrix::Scaled { codes, .. } => codes.len() / cols,
            Matrix::Blocks { ty, bytes } => bytes.len() / ty.block_bytes() * ty.block_len() / cols,
            Matrix::Ternary(m) => m.rows(),
        }
    }

    /// The matrix, if the ternary kernels read it.
    pub fn ternary(&self) -> Option<&TernaryMatrix> {
        match self {
            Matrix::Ternary(m) => Some(m),
            _ => None,
        }
    }

    /// Bytes that a product with all rows reads.
    pub fn bytes(&self) -> usize {
        match self {
            Matrix::F16(w) => 2 * w.len(),
            Matrix::Scaled { codes, scales, .. } => codes.len() + 4 * scales.len(),
            Matrix::Blocks { bytes, .. } => bytes.len(),
            Matrix::Ternary(m) => m.bytes(),
        }
    }
}
