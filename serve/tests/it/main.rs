//! A server as its clients see it, over real sockets: each module is a subject.

mod batching;
mod chat;
mod completions;
mod endings;
mod guard;
mod limits;
mod listing;
mod load;
mod page;
mod refusals;
mod server;
mod tokens;
