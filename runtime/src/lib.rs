//! The model at run time: config, ops, backends, engine. Token ids in, token ids out; no text, no HTTP, no windows.

pub mod engine;
mod error;
pub mod generate;
pub mod gpu;
mod kv_cache;
mod lane;
mod model;

pub mod sampler;
pub mod sequence;
mod session;
pub mod synthetic;

mod tuner;
pub mod weights;

pub use self::model::{Model, in_file};
pub use error::{Error, Result};
pub use session::{Session, default_threads};
