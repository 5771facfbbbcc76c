//! The table of kernels: which instruction set runs, chosen once and visible.
//! A row is plain data; its safe methods check shapes and make the one unsafe call.
#![expect(unsafe_code, reason = "calls kernels compiled for instruction sets that detection has found")]

use std::ffi::OsStr;
use std::ops::Range;
use std::sync::OnceLock;

use super::scalar;
use super::veclut::{VecLutMatrix, VecLutView};
use super::{ROW_BLOCK, RowLayout, TernaryMatrix};

#[cfg(x86_kernels)]
use super::avx2;

/// Names the row to use, whatever is fastest.
pub const KERNELS_VARIABLE: &str = "TERCET_KERNELS";

/// An instruction-set level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Portable Rust: the exact oracle.
    Scalar,
    /// AVX2, FMA and F16C.
    Avx2,
}

type GemmTernary =
    unsafe fn(&TernaryMatrix, Range<usize>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize);

/// One row of the table: a set of kernels that go together. All rows give the same bits.
#[derive(Debug)]
pub struct Kernels {
    /// Name, as `TERCET_KERNELS` spells it.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    level: Level,
    layout: RowLayout,
    /// See [`scalar::gemm_ternary::gemm`].
    gemm_ternary: GemmTernary,
    /// See [`scalar::gemm_veclut::gemm`].
    gemm_veclut: unsafe fn(&VecLutView<'_>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize),
    /// See [`scalar::gemm_veclut::index_codes`].
    index_codes: unsafe fn(&[i8], cols: usize, first: usize, stride: usize, &mut [u64]),
}

static SCALAR: Kernels = Kernels {
    name: "scalar",
    about: "portable loops, the oracle",
    level: Level::Scalar,
    layout: RowLayout::Lanes,
    gemm_ternary: scalar::gemm_ternary::gemm,
    gemm_veclut: scalar::gemm_veclut::gemm,
    index_codes: scalar::gemm_veclut::index_codes,
};

#[cfg(x86_kernels)]
static AVX2_MADD: Kernels = Kernels {
    name: "avx2-madd",
    about: "multiply-add for any number of tokens",
    gemm_ternary: avx2::gemm_ternary::gemm_without_table,
    ..AVX2
};

#[cfg(x86_kernels)]
static AVX2_PSHUFB: Kernels = Kernels {
    name: "avx2-pshufb",
    about: "byte table lookup for a few tokens, vector table lookup for many",
    layout: RowLayout::Bytes,
    ..AVX2
};

#[cfg(x86_kernels)]
static AVX2: Kernels = Kernels {
    name: "avx2",
    about: "multiply-add for a few tokens, vector table lookup for many",
    level: Level::Avx2,
    layout: RowLayout::Lanes,
    gemm_ternary: avx2::gemm_ternary::gemm,
    gemm_veclut: avx2::gemm_veclut::gemm,
    index_codes: avx2::gemm_veclut::index_codes,
};

impl Kernels {
    /// The level these kernels need; only levels this CPU has are ever handed out.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The layout that [`TernaryMatrix`] takes for these kernels.
    pub fn layout(&self) -> RowLayout {
        self.layout
    }

