//! A shape as GGUF metadata spell it, both ways. What a file of an architecture says and what goes without saying is its row in
//! `architecture`; what may be a shape is `config`'s business.

use formats::blocks::TensorType;
use formats::gguf::{Gguf, Metadata};

use crate::architecture::{Architecture, Fact, Norm, TERCET, key};
use crate::config::{Activation, ModelConfig, StoredType};
use crate::error::{Error, Result};

const ARCHITECTURE: &str = "general.architecture";
const SPLIT_COUNT: &str = "split.count";
const SPLIT_NUMBER: &str = "split.no";

/// llama.cpp's rotary base, in files that say none.
const ROPE_BASE_USUAL: f32 = 10_000.0;

impl ModelConfig {
    /// Reads the shape of a model: numbers from the metadata; tying, norms and stored types from
    /// the tensors that are there. The result has passed [`validate`](Self::validate).
    ///
    /// # Errors
    /// A part of a split model alone, an architecture that we do not know, a key missing, of another type or out of range, an embedding or head of a type
    /// we do not read.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let meta = gguf.metadata();
        // A part that was opened alone: its name led to no others.
        if let Some(parts) = meta.u64(SPLIT_COUNT)?.filter(|&parts| parts > 1) {
            let part = match meta.u64(SPLIT_NUMBER)? {
                Some(number) => format!("part {} of {parts}", number.saturating_add(1)),
                None => format!("one of {parts} parts"),
            };
            return Err(Error::Split { part });
        }
        Reader { gguf, row: Architecture::named(meta.require_str(ARCHITECTURE)?)? }.config()
    }

    /// Writes the metadata that [`from_gguf`](Self::from_gguf) reads. Tensors say the rest.
    pub fn to_gguf(&self, meta: &mut Metadata) {
        let row = &TERCET;
        meta.insert(ARCHITECTURE, row.name);
        for (key, size) in [
            (key::VOCAB, self.vocab),
            (key::CONTEXT, self.context),
            (key::WIDTH, self.width),
            (key::BLOCKS, self.blocks),
            (key::FFN, self.ffn),
            (key::HEADS, self.heads),
            (key::KV_HEADS, self.kv_heads),
            (key::HEAD_DIM, self.head_dim),
            (key::VALUE_DIM, self.head_dim),
            (key::STREAMS, self.streams),
        ] {
            let size = u32::try_from(size).expect("validated sizes are far below 2^32");
            meta.insert(&row.key(key), size);
        }
        if let Some(key) = row.group {
            meta.insert(&row.key(key), formats::ternary::GROUP as u32);
        }
        if let Fact::Key(key) = row.activation {
            meta.insert(&row.key(key), self.activation.name());
        }
        meta.insert(&row.key(key::NORM_EPS), self.norm_eps);
        meta.insert(&row.key(key::ROPE_BASE), self.rope_base);
        meta.insert(&row.key(key::EMBEDDING_SCALE), self.embedding_scale);
        meta.insert(&row.key(key::HEAD_INT8), self.head_int8);
    }
}

/// A file, read as a row says.
struct Reader<'a> {
    gguf: &'a Gguf,
    row: &'a Architecture,
}

impl Reader<'_> {
    fn config(&self) -> Result<ModelConfig> {
        let (meta, row) = (self.gguf.metadata(), self.row);
        let tied = !self.gguf.contains("output.weight");
        let embedding = self.stored_type("token_embd.weight")?;
        let (width, heads) = (self.size(key::WIDTH)?, self.size(key::HEADS)?);
        let head_dim = self.size_or(key::HEAD_DIM, || width / heads.max(1))?;
        if let Some(v) = meta.u32(&row.key(key::VALUE_DIM))?
            && v as usize != head_dim
        {
            return self.refuse(key::VALUE_DIM, v, format!("{head_dim}, the key length"));
        }
        self.check_group()?;
        let rope_base = &row.key(key::ROPE_BASE);
        let config = ModelConfig {
            vocab: self.size_or(key::VOCAB, || self.rows_of("token_embd.weight"))?,
            context: self.size(key::CONTEXT)?,
            width,
            blocks: self.size(key::BLOCKS)?,
            heads,
            kv_heads: self.size_or(key::KV_HEADS, || heads)?,
            head_dim,
            ffn: self.size(key::FFN)?,
            streams: meta.u32(&row.key(key::STREAMS))?.unwrap_or(1) as usize,
            activation: self.activation()?,
            norm_eps: meta.require_f32(&row.key(key::NORM_EPS))?,
            rope_base: match meta.f32(rope_base)? {
                None if !row.says_all => ROPE_BASE_USUAL,
                _ => meta.require_f32(rope_base)?,
            },
            rope: row.rope,
            qk_norm: self.norm(row.qk_norm),
            attn_sub_norm: self.norm(row.attn_sub_norm),
            ffn_sub_norm: self.norm(row.ffn_sub_norm),
            embedding_scale: meta.f32(&row.key(key::EMBEDDING_SCALE))?.unwrap_or(1.0),
            tied,
            embedding,
            head: if tied { embedding } else { self.stored_type("output.weight")? },
            head_int8: meta.bool(&row.key(key::HEAD_INT8))?.unwrap_or(false),
        };
        config.validate().map_err(|refusal| row.refusal(refusal))?;
        let tensors = self.gguf.tensors().len();
        if config.blocks > tensors {
            return self.refuse(
                key::BLOCKS,
                config.blocks,
                format!("at most {tensors}, the tensors there are"),
            );
        }
        Ok(config)
    }

    fn size(&self, key: &str) -> Result<usize> {
        Ok(self.gguf.metadata().require_u32(&self.row.key(key))? as usize)
    }

    /// A size that an architecture may leave out, because the rest of the file tells it.
    fn size_or(&self, key: &str, told: impl FnOnce() -> usize) -> Result<usize> {
        match self.gguf.metadata().u32(&self.row.key(key))? {
            None if !self.row.says_all => Ok(told()),
            _ => self.size(key),
        }
    }

    fn check_group(&self) -> Result<()> {
        let Some(key) = self.row.group else { return Ok(()) };
        let expected = formats::ternary::GROUP;
        let group = self.gguf.metadata().require_u32(&self.row.key(key))?;
        if group as usize == expected { Ok(()) } else { self.refuse(key, group, expected) }
    }

    fn activation(&self) -> Result<Activation> {
        let key = match self.row.activation {
            Fact::Is(activation) => return Ok(activation),
            Fact::Key(key) => key,
        };
        let name = self.gguf.metadata().require_str(&self.row.key(key))?;
        match Activation::from_name(name) {
            Some(activation) => Ok(activation),
            None => {
                let found = format!("\"{}\"", formats::shown(name));
                self.refuse(key, found, "\"swiglu\", \"relu2\" or \"relu2_gated\"")
            }
        }
    }

    fn norm(&self, norm: Norm) -> bool {
        match norm {
            Norm::WithTensor(name) => self.gguf.contains(name),
            Norm::Is(there) => there,
        }
    }

    /// Rows of a matrix, as stored; 0 where there is none, which no size may be.
    fn rows_of(&self, name: &str) -> usize {
        let rows = self.gguf.tensor(name).map_or(0, |t| t.info.dims.rows());
        rows.try_into().unwrap_or(usize::MAX)
    }

    /// The stored type that reads a tensor of an embedding or a head.
    fn stored_type(&self, name: &str) -> Result<StoredType> {
        let info = self.gguf.tensor(name)?.info;
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

    fn refuse<T>(&self, key: &str, found: impl ToString, expected: impl ToString) -> Result<T> {
        let (found, expected) = (found.to_string(), expected.to_string());
        Err(Error::Config { key: self.row.key(key), found, expected })
    }
}

