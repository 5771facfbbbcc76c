//! The architectures that files may have, a row each: how a file of one spells a shape, and what its name alone says about it. Reading by a row
//! is `metadata`'s business; what a model of any of them computes is `forward`'s.

use std::fmt;

use formats::gguf::Metadata;

use crate::config::{Activation, Field, Refusal, RopeKind};
use crate::error::Error;

/// All of them. An architecture that computes nothing new and names its tensors as llama.cpp does is one more row.
pub static ARCHITECTURES: [Architecture; 7] = [TERCET, LLAMA, QWEN2, QWEN3, BITNET, BITNET_B158, BITNET_25];

/// Ours, and the one that is written.
pub const TERCET: Architecture = Architecture {
    name: "tercet",
    says_all: true,
    rope: RopeKind::HalfSplit,
    activation: Gating::Named("feed_forward.activation"),
    group: Some("ternary.group_size"),
    qk_norm: Norm::WithTensor("blk.0.attn_q_norm.weight"),
    attn_sub_norm: Norm::WithTensor("blk.0.attn_sub_norm.weight"),
    ffn_sub_norm: Norm::WithTensor("blk.0.ffn_sub_norm.weight"),
};

/// Llama and all that compute what it does: Falcon 3, Falcon-E, TriLM, SmolLM2, Mistral. Whoever converts to GGUF orders the rows of its queries
/// and keys so that neighbours turn together.
pub const LLAMA: Architecture = Architecture {
    name: "llama",
    says_all: false,
    rope: RopeKind::Interleaved,
    activation: Gating::Function(Activation::SwiGlu),
    group: None,
    qk_norm: Norm::Is(false),
    attn_sub_norm: Norm::Is(false),
    ffn_sub_norm: Norm::Is(false),
};

/// Qwen 2 and 2.5: biases on queries, keys and values.
pub const QWEN2: Architecture = Architecture { name: "qwen2", rope: RopeKind::HalfSplit, ..LLAMA };

/// Qwen 3, and Bonsai up to 8B.
pub const QWEN3: Architecture = Architecture { name: "qwen3", qk_norm: Norm::Is(true), ..QWEN2 };

/// BitNet b1.58 as llama.cpp's converter names it. Its first files, of models that gate by SiLU, do not say by what.
pub const BITNET: Architecture =
    Architecture { name: "bitnet", attn_sub_norm: Norm::Is(true), ffn_sub_norm: Norm::Is(true), ..QWEN2 };

/// BitNet b1.58 2B4T as Microsoft's converter names it, which gates by a squared ReLU and does not say so.
pub const BITNET_B158: Architecture =
    Architecture { name: "bitnet-b1.58", activation: Gating::Function(Activation::Relu2Gated), ..BITNET };

/// The same, as Microsoft's converter named it at first.
pub const BITNET_25: Architecture = Architecture { name: "bitnet-25", ..BITNET_B158 };

/// The key of a file that names its architecture.
pub(crate) const ARCHITECTURE: &str = "general.architecture";

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Architecture {
    /// Its `general.architecture`, which also stands before its keys. One that goes by two names has two rows.
    pub name: &'static str,
    /// Whether its files hold every key. Others leave out what can be told from the rest, as llama.cpp reads it: the vocabulary, the
    /// width of a head, the number of key-value heads, a rotary base of 10000.
    pub says_all: bool,
    /// How rope pairs dimensions.
    pub rope: RopeKind,
    /// The feed-forward network's non-linearity.
    pub activation: Gating,
    /// The key that says how many ternary weights share a scale; `None` where the type of a tensor does.
    pub group: Option<&'static str>,
    /// Whether queries and keys are normed before rope.
    pub qk_norm: Norm,
    /// Whether there is a norm before the attention output projection.
    pub attn_sub_norm: Norm,
    /// Whether there is one before the down projection.
    pub ffn_sub_norm: Norm,
}

/// How a file says what its feed-forward network's non-linearity is.
#[derive(Clone, Copy, Debug)]
pub enum Gating {
    /// By our name for it, under this key behind the prefix.
    Named(&'static str),
    /// By the name of the function that gates, `hidden_activation`; this where it says none.
    Function(Activation),
}

/// Whether there is a norm.
#[derive(Clone, Copy, Debug)]
pub enum Norm {
    /// If its tensor in the first block is there.
    WithTensor(&'static str),
    /// Always, or never.
    Is(bool),
}

impl Architecture {
    /// The one that a file names.
    ///
    /// # Errors
    /// None of ours, with those there are.
    pub fn named(name: &str) -> Result<&'static Architecture, Error> {
        ARCHITECTURES.iter().find(|row| row.name == name).ok_or_else(|| Error::Architecture {
            found: name.to_owned(),
            known: known(ARCHITECTURES.iter().map(|row| row.name)),
        })
    }

