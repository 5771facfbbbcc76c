//! Kernels for AVX2, FMA and F16C (x86-64-v3). Only the table of kernels calls them, after detection.
#![expect(unsafe_code, reason = "vector loads and stores at addresses computed from packed indices")]

pub(super) mod gemm_veclut;
