//! The model at run time: config, ops, backends, engine. Token ids in, token ids out; no text, no HTTP, no windows.

mod by_text;
pub mod continuation;
mod cpu_worker;
pub mod engine;
mod error;
pub mod generate;
pub mod gpu;
mod head;
mod kv;
mod lane;
mod mailbox;
mod model;
mod normed;
pub mod pass;
mod patience;
mod pieces;
pub mod request;
pub mod sampler;
mod scheduler;
mod sequence;

pub mod synthetic;

mod texts;
mod tuner;
pub mod weights;

pub use self::model::{Model, in_file};
pub use cpu_worker::{CpuWorker, default_threads};
pub use error::{Error, Result};
pub use kv::{KvMemory, PAGE_TOKENS, page_bytes as kv_page_bytes};
pub use sequence::{Sequence, Session};
