//! The CPU backend of the trainer.

pub mod kernels;
