//! From a model file to text. [`Running`] is a file opened, on a device, at work; [`TextStream`] is what it writes, piece by piece;
//! [`Conversation`] is what is said with it. What shows them (a terminal, a window, a socket) is its clients' business.

pub mod chat;
mod conversation;
mod device;
mod devices;
mod error;
mod growth;
mod opened;
mod play;
mod room;
mod running;
mod sample;
mod spare;
mod step;
mod stops;
mod stream;

pub use conversation::{Conversation, Manner};
pub use device::Device;
pub use devices::{Devices, Placed, Remark};
pub use error::{Error, Result};
pub use growth::Growth;
pub use opened::Opened;
pub use play::{Names, SPEECH_END};
pub use room::{Recent, room, tail};
pub use running::{Running, Setup};
pub use sample::sample;
pub use spare::spare_thread;
pub use step::{Step, Watch, unwatched};
pub use stops::Stops;
pub use stream::{Ask, End, Ending, Piece, Served, Source, TextStream};