#[cfg(test)]
mod tests {
    use formats::gguf::GgufWriter;

    use super::*;
    use crate::config::RopeKind;

    /// An architecture as llama.cpp's files have them, which leave much out.
    const OTHER: Architecture = Architecture {
        name: "other",
        says_all: false,
        rope: RopeKind::Interleaved,
        activation: Fact::Is(Activation::Relu2Gated),
        group: None,
        qk_norm: Norm::Is(true),
        attn_sub_norm: Norm::Is(false),
        ffn_sub_norm: Norm::WithTensor("blk.0.ffn_sub_norm.weight"),
    };
    const SIZES: [(&str, u32); 5] =
        [(key::CONTEXT, 64), (key::WIDTH, 128), (key::BLOCKS, 1), (key::FFN, 256), (key::HEADS, 4)];

    fn read(row: &Architecture, left_out: &str, change: impl FnOnce(&mut Metadata)) -> Result<ModelConfig> {
        let mut meta = Metadata::new();
        for (key, size) in SIZES.into_iter().filter(|(key, _)| *key != left_out) {
            meta.insert(&row.key(key), size);
        }
        meta.insert(&row.key(key::NORM_EPS), 1e-5f32);
        change(&mut meta);
        let mut writer = GgufWriter::new(meta);
        writer.add_tensor("token_embd.weight", TensorType::F16, &[128, 7], vec![0; 2 * 128 * 7]).unwrap();
        let gguf = Gguf::parse(writer.to_bytes().unwrap(), "a test").unwrap();
        Reader { gguf: &gguf, row }.config()
    }

    #[test]
    fn rows_say_what_files_of_an_architecture_leave_out() {
        let c = read(&OTHER, "", |_| ()).unwrap();
        assert_eq!((c.vocab, c.kv_heads, c.head_dim, c.rope_base), (7, 4, 32, 10_000.0));
        assert_eq!((c.rope, c.activation), (RopeKind::Interleaved, Activation::Relu2Gated));
        assert_eq!([c.qk_norm, c.attn_sub_norm, c.ffn_sub_norm, c.tied], [true, false, false, true]);
        // What a file does say counts.
        let said = |meta: &mut Metadata| {
            meta.insert("other.attention.head_count_kv", 2u32);
            meta.insert("other.rope.freq_base", 5e5f32);
            meta.insert("tercet.attention.key_length", 8u32);
        };
        let c = read(&OTHER, "", said).unwrap();
        assert_eq!((c.kv_heads, c.head_dim, c.rope_base), (2, 32, 5e5));
    }

    #[test]
    fn rows_name_keys_by_the_prefix_of_their_architecture() {
        for (key, _) in SIZES {
            let error = read(&OTHER, key, |_| ()).unwrap_err().to_string();
            assert!(error.contains(&format!("`other.{key}` is missing")), "{error}");
        }
        let refusal = |change: fn(&mut Metadata)| read(&OTHER, "", change).unwrap_err().to_string();
        let error = refusal(|meta| meta.insert("other.rope.freq_base", 0.5f32));
        assert_eq!(error, "metadata key other.rope.freq_base is 0.5; expected 1 to 1e12");
        let error = refusal(|meta| meta.insert("other.attention.value_length", 8u32));
        assert_eq!(error, "metadata key other.attention.value_length is 8; expected 32, the key length");
        let error = refusal(|meta| meta.insert("other.attention.head_count", 0u32));
        assert_eq!(error, "metadata key other.attention.head_count is 0; expected 1 to 4096");
        // Ours says everything.
        let error = read(&TERCET, "", |_| ()).unwrap_err().to_string();
        assert!(error.contains("`tercet.attention.key_length` is missing"), "{error}");
    }
}
