//! Bytes on disk to typed values and back: GGUF, blocks, tokenizer, checkpoint, run log.
//!
//! This crate knows no threads, no GPU and no model. Every file is hostile input: any byte
//! string gives a value or one [`Error`] naming the file, the place, what was expected and found.

pub mod atomic;
pub mod blocks;
pub mod checkpoint;
mod error;
pub mod gguf;
pub mod measure;
pub mod ordinary;
pub mod rows;
pub mod run_log;
mod shown;
pub mod ternary;
pub mod tokenizer;
pub mod utf8;

pub use error::{Error, Result, sentence};
pub use shown::{shown, shown_path};
