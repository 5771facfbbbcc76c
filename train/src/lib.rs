//! The trainer: a ternary transformer's step as a program of coarse ops, the CPU that runs it, optimisers, data and the loop.
//!
//! `graph` turns a model's config into a `program`; a `backend` runs it; `trainer` is what everybody else calls.

pub mod arena;
pub mod backend;
pub mod batch;
mod bpe;
pub mod config;
pub mod cpu;
pub mod data;
pub mod export;
pub mod graph;
pub mod metrics;
pub mod needs;
pub mod operands;
pub mod optim;
mod packed;
pub mod preset;
pub mod program;
pub mod recipe;
pub mod recompute;
pub mod run;
pub mod sample;
pub mod schedule;
pub mod tokenizers;
pub mod trainer;
pub mod watch;

mod error;
pub use error::{Error, Result};
