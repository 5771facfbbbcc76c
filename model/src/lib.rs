//! What a model is: its shape, its tensors and how they start, randomness, the mathematics. No device, no thread, no file's bytes.

pub mod architecture;
pub mod config;
pub mod draws;
pub mod dropout;
pub mod forward;
pub mod init;
pub mod metadata;
pub mod portable;
pub mod reference;
pub mod rng;
pub mod rope;
pub mod tensors;
pub mod unread;
pub mod xoshiro;

mod error;
pub use error::{Error, Result};
