//! The rows that the next products read, in the forms they are read in, and those products: quantised for ternary matrices, f32 for others.

use cpu::{Kernels, Pool};
use model::config::ModelConfig;

use crate::weights::{Matrix, Reads};

/// Rows of a sub-layer, normed and quantised.
#[derive(Debug, Default)]
pub struct Normed {
    width: usize,
    /// (n, width), where a matrix reads f32; a row of room otherwise.
    floats: Vec<f32>,
    /// (n, width) and (n), where a matrix is ternary.
    q8: Vec<i8>,
    a: Vec<f32>,
    /// Room for rows of a matrix.
    unpacked: Vec<f32>,
}

impl Normed {
    /// Norms each row of `x` (n x width) where there is a gain, and keeps it as it will be read.
    pub fn take(
        &mut self,
        kn: &Kernels,
        c: &ModelConfig,
        x: &[f32],
        width: usize,
        gain: Option<&[f32]>,
        reads: Reads,
    ) {
        let n = x.len() / width;
        self.width = width;
        self.floats.resize(if reads.floats { n * width } else { width }, 0.0);
        if reads.codes {
            self.q8.resize(n * width, 0);
            self.a.resize(n, 0.0);
        }
        for (t, x) in x.chunks_exact(width).enumerate() {
            let row = &mut self.floats[if reads.floats { t * width } else { 0 }..][..width];
            let normed = match gain {
                Some(gain) => {
                    kn.rms_norm(x, Some(gain), c.norm_eps, row);
                    &*row
                }
                None if reads.floats => {
                    row.copy_from_slice(x);
                    x
                }
                None => x,
            };
            if reads.codes {
                self.a[t] = kn.quantise(normed, &mut self.q8[t * width..][..width]);
            }
        }
    }

    /// Products of `n` rows with matrices on top of each other: `y` is n x the rows of all of them. With a pool all its threads take part.
    pub fn products(
        &mut self,
        kn: &Kernels,
        matrices: &[Matrix],
        n: usize,
        y: &mut [f32],
        pool: Option<&Pool>,
    ) {
        let (width, stride) = (self.width, y.len() / n);
        let mut first = 0;
        for matrix in matrices {
            let rows = matrix.row_count(width);
            match matrix {
                Matrix::Ternary(m) => {
                    let (q8, a) = (&self.q8[..n * width], &self.a[..n]);
                    match pool {
                        Some(pool) if rows == stride => pool.gemm_ternary(kn, m, q8, a, y),
                        Some(pool) => pool.by_rows(y, stride, first..first + rows, |rows, y| {
                            let stride = rows.len();
                            kn.gemm_ternary(m, rows, q8, a, y, stride);
                        }),
                        None => kn.gemm_ternary(m, 0..rows, q8, a, &mut y[first..], stride),
                    }
                }
                _ => {
                    let x = &self.floats[..n * width];
                    match pool {
                        Some(pool) => pool.by_rows(y, stride, first..first + rows, |rows, y| {
                            let stride = rows.len();
                            let w = matrix.rows(rows, width);
                            kn.head_products(w, width, x, y, stride, &mut Vec::new());
                        }),
                        None => {
                            let w = matrix.rows(0..rows, width);
                            kn.head_products(w, width, x, &mut y[first..], stride, &mut self.unpacked);
                        }
                    }
                }
            }
            first += rows;
        }
    }
}
