//! The table of kernels: which instruction set runs, chosen once and visible.
//! A row is plain data; its safe methods check shapes and make the one unsafe call.
#![expect(unsafe_code, reason = "calls kernels compiled for instruction sets that detection has found")]

use super::scalar;
use super::veclut::{VecLutMatrix, VecLutView};

#[cfg(target_arch = "x86_64")]
use super::avx2;

/// An instruction-set level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Portable Rust: the exact oracle.
    Scalar,
    /// AVX2, FMA and F16C.
    Avx2,
}

/// The kernels of one level.
#[derive(Debug)]
pub struct Kernels {
    /// Name, as `TERCET_KERNELS` spells it.
    pub name: &'static str,
    level: Level,
    /// See [`scalar::gemm_veclut::gemm`].
    gemm_veclut: unsafe fn(&VecLutView<'_>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize),
    /// See [`scalar::gemm_veclut::index_codes`].
    index_codes: unsafe fn(&[i8], cols: usize, first: usize, stride: usize, &mut [u64]),
}

static SCALAR: Kernels = Kernels {
    name: "scalar",
    level: Level::Scalar,
    gemm_veclut: scalar::gemm_veclut::gemm,
    index_codes: scalar::gemm_veclut::index_codes,
};

#[cfg(target_arch = "x86_64")]
static AVX2: Kernels = Kernels {
    name: "avx2",
    level: Level::Avx2,
    gemm_veclut: avx2::gemm_veclut::gemm,
    index_codes: avx2::gemm_veclut::index_codes,
};

impl Kernels {
    /// The level these kernels need; only levels this CPU has are ever handed out.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The rows this CPU may run, slowest first.
    pub fn available() -> Vec<&'static Kernels> {
        let mut rows = vec![&SCALAR];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            rows.push(&AVX2);
        }
        rows
    }

    /// The fastest row this CPU may run.
    pub fn best() -> &'static Kernels {
        let rows = Self::available();
        if std::env::var("TERCET_KERNELS").as_deref() == Ok("scalar") {
            rows[0]
        } else {
            rows[rows.len() - 1]
        }
    }

    /// Product with many tokens: `q` (n x cols), their scales `a` (n) and `y` (n x rows).
    ///
    /// `y[t, r] = a[t] * sum over groups in order (s[r, G] * (f32) sum_k t[r, k] q[t, k])`, the inner sum exact.
    pub fn gemm_veclut(&self, m: &VecLutMatrix, q: &[i8], a: &[f32], y: &mut [f32]) {
        assert_eq!(q.len(), a.len() * m.cols());
        assert_eq!(y.len(), a.len() * m.rows());
        // SAFETY: this row's level was detected.
        unsafe { (self.gemm_veclut)(&m.view(), q, a, y, m.rows()) }
    }

    pub(super) fn index_codes(
        &self,
        codes: &[i8],
        cols: usize,
        first: usize,
        stride: usize,
        indices: &mut [u64],
    ) {
        // SAFETY: this row's level was detected.
        unsafe { (self.index_codes)(codes, cols, first, stride, indices) }
    }
}
