//! The model's section: its shape as a TOML file spells it, and as the rest of the program knows it.

use model::config::{self as shape, Biases, ModelConfig, RopeKind, RopeScaling};
use serde::{Deserialize, Serialize};

use super::Config;

/// Shape of the model; the vocabulary comes from the tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Residual width, a multiple of 128.
    pub width: usize,
    /// Blocks, each attention then feed-forward.
    pub blocks: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads, a divisor of `heads`; 0: as many as `heads`.
    pub kv_heads: usize,
    /// Width of one head, a multiple of 8; 0: `width / heads`.
    pub head_dim: usize,
    /// Feed-forward width, a multiple of 128.
    pub ffn: usize,
    /// Feed-forward non-linearity.
    pub activation: Activation,
    /// Residual streams: 1, 2 or 4.
    pub streams: usize,
    /// Tokens a training sequence holds, and the model's context.
    pub context: usize,
    /// Epsilon of every RMS norm.
    pub norm_eps: f64,
    /// Rotary base.
    pub rope_base: f64,
    /// RMS norm (with gain) of each query and key head.
    pub qk_norm: bool,
    /// RMS norm before the attention output projection.
    pub attn_sub_norm: bool,
    /// RMS norm before the down projection.
    pub ffn_sub_norm: bool,
    /// Multiplies the embedding as it enters the streams.
    pub embedding_scale: f64,
    /// The head reads the embedding table.
    pub tied: bool,
    /// Stored, and trained, precision of the embedding table.
    pub embedding: Stored,
    /// The same for an untied head.
    pub head: Stored,
    /// The head reads int8 activations rather than f32.
    pub head_int8: bool,
    /// Trains the same network in plain f32, to compare; such a run cannot be exported.
    pub float: bool,
}

/// `model::config::Activation`, as the file spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Activation {
    Swiglu,
    Relu2,
    Relu2Gated,
}

/// `model::config::StoredType`, as the file spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Stored {
    #[serde(rename = "f16")]
    F16,
    #[serde(rename = "q8_0")]
    Q8_0,
    #[serde(rename = "q1_58")]
    Q1_58,
}

impl Model {
    /// Key-value heads, the default resolved.
    pub fn kv_heads(&self) -> usize {
        if self.kv_heads == 0 { self.heads } else { self.kv_heads }
    }

    /// Width of one head, the default resolved.
    pub fn head_dim(&self) -> usize {
        if self.head_dim == 0 { self.width / self.heads } else { self.head_dim }
    }
}

impl From<Activation> for shape::Activation {
    fn from(a: Activation) -> Self {
        match a {
            Activation::Swiglu => Self::SwiGlu,
            Activation::Relu2 => Self::Relu2,
            Activation::Relu2Gated => Self::Relu2Gated,
        }
    }
}

impl From<Stored> for shape::StoredType {
    fn from(s: Stored) -> Self {
        match s {
            Stored::F16 => Self::F16,
            Stored::Q8_0 => Self::Q8_0,
            Stored::Q1_58 => Self::Q1_58,
        }
    }
}

impl Config {
    /// The model's shape for a tokenizer of `vocab` ids.
    pub fn model_config(&self, vocab: usize) -> ModelConfig {
        let m = &self.model;
        ModelConfig {
            vocab,
            context: m.context,
            width: m.width,
            blocks: m.blocks,
            heads: m.heads,
            kv_heads: m.kv_heads(),
            head_dim: m.head_dim(),
            ffn: m.ffn,
            streams: m.streams,
            activation: m.activation.into(),
            norm_eps: m.norm_eps as f32,
            rope_base: m.rope_base as f32,
            rope: RopeKind::HalfSplit,
            rope_dims: None,
            rope_scaling: RopeScaling::NONE,
            biases: Biases::NONE,
            qk_norm: m.qk_norm,
            attn_sub_norm: m.attn_sub_norm,
            ffn_sub_norm: m.ffn_sub_norm,
            embedding_scale: m.embedding_scale as f32,
            tied: m.tied,
            embedding: m.embedding.into(),
            head: if m.tied { m.embedding } else { m.head }.into(),
            head_int8: m.head_int8,
        }
    }
}
