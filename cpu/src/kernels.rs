//! The table of kernels: which of them run, chosen once and visible. A row is plain data, the kernels of an instruction set that go together;
//! its safe methods check shapes and make the one unsafe call. All rows give the same bits.
#![expect(unsafe_code, reason = "calls kernels compiled for instruction sets that detection has found")]

use std::ffi::OsStr;
use std::ops::Range;
use std::sync::OnceLock;

use super::isa::{Isa, compiled_for, detected_kernels};
use super::veclut::{VecLutMatrix, VecLutView};
use super::vector::Vector;
use super::{ROW_BLOCK, RowLayout, TernaryMatrix, scalar};

/// Names the row to use, whatever is fastest.
pub const KERNELS_VARIABLE: &str = "TERCET_KERNELS";

/// `y[t * y_stride + r - rows.start] = a[t] * sum_G scale[r, G] * (f32) sum_k code[r, k] q[t, k]`, for rows of a matrix from a multiple of
/// [`ROW_BLOCK`] on.
///
/// # Safety
/// The processor has the instruction set that the kernel is compiled for.
pub(super) type TernaryKernel =
    unsafe fn(&TernaryMatrix, Range<usize>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize);

/// A kernel for the matrices of one layout and group.
#[derive(Debug)]
pub(super) struct TernaryEntry {
    pub layout: RowLayout,
    /// Columns that share a scale.
    pub group: usize,
    pub gemm: TernaryKernel,
}

/// One row of the table.
#[derive(Debug)]
pub struct Kernels {
    /// Name, as `TERCET_KERNELS` spells it.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    pub(super) isa: Isa,
    /// How these kernels want a matrix.
    pub(super) layout: RowLayout,
    /// Those that beat the scalar kernel, each for its layout and group.
    pub(super) ternary: &'static [TernaryEntry],
    /// See [`scalar::gemm_veclut::gemm`].
    pub(super) gemm_veclut: unsafe fn(&VecLutView<'_>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize),
    /// See [`scalar::gemm_veclut::index_codes`].
    pub(super) index_codes: unsafe fn(&[i8], cols: usize, first: usize, stride: usize, &mut [u64]),
    /// What the set can do at most.
    pub(super) limits: Limits,
}

/// Loops that do nothing but what a core can do at most, see [`Kernels::multiply_add`] and [`Kernels::read`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub multiply_add: Option<unsafe fn(turns: usize) -> u64>,
    pub read: unsafe fn(&[[u8; super::probe::BLOCK]], passes: usize) -> u64,
}

/// Code to be compiled for an instruction set.
pub trait Compiled {
    /// What it gives.
    type Output;

    /// Computes with vectors `V`. Marked `#[inline(always)]`, as everything it calls that is to be compiled along.
    fn run<V: Vector>(self) -> Self::Output;
}

/// A closure as code to be compiled.
struct Plain<F>(F);

impl<R, F: FnOnce() -> R> Compiled for Plain<F> {
    type Output = R;

    #[inline(always)]
    fn run<V: Vector>(self) -> R {
        (self.0)()
    }
}

impl Kernels {
    /// The layout that [`TernaryMatrix`] takes for these kernels.
    pub fn layout(&self) -> RowLayout {
        self.layout
    }

    /// Whether these are the portable loops that every other row is held against.
    pub fn is_oracle(&self) -> bool {
        self.isa == Isa::Portable
    }

    /// The rows this CPU may run, the preferred one last.
    pub fn available() -> Vec<&'static Kernels> {
        detected_kernels()
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

    /// Runs code compiled for this row's instruction set. What it computes does not change; multiply and add are never fused behind its back.
    #[inline]
    pub fn run<C: Compiled>(&self, code: C) -> C::Output {
        compiled_for!(self.isa, [C: Compiled], (code: C) -> C::Output, code.run::<V>())
    }

    /// [`run`](Self::run) for a closure of plain Rust, whose loops become vector code. For short closures: one that is too long to be inlined
    /// is compiled for any processor, and is many times slower.
    #[inline]
    pub fn vectorise<R>(&self, f: impl FnOnce() -> R) -> R {
        self.run(Plain(f))
    }

    /// Product of some rows with one token: `q` (cols), its scale `a`, `y` (rows.len()).
    ///
    /// `y[r] = factor * (a * sum over groups in order (s[r, G] * (f32) sum_k t[r, k] q[k]))`, the inner sum exact for any `q`; without a factor
    /// nothing is multiplied by one.
    ///
    /// # Panics
    /// Unless `rows` starts at a multiple of [`ROW_BLOCK`] and `m` was laid out for this row of the table (scalar takes any layout).
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
        assert!(self.is_oracle() || m.layout() == self.layout);
        assert_eq!(q.len(), a.len() * m.cols());
        assert!(y_stride >= rows.len());
        if a.is_empty() || rows.is_empty() {
            return;
        }
        assert!(y.len() >= (a.len() - 1) * y_stride + rows.len());
        let gemm = self.ternary_kernel(m.layout(), m.group());
        // SAFETY: this row's instruction set was detected, and the scalar kernel needs none.
        unsafe { gemm(m, rows.clone(), q, a, y, y_stride) }
        m.apply_factors(rows, a.len(), y, y_stride);
    }

    /// The kernel for matrices of that layout and group: the set's own, or else the exact loops, which take any.
    fn ternary_kernel(&self, layout: RowLayout, group: usize) -> TernaryKernel {
        let own = self.ternary.iter().find(|entry| (entry.layout, entry.group) == (layout, group));
        own.map_or(scalar::gemm_ternary::gemm, |entry| entry.gemm)
    }

    /// Product with n tokens: `q` (n x cols), their scales `a` (n) and `y` (n x rows).
    ///
    /// The same bits as [`gemm_ternary`](Self::gemm_ternary). Best with a multiple of 16 tokens and many rows.
    pub fn gemm_veclut(&self, m: &VecLutMatrix, q: &[i8], a: &[f32], y: &mut [f32]) {
        assert_eq!(q.len(), a.len() * m.cols());
        assert_eq!(y.len(), a.len() * m.rows());
        // SAFETY: this row's instruction set was detected.
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
        // SAFETY: this row's instruction set was detected.
        unsafe { (self.index_codes)(codes, cols, first, stride, indices) }
    }

    /// Multiplies and adds registers `turns` times over; returns how many operations that were, a multiplication and an
    /// addition of two 8-bit numbers being two. `None` where there is no such instruction.
    ///
    /// This instruction alone, with nothing to load, widen or add up, is the most that kernels of this set can do by multiplying.
    pub fn multiply_add(&self, turns: usize) -> Option<u64> {
        // SAFETY: this row's instruction set was detected.
        self.limits.multiply_add.map(|multiply_add| unsafe { multiply_add(turns) })
    }

    /// Reads all whole blocks of 256 bytes in order, `passes` times over, and returns the exclusive or of their words of eight, so that no
    /// read can be left out.
    pub fn read(&self, bytes: &[u8], passes: usize) -> u64 {
        // SAFETY: this row's instruction set was detected.
        unsafe { (self.limits.read)(bytes.as_chunks().0, passes) }
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
        let scalar = Kernels::named("scalar").unwrap();
        assert!(scalar.is_oracle() && scalar.log_line().starts_with("kernels: scalar (of scalar"));
    }

    #[test]
    fn kernels_of_a_set_are_for_the_layout_that_they_ask_for() {
        for row in Kernels::available() {
            assert!(row.ternary.iter().all(|entry| entry.layout == row.layout), "{}", row.name);
            assert_eq!(row.ternary.is_empty(), row.is_oracle(), "{}", row.name);
        }
    }
}
