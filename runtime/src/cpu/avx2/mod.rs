//! Kernels for AVX2, FMA and F16C (x86-64-v3). Only the table of kernels calls them, after detection.
#![expect(unsafe_code, reason = "vector loads and stores at addresses computed from packed indices")]

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
