//! The trainer's fast kernels: what a step spends its time in besides the runtime's own ops.
//! Each runs on the calling thread; who splits a batch, and how, is decided above.

pub mod dx_ternary;
pub mod gemm;
pub mod symmetric;

#[cfg(test)]
mod speed;
#[cfg(test)]
pub(crate) mod testing;
