//! The CPU backend: kernels chosen once by what the processor offers, and the ops built from them.

#[cfg(x86_kernels)]
mod avx2;
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

pub use kernels::{Kernels, Level};
pub use memory::advise_huge_pages;
pub use pool::{Pool, THREADS_MAX};
pub use probe::{Memory, features};
pub use ternary::{ROW_BLOCK, RowBlock, RowLayout, TernaryMatrix};
pub use veclut::VecLutMatrix;
