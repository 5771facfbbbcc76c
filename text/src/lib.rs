//! From a model file to text: the model, its tokenizer and an engine together. A prompt goes in, pieces of text come out; what
//! shows them (a terminal, a window, a socket) is its clients' business.

pub mod chat;
mod error;
mod opened;
mod stops;

pub use error::{Error, Result};
pub use opened::Opened;
pub use stops::Stops;
