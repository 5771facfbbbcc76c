//! From a model file to text. [`Opened`] is a file's model, tokenizer and chat template; [`TextStream`] is what an engine writes with
//! them, piece by piece; what shows it (a terminal, a window, a socket) is its clients' business.

pub mod chat;
mod error;
mod growth;
mod opened;
mod room;
mod sample;
mod stops;
mod stream;

pub use error::{Error, Result};
pub use growth::Growth;
pub use opened::Opened;
pub use room::{Recent, room, tail};
pub use sample::sample;
pub use stops::Stops;
pub use stream::{End, Ending, Piece, Served, Source, TextStream};
