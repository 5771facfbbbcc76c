//! What can go wrong with a measurement: what was asked for, the model, the machine, the file.

use std::path::PathBuf;

/// Why nothing was measured, or why the figures could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something was asked for that cannot be.
    #[error("{what} is {found}; expected {expected}")]
    Option {
        /// What was set.
        what: &'static str,
        /// To what.
        found: String,
        /// What would be accepted.
        expected: String,
    },

    /// The model cannot be loaded or run.
    #[error(transparent)]
    Model(#[from] runtime::Error),

    /// A file cannot be read or written.
    #[error(transparent)]
    Format(#[from] formats::Error),

    /// A file of results that is none.
    #[error("these are no results of a benchmark: {problem} ({})", path.display())]
    NotResults {
        /// What is wrong with it.
        problem: String,
        /// Which.
        path: PathBuf,
    },

    /// The system gives no threads.
    #[error("cannot start threads: {0}")]
    Threads(#[source] std::io::Error),
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Shorthand for [`Error::Option`].
pub fn refuse<T>(what: &'static str, found: impl ToString, expected: impl Into<String>) -> Result<T> {
    Err(Error::Option { what, found: found.to_string(), expected: expected.into() })
}
