//! The one error type of this crate: what metadata can say that is no model of ours.

use formats::shown;

/// Why a file's metadata describe no model that we know.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key or a tensor that is missing or of another type.
    #[error(transparent)]
    Format(#[from] formats::Error),

    /// Another family of model.
    #[error("the model's architecture is \"{}\"; this program runs {known}", shown(found))]
    Architecture {
        /// Value of `general.architecture`.
        found: String,
        /// Those that there are, in quotes.
        known: String,
    },

    /// A part of a model in several files, whose name does not say where the others are.
    #[error(
        "this is {part} of a split model, under another name; its parts are found beside each other as NAME-00001-of-00002.gguf and so on"
    )]
    Split {
        /// "part 1 of 2".
        part: String,
    },

    /// A number in the metadata that no model of ours can have.
    #[error("metadata key {key} is {found}; expected {expected}")]
    Config {
        /// The GGUF key.
        key: String,
        /// Its value.
        found: String,
        /// What would be accepted.
        expected: String,
    },

    /// A tensor that the forward pass does not read.
    #[error(
        "tensor {} is not read in models of the architecture \"{architecture}\"; without it this one would compute something else",
        shown(name)
    )]
    Unread {
        /// The tensor.
        name: String,
        /// Value of `general.architecture`.
        architecture: &'static str,
    },

    /// A rotary divisor that nothing can be divided by.
    #[error("tensor {name} holds {value} at element {index}; expected 1e-6 to 1e6")]
    Divisor {
        /// The tensor.
        name: &'static str,
        /// Which of its values.
        index: usize,
        /// The value.
        value: f32,
    },

    /// A file of others, where one of ours is wanted.
    #[error(
        "its architecture is \"{}\", which llama.cpp runs already; only \"tercet\" has to be written anew",
        shown(found)
    )]
    NotOurs {
        /// Value of `general.architecture`.
        found: String,
    },

    /// A model that llama.cpp cannot compute.
    #[error("llama.cpp cannot run this model: it has {}; tercet train --preset portable makes one that runs there", obstacles.join(", "))]
    NotPortable {
        /// What stands in the way.
        obstacles: Vec<String>,
    },

    /// A tensor stored in a type that this place cannot read.
    #[error("tensor {name} is stored as {found}; expected {expected}")]
    TensorType {
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
}

/// Shorthand for this crate.
pub type Result<T> = std::result::Result<T, Error>;
