//! Ternary products split between the threads of a pool: rows for a few tokens, tokens for many.
//! The bits do not depend on the split.

use super::{Kernels, Pool, ROW_BLOCK, TernaryMatrix};

/// Tokens that the kernels for many tokens take at once.
const TOKEN_BLOCK: usize = 16;

/// Multiply-adds below which handing out work costs more than it saves (under a microsecond on one core).
const SHARED_MIN: usize = 48 << 10;

impl Kernels {
    /// Product with n tokens on all threads: `q` (n x cols), their scales `a` (n), `y` (n x rows).
    ///
    /// The same bits as [`gemm_ternary`](Self::gemm_ternary) on all rows.
    pub fn product(&self, pool: &Pool, m: &TernaryMatrix, q: &[i8], a: &[f32], y: &mut [f32]) {
        let (n, rows, cols) = (a.len(), m.rows(), m.cols());
        assert_eq!(q.len(), n * cols);
        assert_eq!(y.len(), n * rows);
        if y.is_empty() {
            return;
        }
        if pool.threads() == 1 || n * rows * cols < SHARED_MIN {
            self.gemm_ternary(m, 0..rows, q, a, y, rows);
        } else if n == 1 {
            pool.split_mut(y, ROW_BLOCK, |first, y| {
                self.gemv_ternary(m, first..first + y.len(), q, a[0], y);
            });
        } else if n >= TOKEN_BLOCK * pool.threads() {
            let tokens = n.div_ceil(TOKEN_BLOCK).div_ceil(pool.threads()) * TOKEN_BLOCK;
            pool.chunks_mut(y, tokens * rows, |i, y| {
                let (first, n) = (i * tokens, y.len() / rows);
                self.gemm_ternary(
                    m,
                    0..rows,
                    &q[first * cols..(first + n) * cols],
                    &a[first..first + n],
                    y,
                    rows,
                );
            });
        } else {
            // Each thread writes the outputs of its rows together; they are put in their places afterwards.
            let part_rows = rows.div_ceil(ROW_BLOCK).div_ceil(pool.threads()) * ROW_BLOCK;
            let mut parts = vec![0.0; n * rows];
            pool.chunks_mut(&mut parts, n * part_rows, |i, part| {
                let (first, rows) = (i * part_rows, part.len() / n);
                self.gemm_ternary(m, first..first + rows, q, a, part, rows);
            });
            for (i, part) in parts.chunks(n * part_rows).enumerate() {
                let part_rows_here = part.len() / n;
                for (t, outputs) in part.chunks_exact(part_rows_here).enumerate() {
                    y[t * rows + i * part_rows..][..part_rows_here].copy_from_slice(outputs);
                }
            }
        }
    }
}
