//! Models served over HTTP as OpenAI's clients expect it, many texts at once. A [`Server`] runs beside whatever else its process does:
//! `tercet serve` starts one and waits for signals, the app starts one from a page. Sockets and tasks are here and nowhere else; what is
//! written, and how, is `text`'s business. [`load`] is the other side: clients that measure a server, whoever's it is.

mod address;
mod api;
mod blocking;
mod error;
mod example;
mod guard;
pub mod load;
mod metrics;
mod net;
mod options;
mod routes;
mod server;
mod state;
mod texts;

pub use error::{Error, Result};
pub use example::Example;
pub use options::{Limits, ModelOptions, Options, QUEUE, TEXTS};
pub use server::Server;
pub use texts::{Outcome, RequestInfo, RequestKind, RequestState, Served, Totals};
