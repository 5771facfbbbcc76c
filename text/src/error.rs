//! Why a file does not become a model that writes.

use std::path::PathBuf;

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The container, its tokenizer, or the disk.
    #[error(transparent)]
    Format(#[from] formats::Error),

    /// The model in it.
    #[error(transparent)]
    Model(#[from] runtime::Error),

    /// A tokenizer that can say what the model has no row for.
    #[error("the tokenizer has {ids} ids and the model {vocab}; expected at most as many, in {}", path.display())]
    Vocabulary {
        /// Ids of the tokenizer.
        ids: usize,
        /// Rows of the embedding.
        vocab: usize,
        /// The file.
        path: PathBuf,
    },

    /// A conversation was asked of a model that only continues text.
    #[error("this model has no chat template; it continues text")]
    NoTemplate,

    /// The processor was to go on for a device, and cannot either.
    #[error("{why}; and the CPU cannot go on: {source}")]
    Neither {
        /// What the device had against the model.
        why: String,
        /// What there is against the processor.
        source: Box<runtime::Error>,
    },

    /// Nobody wants it any more.
    #[error("opening the model was given up")]
    GivenUp,

    /// Its template cannot be used.
    #[error("the chat template in the model's file cannot be used: {}", formats::shown(problem))]
    Template {
        /// What is wrong with it.
        problem: String,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