    /// The rows this CPU may run, the preferred one last.
    pub fn available() -> Vec<&'static Kernels> {
        #[cfg_attr(not(x86_kernels), expect(unused_mut))]
        let mut rows = vec![&SCALAR];
        #[cfg(x86_kernels)]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            rows.extend([&AVX2_MADD, &AVX2_PSHUFB, &AVX2]);
        }
        rows
    }

    /// The row of that name, if this CPU may run it.
    pub fn named(name: &str) -> Option<&'static Kernels> {
        Self::available().into_iter().find(|row| row.name == name)
    }

    /// The row that `TERCET_KERNELS` names, or the preferred one.
    ///
    /// # Errors
    /// A sentence, if the variable names no row that this CPU may run.
    pub fn chosen() -> Result<&'static Kernels, String> {
        Self::chosen_by(std::env::var_os(KERNELS_VARIABLE).as_deref())
    }

    fn chosen_by(variable: Option<&OsStr>) -> Result<&'static Kernels, String> {
        // Set to nothing is the shell's way of not setting it.
        match variable.filter(|name| !name.is_empty()) {
            None => Ok(Self::preferred()),
            Some(name) => name.to_str().and_then(Self::named).ok_or_else(|| {
                let names: Vec<_> = Self::available().iter().map(|row| row.name).collect();
                let name = name.to_string_lossy();
                format!(
                    "{KERNELS_VARIABLE} is \"{}\"; this processor runs {}",
                    name.escape_debug(),
                    names.join(", ")
                )
            }),
        }
    }

    /// [`chosen`](Self::chosen) once and for all; a name that no row has is ignored.
    pub fn best() -> &'static Kernels {
        static BEST: OnceLock<&Kernels> = OnceLock::new();
        BEST.get_or_init(|| Self::chosen().unwrap_or_else(|_| Self::preferred()))
    }

    fn preferred() -> &'static Kernels {
        Self::available().pop().expect("scalar is always there")
    }

    /// One line for a log: `kernels: avx2 (of scalar, avx2-madd, avx2-pshufb, avx2)`.
    pub fn log_line(&self) -> String {
        let names: Vec<_> = Self::available().iter().map(|row| row.name).collect();
        format!("kernels: {} (of {})", self.name, names.join(", "))
    }

    /// Product of some rows with one token: `q` (cols), its scale `a`, `y` (rows.len()).
    ///
    /// `y[r] = a * sum over groups in order (s[r, G] * (f32) sum_k t[r, k] q[k])`, the inner sum exact for any `q`.
    ///
    /// # Panics
    /// Unless `rows` starts at a multiple of [`ROW_BLOCK`] and `m` was laid out for this row of the table
    /// (scalar takes any layout).
    pub fn gemv_ternary(&self, m: &TernaryMatrix, rows: Range<usize>, q: &[i8], a: f32, y: &mut [f32]) {
        let stride = rows.len();
        self.gemm_ternary(m, rows, q, &[a], y, stride);
    }

    /// Product of some rows with n tokens: `q` (n x cols), their scales `a` (n), `y[t * y_stride + i]` for row
    /// `rows.start + i`.
    ///
    /// The same bits as n times [`gemv_ternary`](Self::gemv_ternary), and the same conditions.
    pub fn gemm_ternary(
        &self,
        m: &TernaryMatrix,
        rows: Range<usize>,
        q: &[i8],
        a: &[f32],
        y: &mut [f32],
        y_stride: usize,
    ) {
        assert!(rows.start.is_multiple_of(ROW_BLOCK) && rows.start <= rows.end && rows.end <= m.rows());
        assert!(self.level == Level::Scalar || m.layout() == self.layout);
        assert_eq!(q.len(), a.len() * m.cols());
        assert!(y_stride >= rows.len());
        if a.is_empty() || rows.is_empty() {
            return;
        }
        assert!(y.len() >= (a.len() - 1) * y_stride + rows.len());
        // SAFETY: this row's level was detected.
        unsafe { (self.gemm_ternary)(m, rows, q, a, y, y_stride) }
    }

    /// Product with n tokens: `q` (n x cols), their scales `a` (n) and `y` (n x rows).
    ///
    /// The same bits as [`gemm_ternary`](Self::gemm_ternary). Best with a multiple of 16 tokens and many rows.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_found_by_name() {
        for row in Kernels::available() {
            assert_eq!(Kernels::named(row.name).map(|r| r.name), Some(row.name));
        }
        assert!(Kernels::named("").is_none() && Kernels::named("avx3").is_none());
        let chosen = |name: Option<&str>| Kernels::chosen_by(name.map(OsStr::new)).map(|row| row.name);
        let preferred = Ok(Kernels::preferred().name);
        assert_eq!((chosen(None), chosen(Some(""))), (preferred.clone(), preferred));
        assert_eq!(chosen(Some("scalar")), Ok("scalar"));
        assert!(chosen(Some("avx3")).unwrap_err().contains("TERCET_KERNELS is \"avx3\""));
        assert!(SCALAR.log_line().starts_with("kernels: scalar (of scalar"));
    }
}
