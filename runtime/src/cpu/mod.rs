//! The CPU backend: kernels chosen once by what the processor offers, and the ops built from them.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod kernels;
mod memory;
pub mod ops;
mod pool;
mod probe;
mod scalar;
mod ternary;
mod veclut;

pub use kernels::{Kernels, Level};
pub(crate) use memory::advise_huge_pages;
pub use pool::Pool;
pub use probe::{Memory, features};
pub use ternary::{ROW_BLOCK, RowBlock, RowLayout, TernaryMatrix};
pub use veclut::VecLutMatrix;
