//! The model at run time: config, ops, backends, engine. Token ids in, token ids out; no text, no HTTP, no windows.

pub mod config;
pub mod cpu;
pub mod reference;
