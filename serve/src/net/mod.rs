//! Connections: they are accepted, bounded in number and in time, and closed in good order. What is asked on them is the routes'
//! business, and how HTTP is spoken hyper's.

mod accept;
mod connections;
mod stalled;
mod whole;

pub use accept::{Peer, accept};
