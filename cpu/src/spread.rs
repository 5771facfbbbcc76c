//! The ternary product of one token on all threads of a pool, where that pays.

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
}
