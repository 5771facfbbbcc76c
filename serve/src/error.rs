//! Why a server does not start.

use std::io;
use std::net::SocketAddr;

/// What is in the way of a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A model that cannot be started.
    #[error(transparent)]
    Text(#[from] text::Error),

    /// Nothing to serve.
    #[error("there is no model to serve")]
    NoModel,

    /// Requests could not tell two models apart.
    #[error("two models are called {name}; give one of the files another name")]
    SameName {
        /// What both are called.
        name: String,
    },

    /// A host that is no address of this machine.
    #[error("{host} is no address to listen at: {source}")]
    Host {
        /// As asked for.
        host: String,
        /// The system's own words.
        source: io::Error,
    },

    /// An address that somebody else listens at, or that may not be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's own words.
        source: io::Error,
    },

    /// Anybody on the network could use it.
    #[error(
        "{address} can be reached from other machines and no key is asked for; give a key, or say that this is meant to be insecure"
    )]
    Insecure {
        /// The address.
        address: SocketAddr,
    },

    /// A key that no request can carry.
    #[error("a key must be visible ASCII characters, at least one; {found:?} is not")]
    Key {
        /// Its first character that is none, or all of an empty one.
        found: String,
    },

    /// An origin that no browser would name.
    #[error("{found} is no origin; expected http://HOST or http://HOST:PORT, or * for any")]
    Origin {
        /// As given.
        found: String,
    },

    /// The system gave no threads.
    #[error("no threads for the server: {0}")]
    Threads(io::Error),
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
