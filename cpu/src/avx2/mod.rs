//! Kernels for AVX2, FMA and F16C (x86-64-v3). Only the table of kernels calls them, after detection.
#![expect(unsafe_code, reason = "vector loads and stores at addresses computed from packed indices")]

use half::f16;

mod gemm_madd;
pub(super) mod gemm_ternary;
pub(super) mod gemm_veclut;
mod gemv_madd;
mod gemv_pshufb;
pub(super) mod probe;

/// Asks for the cache line at `at`, which need not be memory at all.
#[inline(always)]
pub(super) fn prefetch(at: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 processor has the instruction, and it never faults.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at) };
}

/// Eight halves as f32; infinities stay what they are.
///
/// # Safety
/// The processor has F16C.
#[inline(always)]
pub(super) unsafe fn widen(x: &[f16; 8], out: &mut [f32; 8]) {
    use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};
    // SAFETY: 16 readable bytes and 32 writable ones; the instruction exists by the caller's promise.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast()))) };
}