    /// The one that a file's metadata name.
    ///
    /// # Errors
    /// None, or none of ours.
    pub fn of(meta: &Metadata) -> Result<&'static Architecture, Error> {
        Self::named(meta.require_str(ARCHITECTURE)?)
    }

    /// A key with its prefix.
    pub fn key(&self, key: impl fmt::Display) -> String {
        format!("{}.{key}", self.name)
    }

    /// Why a shape is refused, in the words of a file.
    pub fn refusal(&self, Refusal { field, found, expected }: Refusal) -> Error {
        Error::Config { key: self.key(key::of(field)), found, expected }
    }
}

/// Names in a sentence.
fn known(names: impl Iterator<Item = &'static str>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Keys behind the prefix, as llama.cpp spells them where it has them.
pub(crate) mod key {
    use super::Field;

    pub const VOCAB: &str = "vocab_size";
    pub const CONTEXT: &str = "context_length";
    pub const WIDTH: &str = "embedding_length";
    pub const BLOCKS: &str = "block_count";
    pub const FFN: &str = "feed_forward_length";
    pub const HEADS: &str = "attention.head_count";
    pub const KV_HEADS: &str = "attention.head_count_kv";
    pub const HEAD_DIM: &str = "attention.key_length";
    pub const VALUE_DIM: &str = "attention.value_length";
    pub const NORM_EPS: &str = "attention.layer_norm_rms_epsilon";
    pub const ROPE_BASE: &str = "rope.freq_base";
    pub const ROPE_DIMS: &str = "rope.dimension_count";
    pub const ROPE_TYPE: &str = "rope.scaling.type";
    pub const ROPE_FACTOR: &str = "rope.scaling.factor";
    /// As the factor was called before there were types.
    pub const ROPE_FACTOR_OLD: &str = "rope.scale_linear";
    pub const ROPE_ORIGINAL_CONTEXT: &str = "rope.scaling.original_context_length";
    pub const ROPE_MAGNITUDE: &str = "rope.scaling.attn_factor";
    pub const YARN_EXTRAPOLATION: &str = "rope.scaling.yarn_ext_factor";
    pub const YARN_BETA_FAST: &str = "rope.scaling.yarn_beta_fast";
    pub const YARN_BETA_SLOW: &str = "rope.scaling.yarn_beta_slow";
    pub const GATE: &str = "hidden_activation";
    pub const STREAMS: &str = "hyper_connections.count";
    pub const EMBEDDING_SCALE: &str = "embedding_scale";
    pub const HEAD_INT8: &str = "head.int8_activations";

    /// The key of a field.
    pub fn of(field: Field) -> &'static str {
        match field {
            Field::Vocab => VOCAB,
            Field::Context => CONTEXT,
            Field::Width => WIDTH,
            Field::Blocks => BLOCKS,
            Field::Heads => HEADS,
            Field::KvHeads => KV_HEADS,
            Field::HeadDim => HEAD_DIM,
            Field::Ffn => FFN,
            Field::Streams => STREAMS,
            Field::NormEps => NORM_EPS,
            Field::RopeBase => ROPE_BASE,
            Field::RopeDims => ROPE_DIMS,
            Field::RopeFactor => ROPE_FACTOR,
            Field::RopeOriginalContext => ROPE_ORIGINAL_CONTEXT,
            Field::RopeMagnitude => ROPE_MAGNITUDE,
            Field::YarnExtrapolation => YARN_EXTRAPOLATION,
            Field::YarnBetaFast => YARN_BETA_FAST,
            Field::YarnBetaSlow => YARN_BETA_SLOW,
            Field::EmbeddingScale => EMBEDDING_SCALE,
            Field::HeadInt8 => HEAD_INT8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_are_found_by_name_and_others_are_told_which_there_are() {
        for row in &ARCHITECTURES {
            assert_eq!(Architecture::named(row.name).unwrap().name, row.name);
        }
        let error = Architecture::named("mamba").unwrap_err().to_string();
        let all = "\"tercet\", \"llama\", \"qwen2\", \"qwen3\", \"bitnet\", \"bitnet-b1.58\", \"bitnet-25\"";
        assert_eq!(error, format!("the model's architecture is \"mamba\"; this program runs {all}"));
        assert_eq!(known(["a", "b"].into_iter()), "\"a\", \"b\"");
    }
}
