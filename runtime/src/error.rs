//! The one error type of this crate: what a model file, a request or the machine can do wrong.

use std::convert::Infallible;
use std::path::PathBuf;

/// Why a model cannot be loaded or a request cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The container itself is damaged or lacks something.
    #[error(transparent)]
    Format(#[from] formats::Error),

    /// A shape that no model of ours can have.
    #[error(transparent)]
    Model(#[from] model::Error),

    /// A tensor whose dimensions disagree with the metadata. Dimensions are in GGUF order, row length first.
    #[error("tensor {name} has dimensions {found:?}; the metadata call for {expected:?}")]
    TensorShape {
        /// The tensor.
        name: String,
        /// As stored.
        found: Vec<u64>,
        /// As the metadata say.
        expected: Vec<u64>,
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

    /// A NaN or an infinity among the weights or their scales.
    #[error("tensor {name} holds {value} at element {index}; every weight must be finite")]
    NonFinite {
        /// The tensor.
        name: String,
        /// Element, or group for a scale.
        index: usize,
        /// The offender.
        value: f32,
    },

    /// A hyper-connection whose mixing matrix does not conserve its streams.
    #[error(
        "hyper-connection {name}: {line} {index} of the mixing matrix sums to {sum}; expected 1 within 1e-5"
    )]
    Mixing {
        /// `blk.N.hc_attn` or `blk.N.hc_ffn`.
        name: String,
        /// "row" or "column".
        line: &'static str,
        /// Which one.
        index: usize,
        /// Its sum.
        sum: f32,
    },

    /// Whatever was wrong with a model, and the file it is in.
    #[error("cannot load the model: {source}, in {}", path.display())]
    InFile {
        /// What was wrong.
        source: Box<Error>,
        /// The file.
        path: PathBuf,
    },

    /// A sampling setting out of range.
    #[error("{name} is {found}; expected {expected}")]
    Sampling {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: f64,
        /// What would be accepted.
        expected: &'static str,
    },

    /// Nothing to continue.
    #[error("the prompt is empty; a model needs at least one token to continue")]
    PromptEmpty,

    /// A prompt that leaves no room.
    #[error("the prompt has {tokens} tokens; the context holds {context}")]
    PromptTooLong {
        /// Its tokens.
        tokens: usize,
        /// Tokens that a session holds.
        context: usize,
    },

    /// More tokens than a session holds.
    #[error("{tokens} tokens do not fit into a context of {context}")]
    ContextFull {
        /// Tokens that were to be held.
        tokens: usize,
        /// Tokens that a session holds.
        context: usize,
    },

    /// More pages of keys and values than there may be, found before anything was written.
    #[error("keys and values would take {needed} pages; {limit} are allowed")]
    KvFull {
        /// Pages that all texts would take together.
        needed: usize,
        /// Pages there may be.
        limit: usize,
    },

    /// A context of no tokens, or longer than the model was trained for.
    #[error("a context of {asked} tokens was asked for; this model takes 1 to {trained}")]
    Context {
        /// As asked for.
        asked: usize,
        /// The model's.
        trained: usize,
    },

    /// A token id that the vocabulary does not have.
    #[error("token id {id} is outside the vocabulary of {vocab}")]
    Token {
        /// The id.
        id: u32,
        /// Ids there are.
        vocab: usize,
    },

    /// The model computed a NaN or an infinity.
    #[error("the model's output is not finite; its weights are damaged or its activations overflow")]
    Logits,

    /// `TERCET_KERNELS` names kernels that this processor does not run.
    #[error("{0}")]
    Kernels(String),

    /// No graphics adapter, or none of that name.
    #[error("no GPU {asked}; {there}")]
    NoAdapter {
        /// As asked for.
        asked: String,
        /// What there is.
        there: String,
    },

    /// More than a graphics device can bind or hold, found before anything was allocated.
    #[error("{what} takes {needed} bytes on the GPU; {adapter} allows {limit}")]
    GpuLimit {
        /// The adapter.
        adapter: String,
        /// What was to be allocated.
        what: String,
        /// Its bytes.
        needed: u64,
        /// Bytes there may be.
        limit: u64,
    },

    /// A model or a session that a graphics device's memory has no room for, found before anything was allocated.
    #[error("{what} takes {needed} bytes of the GPU's memory; {adapter} has {left} left of {memory}")]
    GpuMemory {
        /// The adapter.
        adapter: String,
        /// What was to be there.
        what: String,
        /// Its bytes.
        needed: u64,
        /// Bytes that models and sessions there have not taken.
        left: u64,
        /// Bytes in all.
        memory: u64,
    },

    /// A matrix that no shader multiplies by.
    #[error("tensor {name} has {found}; no shader here multiplies by that")]
    GpuMatrix {
        /// The tensor.
        name: String,
        /// Its type, its group or its factor.
        found: String,
    },

    /// A graphics device that is out of memory, lost, or refuses what it was given.
    #[error("the GPU {adapter} failed: {message}")]
    Gpu {
        /// The adapter.
        adapter: String,
        /// Its driver's own words.
        message: String,
    },

    /// A bug of ours, survived.
    #[error("internal error: {message}")]
    Panic {
        /// What the panic said.
        message: String,
    },

    /// What ended a request together with another, which was told more.
    #[error("{message}")]
    Shared {
        /// In the other error's words.
        message: String,
    },

    /// The engine's thread is gone.
    #[error("the engine has stopped")]
    EngineStopped,

    /// The system gave no memory or no thread.
    #[error("no {what}: {source}")]
    Resource {
        /// What was asked for.
        what: &'static str,
        /// The system's own words.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether it is a graphics device that failed or has no room, rather than the model or the request: the processor can go on.
    pub fn is_of_device(&self) -> bool {
        matches!(
            self,
            Error::Gpu { .. } | Error::GpuLimit { .. } | Error::GpuMemory { .. } | Error::GpuMatrix { .. }
        )
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Shorthand for this crate.
pub type Result<T> = std::result::Result<T, Error>;
