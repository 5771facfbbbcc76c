//! A shape as GGUF metadata spell it, both ways; what may be a shape is `config`'s business.

use formats::blocks::TensorType;
use formats::gguf::{Gguf, Metadata};

use crate::config::{Activation, Field, ModelConfig, Refusal, RopeKind, StoredType};
use crate::error::{Error, Result};

/// `general.architecture` of our files.
pub const ARCHITECTURE: &str = "tercet";

/// The keys that hold a shape.
pub(crate) mod key {
    pub const SPLIT_COUNT: &str = "split.count";
    pub const SPLIT_NUMBER: &str = "split.no";
    pub const ARCHITECTURE: &str = "general.architecture";
    pub const VOCAB: &str = "tercet.vocab_size";
    pub const CONTEXT: &str = "tercet.context_length";
    pub const WIDTH: &str = "tercet.embedding_length";
    pub const BLOCKS: &str = "tercet.block_count";
    pub const FFN: &str = "tercet.feed_forward_length";
    pub const ACTIVATION: &str = "tercet.feed_forward.activation";
    pub const HEADS: &str = "tercet.attention.head_count";
    pub const KV_HEADS: &str = "tercet.attention.head_count_kv";
    pub const HEAD_DIM: &str = "tercet.attention.key_length";
    pub const VALUE_DIM: &str = "tercet.attention.value_length";
    pub const NORM_EPS: &str = "tercet.attention.layer_norm_rms_epsilon";
    pub const ROPE_BASE: &str = "tercet.rope.freq_base";
    pub const STREAMS: &str = "tercet.hyper_connections.count";
    pub const GROUP: &str = "tercet.ternary.group_size";
    pub const EMBEDDING_SCALE: &str = "tercet.embedding_scale";
    pub const HEAD_INT8: &str = "tercet.head.int8_activations";
}

impl Field {
    /// How a file spells it.
    fn key(self) -> &'static str {
        match self {
            Field::Vocab => key::VOCAB,
            Field::Context => key::CONTEXT,
            Field::Width => key::WIDTH,
            Field::Blocks => key::BLOCKS,
            Field::Heads => key::HEADS,
            Field::KvHeads => key::KV_HEADS,
            Field::HeadDim => key::HEAD_DIM,
            Field::Ffn => key::FFN,
            Field::Streams => key::STREAMS,
            Field::NormEps => key::NORM_EPS,
            Field::RopeBase => key::ROPE_BASE,
            Field::EmbeddingScale => key::EMBEDDING_SCALE,
            Field::HeadInt8 => key::HEAD_INT8,
        }
    }
}

/// In the words of a file.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        let Refusal { field, found, expected } = refusal;
        Error::Config { key: field.key(), found, expected }
    }
}

