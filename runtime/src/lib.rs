//! The model at run time: config, ops, backends, engine. Token ids in, token ids out; no text, no HTTP, no windows.

pub mod config;
pub mod cpu;
pub mod engine;
mod error;
pub mod generate;
pub mod gpu;
mod kv_cache;
mod lane;
mod model;
pub mod reference;
pub mod sampler;
pub mod sequence;
mod session;
pub mod synthetic;
mod tensor_list;
mod tuner;
pub mod weights;
pub mod xoshiro;

pub use error::{Error, Result};
pub use model::{Model, in_file};
pub use session::{Session, default_threads};
pub use tensor_list::{Role, TensorSpec};
