//! Why a server cannot be measured.

/// What is in the way. A request that fails in the course of a measurement is a figure, not an error: see [`Asked`](super::Asked).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address of a server.
    #[error("{found} is no address of a server: {problem}; expected http://HOST:PORT, or https")]
    Address {
        /// As given.
        found: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A key that no request can carry.
    #[error("the key holds characters that a request cannot carry")]
    Key,

    /// A server that does not answer as one of this API does.
    #[error("{address}: {problem}")]
    Server {
        /// Where it was asked.
        address: String,
        /// What it said, or why nothing came.
        problem: String,
    },

    /// The system gave no sockets or no thread.
    #[error("no sockets: {0}")]
    Sockets(std::io::Error),
}

/// A result with this module's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
