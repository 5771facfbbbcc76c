//! Ternary products of one or a few tokens on all threads of a pool, where that pays.

use std::ops::Range;

use super::{Kernels, Pool, ROW_BLOCK, TernaryMatrix};

/// Products of fewer weights are not worth handing out: 65,536 take as long on two threads as on one (Zen 3).
const WEIGHTS_MIN: usize = 1 << 17;

impl Pool {
    /// Product of all rows with one token, split by rows unless the matrix is small: `q` (cols), its scale `a`, `y` (rows).
    ///
    /// The same bits as [`Kernels::gemv_ternary`], whatever the number of threads.
    pub fn gemv_ternary(&self, kernels: &Kernels, m: &TernaryMatrix, q: &[i8], a: f32, y: &mut [f32]) {
        if m.rows() * m.cols() < WEIGHTS_MIN {
            return kernels.gemv_ternary(m, 0..m.rows(), q, a, y);
        }
        self.split_mut(y, ROW_BLOCK, |first, y| kernels.gemv_ternary(m, first..first + y.len(), q, a, y));
    }

    /// Product of all rows with a few tokens, split by rows unless the matrix is small: `q` (n x cols), their scales `a` (n),
    /// `y` (n x rows).
    ///
    /// The same bits as [`Kernels::gemm_ternary`], whatever the number of threads.
    pub fn gemm_ternary(&self, kernels: &Kernels, m: &TernaryMatrix, q: &[i8], a: &[f32], y: &mut [f32]) {
        match *a {
            [a] => self.gemv_ternary(kernels, m, q, a, y),
            _ if m.rows() * m.cols() * a.len() < WEIGHTS_MIN => {
                kernels.gemm_ternary(m, 0..m.rows(), q, a, y, m.rows());
            }
            _ => self.by_rows(y, m.rows(), 0..m.rows(), |rows, y| {
                let stride = rows.len();
                kernels.gemm_ternary(m, rows, q, a, y, stride);
            }),
        }
    }

    /// Fills `columns` of `y` (tokens x stride), a row of some matrix each, by ranges of those rows, multiples of [`ROW_BLOCK`], on all threads:
    /// `part` fills its own (tokens x range).
    pub fn by_rows(
        &self,
        y: &mut [f32],
        stride: usize,
        columns: Range<usize>,
        part: impl Fn(Range<usize>, &mut [f32]) + Sync,
    ) {
        let rows = columns.len();
        // Two for each thread: one that is late leaves the other to whoever is done.
        let each = rows.div_ceil(2 * self.threads_used()).next_multiple_of(ROW_BLOCK);
        let mut parts: Vec<Vec<&mut [f32]>> = (0..rows.div_ceil(each)).map(|_| Vec::new()).collect();
        for token in y.chunks_exact_mut(stride) {
            let own = token[columns.clone()].chunks_mut(each);
            parts.iter_mut().zip(own).for_each(|(part, y)| part.push(y));
        }
        self.each_mut(&mut parts, |i, tokens| {
            let range = i * each..((i + 1) * each).min(rows);
            let mut own = vec![0.0; tokens.len() * range.len()];
            part(range.clone(), &mut own);
            tokens.iter_mut().zip(own.chunks_exact(range.len())).for_each(|(y, own)| y.copy_from_slice(own));
        });
    }
}
