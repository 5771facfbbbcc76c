//! Between requests and engines: models that are served, who is next, texts as they are written, and who is being served now.

mod info;
mod memory;
mod queue;
mod registry;
mod served;
mod write;

pub use info::{Outcome, RequestInfo, RequestKind, RequestState, Totals};
pub use queue::{Line, Turned};
pub use registry::{About, Registry, Ticket};
pub use served::Served;
pub use write::{Out, Writing, write};
