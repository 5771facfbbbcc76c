//! The CPU backend: kernels chosen once by what the processor offers, and the ops built from them.

mod kernels;
pub mod ops;

pub use kernels::{Kernels, Level};
