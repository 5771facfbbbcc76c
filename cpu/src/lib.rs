//! The processor: kernels chosen once by what it offers, the ops built from them, and the pool of threads that runs both.

#[cfg(x86_kernels)]
mod avx2;
mod isa;
mod kernels;
mod memory;
pub mod ops;
mod pool;
mod probe;
mod scalar;
mod share;
mod spread;
mod ternary;
mod veclut;
mod vector;

pub use kernels::{Compiled, Kernels};
pub use memory::advise_huge_pages;
pub use pool::{Pool, THREADS_MAX};
pub use probe::{Memory, features};
pub use ternary::{GROUP_MAX, LaidOutRows, ROW_BLOCK, RowLayout, TernaryMatrix};
pub use veclut::VecLutMatrix;
pub use vector::{LANES, Vector};
