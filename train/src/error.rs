//! What can go wrong in training, one sentence each: the problem first, then where, what was
//! expected and found, and the cure if we know it.

use std::path::PathBuf;

/// A failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of ours is damaged, missing or cannot be written.
    #[error(transparent)]
    Formats(#[from] formats::Error),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No preset has this name.
    #[error("no preset is called {name:?}; there are {known}")]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The configuration is not TOML, or a value has the wrong kind.
    #[error("{place}: {problem}")]
    ConfigSyntax {
        /// The file and line, or the setting.
        place: String,
        /// What the parser says.
        problem: String,
    },
    /// No such key.
    #[error("unknown configuration key {key:?}; the nearest are {near}")]
    ConfigUnknownKey {
        /// The key as given.
        key: String,
        /// Known keys that resemble it.
        near: String,
    },
    /// A value that cannot be used.
    #[error("configuration key {key} is {found}; expected {expected}")]
    ConfigValue {
        /// The dotted key.
        key: String,
        /// Its value.
        found: String,
        /// What would do.
        expected: String,
    },
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, Error>;
