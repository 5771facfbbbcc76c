//! The tensors of a model: names, shapes, what they do and how they start. Which there are and in which order is the forward
//! pass's business, since each is there because an op reads it.

use formats::blocks::TensorType;

use crate::config::StoredType;

/// A tensor, by its place in [`Forward::tensors`](crate::forward::Forward::tensors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TensorId(pub usize);

/// What a tensor is to the model, and so how it is stored, prepared and trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// A ternary matrix, output rows x input columns.
    Ternary {
        /// Outputs.
        rows: usize,
        /// Inputs.
        cols: usize,
    },
    /// An embedding or a head, vocabulary x width, used in its stored precision.
    Table {
        /// Vocabulary.
        rows: usize,
        /// Width.
        cols: usize,
        /// Stored precision.
        stored: StoredType,
    },
    /// Used as it is, f32.
    Plain(Role),
}

/// What an f32 tensor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The gain of a norm over a row.
    Gain,
    /// The gain of a norm over each query or key head.
    HeadGain,
    /// What is added to a product.
    Bias,
    /// What divides the speed of each rotary pair.
    RopeDivisors,
    /// What makes a hyper-connection depend on its input.
    HyperWeight,
    /// What a hyper-connection does whatever its input.
    HyperBias,
    /// How much of the weight counts.
    HyperAlpha,
}

/// How a tensor starts when it is trained from nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with this standard deviation.
    Normal(f32),
    /// All equal.
    Constant(f32),
    /// All `base` but one.
    OneHot {
        /// The others.
        base: f32,
        /// Which one.
        at: usize,
        /// Its value.
        value: f32,
    },
}

/// One tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    /// Its name in a GGUF file.
    pub name: String,
    /// Outer dimension first; a vector has one.
    pub shape: Vec<usize>,
    /// What it is.
    pub kind: TensorKind,
    /// How it starts.
    pub init: Init,
}

impl TensorSpec {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values of a row, the innermost dimension.
    pub fn cols(&self) -> usize {
        self.shape[self.shape.len() - 1]
    }

    /// Rows; a vector has one.
    pub fn rows(&self) -> usize {
        self.len() / self.cols()
    }

    /// How a file of ours stores it.
    pub fn tensor_type(&self) -> TensorType {
        match self.kind {
            TensorKind::Ternary { .. } => TensorType::Q1_58,
            TensorKind::Table { stored, .. } => stored.tensor_type(),
            TensorKind::Plain(_) => TensorType::F32,
        }
    }
}
