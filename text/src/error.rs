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
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
