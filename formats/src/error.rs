//! The one error type of this crate: what was wrong, where, what was expected and what was found.

use std::path::PathBuf;

/// What a hostile or damaged file, or the file system, can do to us.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused: `what` we tried, on which `path`.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The verb phrase, "open", "write to".
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
}

/// Shorthand for this crate.
pub type Result<T> = std::result::Result<T, Error>;
