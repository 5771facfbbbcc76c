//! Models from one file format or tensor type to another, and floats to ternary weights.
//!
//! A [`Source`] (a GGUF file) lists tensors; a [`Target`] says what is wanted; a [`Plan`] what each tensor becomes, or
//! why it cannot; [`write()`](write::write) makes the file, piece by piece, so that no model is ever in memory. This crate runs no model.

mod error;
mod gguf;
mod pack;
pub mod part;
pub mod plan;
pub mod report;
pub mod source;
pub mod target;
mod watch;
mod weights;
pub mod write;

pub use error::{Error, Result};
pub use plan::Plan;
pub use report::Report;
pub use source::Source;
pub use target::Target;
pub use watch::{Progress, Watch};
