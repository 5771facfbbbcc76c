//! The one error type of this crate: what of a model cannot be read, or cannot become what was asked.

use formats::shown;

/// Why there is no new file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read or written.
    #[error(transparent)]
    Format(#[from] formats::Error),

    /// A tensor that cannot become what was asked.
    #[error("tensor `{}` cannot be stored as {ty}: {why}", shown(name))]
    Tensor {
        /// Its name in the new file.
        name: String,
        /// The type that was asked for.
        ty: &'static str,
        /// The reason, and what to do.
        why: String,
    },

    /// A weight that is no number.
    #[error("tensor `{}` holds {value} at {index}, which no model can run", shown(name))]
    NotFinite {
        /// Its name in the new file.
        name: String,
        /// Which of its weights, in the order of the new file.
        index: u64,
        /// The weight.
        value: f32,
    },

    /// Somebody asked for an end.
    #[error("interrupted; nothing was written")]
    Stopped,
}

/// Shorthand for this crate.
pub type Result<T> = std::result::Result<T, Error>;
