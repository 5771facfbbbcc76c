//! Training on NVIDIA cards: our own kernels, compiled ahead to PTX that the program carries, launched through cudarc. Nothing of CUDA is
//! needed to build it, and where there is no driver it says so.

pub mod choice;
pub mod driver;

mod backend;
mod error;
pub mod measure;
mod memory;
mod moments;
pub mod paper;
mod plan;
mod precision;
mod probe;
mod record;
pub mod run;
pub mod several;
mod words;

pub use backend::CudaBackend;
pub use error::{Error, Result};
pub use plan::{CudaOptions, Share, Sizes};
pub use precision::Precision;
