//! The trainer.

pub mod config;
pub mod cpu;
pub mod preset;
pub mod schedule;

mod error;
pub use error::{Error, Result};