impl ModelConfig {
    /// Reads the shape of a model of ours: numbers from the metadata; tying, norms and stored types from
    /// the tensors that are there. The result has passed [`validate`](Self::validate).
    ///
    /// # Errors
    /// A part of a split model, another architecture, a key missing, of another type or out of range, an embedding or head of a type we do not read.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let meta = gguf.metadata();
        // Only the first part of a split model says what it is.
        if let Some(parts) = meta.u64(key::SPLIT_COUNT)?.filter(|&parts| parts > 1) {
            let part = match meta.u64(key::SPLIT_NUMBER)? {
                Some(number) => format!("part {} of {parts}", number.saturating_add(1)),
                None => format!("one of {parts} parts"),
            };
            return Err(Error::Split { part });
        }
        let architecture = meta.require_str(key::ARCHITECTURE)?;
        if architecture != ARCHITECTURE {
            return Err(Error::Architecture { found: architecture.to_owned() });
        }
        let size = |key| Ok::<_, Error>(meta.require_u32(key)? as usize);
        let has = |name: &str| gguf.contains(name);
        let tied = !has("output.weight");
        let embedding = stored_type(gguf, "token_embd.weight")?;
        let head_dim = size(key::HEAD_DIM)?;
        if let Some(v) = meta.u32(key::VALUE_DIM)?
            && v as usize != head_dim
        {
            return refuse(key::VALUE_DIM, v, format!("{head_dim}, the key length"));
        }
        let group = meta.require_u32(key::GROUP)?;
        if group as usize != formats::ternary::GROUP {
            return refuse(key::GROUP, group, formats::ternary::GROUP);
        }
        let name = meta.require_str(key::ACTIVATION)?;
        let Some(activation) = Activation::from_name(name) else {
            let found = format!("\"{}\"", formats::shown(name));
            return refuse(key::ACTIVATION, found, "\"swiglu\", \"relu2\" or \"relu2_gated\"");
        };
        let config = ModelConfig {
            vocab: size(key::VOCAB)?,
            context: size(key::CONTEXT)?,
            width: size(key::WIDTH)?,
            blocks: size(key::BLOCKS)?,
            heads: size(key::HEADS)?,
            kv_heads: size(key::KV_HEADS)?,
            head_dim,
            ffn: size(key::FFN)?,
            streams: meta.u32(key::STREAMS)?.unwrap_or(1) as usize,
            activation,
            norm_eps: meta.require_f32(key::NORM_EPS)?,
            rope_base: meta.require_f32(key::ROPE_BASE)?,
            rope: RopeKind::HalfSplit,
            qk_norm: has("blk.0.attn_q_norm.weight"),
            attn_sub_norm: has("blk.0.attn_sub_norm.weight"),
            ffn_sub_norm: has("blk.0.ffn_sub_norm.weight"),
            embedding_scale: meta.f32(key::EMBEDDING_SCALE)?.unwrap_or(1.0),
            tied,
            embedding,
            head: if tied { embedding } else { stored_type(gguf, "output.weight")? },
            head_int8: meta.bool(key::HEAD_INT8)?.unwrap_or(false),
        };
        config.validate()?;
        if config.blocks > gguf.tensors().len() {
            let found = config.blocks;
            return refuse(
                key::BLOCKS,
                found,
                format!("at most {}, the tensors there are", gguf.tensors().len()),
            );
        }
        Ok(config)
    }

    /// Writes the metadata that [`from_gguf`](Self::from_gguf) reads. Tensors say the rest.
    pub fn to_gguf(&self, meta: &mut Metadata) {
        let size = |meta: &mut Metadata, key: &str, v: usize| {
            meta.insert(key, u32::try_from(v).expect("validated sizes are far below 2^32"));
        };
        meta.insert(key::ARCHITECTURE, ARCHITECTURE);
        size(meta, key::VOCAB, self.vocab);
        size(meta, key::CONTEXT, self.context);
        size(meta, key::WIDTH, self.width);
        size(meta, key::BLOCKS, self.blocks);
        size(meta, key::FFN, self.ffn);
        size(meta, key::HEADS, self.heads);
        size(meta, key::KV_HEADS, self.kv_heads);
        size(meta, key::HEAD_DIM, self.head_dim);
        size(meta, key::VALUE_DIM, self.head_dim);
        size(meta, key::STREAMS, self.streams);
        size(meta, key::GROUP, formats::ternary::GROUP);
        meta.insert(key::ACTIVATION, self.activation.name());
        meta.insert(key::NORM_EPS, self.norm_eps);
        meta.insert(key::ROPE_BASE, self.rope_base);
        meta.insert(key::EMBEDDING_SCALE, self.embedding_scale);
        meta.insert(key::HEAD_INT8, self.head_int8);
    }
}

fn refuse<T>(key: &'static str, found: impl ToString, expected: impl ToString) -> Result<T> {
    Err(Error::Config { key, found: found.to_string(), expected: expected.to_string() })
}

/// The stored type that reads a tensor of an embedding or a head.
fn stored_type(gguf: &Gguf, name: &str) -> Result<StoredType> {
    let info = gguf.tensor(name)?.info;
    match info.ty.known() {
        Some(TensorType::F16) => Ok(StoredType::F16),
        Some(TensorType::Q8_0) => Ok(StoredType::Q8_0),
        Some(TensorType::Q1_58 | TensorType::TQ2_0) => Ok(StoredType::Q1_58),
        _ => Err(Error::TensorType {
            name: name.to_owned(),
            found: info.ty.name().to_owned(),
            expected: "F16, Q8_0, Q1_58 or TQ2_0",
        }),
    }
}
