//! Kernels for AVX2, FMA and F16C (x86-64-v3). Only the table of kernels calls them, after detection.
#![expect(unsafe_code, reason = "vector loads and stores at addresses computed from packed indices")]

mod gemm_madd;
pub(super) mod gemm_ternary;
pub(super) mod gemm_veclut;
mod gemv_madd;
mod gemv_pshufb;
