//! The architectures that files may have, a row each: how a file of one spells a shape, and what its name alone says about it. Reading by a row
//! is `metadata`'s business; what a model of any of them computes is `forward`'s.

use std::fmt;

use crate::config::{Activation, Field, Refusal, RopeKind};
use crate::error::Error;

/// All of them. An architecture that computes nothing new and names its tensors as llama.cpp does is one more row.
pub static ARCHITECTURES: [Architecture; 1] = [TERCET];

/// Ours, and the one that is written.
pub const TERCET: Architecture = Architecture {
    name: "tercet",
    says_all: true,
    rope: RopeKind::HalfSplit,
    activation: Fact::Key("feed_forward.activation"),
    group: Some("ternary.group_size"),
    qk_norm: Norm::WithTensor("blk.0.attn_q_norm.weight"),
    attn_sub_norm: Norm::WithTensor("blk.0.attn_sub_norm.weight"),
    ffn_sub_norm: Norm::WithTensor("blk.0.ffn_sub_norm.weight"),
};

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
    pub activation: Fact<Activation>,
    /// The key that says how many ternary weights share a scale; `None` where the type of a tensor does.
    pub group: Option<&'static str>,
    /// Whether queries and keys are normed before rope.
    pub qk_norm: Norm,
    /// Whether there is a norm before the attention output projection.
    pub attn_sub_norm: Norm,
    /// Whether there is one before the down projection.
    pub ffn_sub_norm: Norm,
}

/// What either stands in the file or is the same for all of an architecture.
#[derive(Clone, Copy, Debug)]
pub enum Fact<T> {
    /// Under this key, behind the prefix.
    Key(&'static str),
    /// Always this.
    Is(T),
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
        assert_eq!(error, "the model's architecture is \"mamba\"; this program runs \"tercet\"");
        assert_eq!(known(["a", "b"].into_iter()), "\"a\", \"b\"");
    }
}
