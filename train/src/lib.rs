//! The trainer.

pub mod cpu;
