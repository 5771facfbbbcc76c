//! Portable kernels: the exact quantised arithmetic in plain loops, the oracle of every other row of the table.

pub(super) mod gemm_veclut;
