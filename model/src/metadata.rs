//! A shape as GGUF metadata spell it, both ways. What a file of an architecture says and what goes without saying is its row in
//! `architecture`; what may be a shape is `config`'s business.

use formats::blocks::TensorType;
use formats::gguf::{Gguf, Metadata};

use crate::architecture::{ARCHITECTURE, Architecture, Gating, Norm, TERCET, key};
use crate::config::{Activation, Biases, ModelConfig, RopeScaling, StoredType, Stretch, Yarn};
use crate::error::{Error, Result};
use crate::unread;

const SPLIT_COUNT: &str = "split.count";
const SPLIT_NUMBER: &str = "split.no";

/// llama.cpp's rotary base, in files that say none.
const ROPE_BASE_USUAL: f32 = 10_000.0;

/// Tensors of a block that has neither a gate nor norms beside the usual two.
const BLOCK_TENSORS_LEAST: usize = 8;

/// The tensor of rotary divisors.
pub(crate) const ROPE_DIVISORS: &str = "rope_freqs.weight";

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
        Reader { gguf, row: Architecture::of(meta)? }.config()
    }

    /// Writes the metadata that [`from_gguf`](Self::from_gguf) reads in a file of ours. Tensors say the rest.
    pub fn to_gguf(&self, meta: &mut Metadata) {
        self.to_gguf_of(&TERCET, meta);
    }

    /// The same in a file of another architecture, which must be one that can say all of it.
    pub fn to_gguf_of(&self, row: &Architecture, meta: &mut Metadata) {
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
        ] {
            let size = u32::try_from(size).expect("validated sizes are far below 2^32");
            meta.insert(&row.key(key), size);
        }
        // What others know nothing of.
        if let Some(key) = row.group {
            meta.insert(&row.key(key::STREAMS), self.streams as u32);
            meta.insert(&row.key(key), formats::ternary::GROUP as u32);
        }
        match row.activation {
            Gating::Named(key) => meta.insert(&row.key(key), self.activation.name()),
            Gating::Function(usual) if usual == self.activation => {}
            Gating::Function(_) => meta.insert(&row.key(key::GATE), gate_of(self.activation)),
        }
        meta.insert(&row.key(key::NORM_EPS), self.norm_eps);
        meta.insert(&row.key(key::ROPE_BASE), self.rope_base);
        self.rope_to_gguf(row, meta);
        if row.group.is_some() {
            meta.insert(&row.key(key::EMBEDDING_SCALE), self.embedding_scale);
            meta.insert(&row.key(key::HEAD_INT8), self.head_int8);
        }
    }

    /// Writes how rotary embedding departs from its plain form, if it does.
    fn rope_to_gguf(&self, row: &Architecture, meta: &mut Metadata) {
        if let Some(dims) = self.rope_dims {
            meta.insert(&row.key(key::ROPE_DIMS), dims as u32);
        }
        match self.rope_scaling.stretch {
            Stretch::None => {}
            Stretch::Linear { factor } => {
                meta.insert(&row.key(key::ROPE_TYPE), "linear");
                meta.insert(&row.key(key::ROPE_FACTOR), factor);
            }
            Stretch::Yarn(yarn) => {
                meta.insert(&row.key(key::ROPE_TYPE), "yarn");
                meta.insert(&row.key(key::ROPE_FACTOR), yarn.factor);
                meta.insert(&row.key(key::ROPE_ORIGINAL_CONTEXT), yarn.original_context as u32);
                meta.insert(&row.key(key::YARN_EXTRAPOLATION), yarn.extrapolation);
                meta.insert(&row.key(key::YARN_BETA_FAST), yarn.beta_fast);
                meta.insert(&row.key(key::YARN_BETA_SLOW), yarn.beta_slow);
            }
        }
        if self.rope_scaling.magnitude != 1.0 {
            meta.insert(&row.key(key::ROPE_MAGNITUDE), self.rope_scaling.magnitude);
        }
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
        let head = if tied { embedding } else { self.stored_type("output.weight")? };
        let (width, heads) = (self.size(key::WIDTH)?, self.size(key::HEADS)?);
        let head_dim = self.size_or(key::HEAD_DIM, || width / heads.max(1))?;
        if let Some(v) = meta.u32(&row.key(key::VALUE_DIM))?
            && v as usize != head_dim
        {
            return self.refuse(key::VALUE_DIM, v, format!("{head_dim}, the key length"));
        }
        self.check_group()?;
        let rope_base = &row.key(key::ROPE_BASE);
        let context = self.size(key::CONTEXT)?;
        let config = ModelConfig {
            vocab: self.size_or(key::VOCAB, || self.rows_of("token_embd.weight"))?,
            context,
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
            rope_dims: self.rope_dims(head_dim)?,
            rope_scaling: self.rope_scaling(context)?,
            biases: Biases::of(|part| self.gguf.contains(&format!("blk.0.{part}.bias"))),
            qk_norm: self.norm(row.qk_norm),
            attn_sub_norm: self.norm(row.attn_sub_norm),
            ffn_sub_norm: self.norm(row.ffn_sub_norm),
            embedding_scale: meta.f32(&row.key(key::EMBEDDING_SCALE))?.unwrap_or(1.0),
            tied,
            embedding,
            head,
            // A ternary head of others is read as all their ternary matrices are.
            head_int8: meta
                .bool(&row.key(key::HEAD_INT8))?
                .unwrap_or(!row.says_all && head == StoredType::Q1_58),
        };
        let valid = if row.group.is_some() { config.validate_ternary() } else { config.validate() };
        valid.map_err(|refusal| row.refusal(refusal))?;
        unread::check_keys(meta, row, &config)?;
        let tensors = self.gguf.tensors().len();
        if config.blocks > tensors / BLOCK_TENSORS_LEAST {
            let expected =
                format!("at most one for each {BLOCK_TENSORS_LEAST} of the tensors there are, {tensors}");
            return self.refuse(key::BLOCKS, config.blocks, expected);
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

    /// Dimensions of a head that turn, where a file says so and they are not all.
    fn rope_dims(&self, head_dim: usize) -> Result<Option<usize>> {
        let dims = self.gguf.metadata().u32(&self.row.key(key::ROPE_DIMS))?;
        Ok(dims.map(|dims| dims as usize).filter(|&dims| dims != head_dim))
    }

    /// As llama.cpp reads it: a factor of 0 is none, and one without a type is linear.
    fn rope_scaling(&self, context: usize) -> Result<RopeScaling> {
        let (meta, row) = (self.gguf.metadata(), self.row);
        let number = |key: &str| meta.f32(&row.key(key));
        let factor = match number(key::ROPE_FACTOR)? {
            None => number(key::ROPE_FACTOR_OLD)?,
            factor => factor,
        };
        let ty = meta.str(&row.key(key::ROPE_TYPE))?.unwrap_or("linear");
        let stretch = match (ty, factor.filter(|&factor| factor != 0.0)) {
            ("none", _) | ("linear" | "yarn", None) => Stretch::None,
            ("linear", Some(factor)) => Stretch::Linear { factor },
            ("yarn", Some(factor)) => Stretch::Yarn(Yarn {
                factor,
                original_context: match meta.u32(&row.key(key::ROPE_ORIGINAL_CONTEXT))? {
                    Some(original) => original as usize,
                    None => context,
                },
                extrapolation: number(key::YARN_EXTRAPOLATION)?.unwrap_or(1.0),
                beta_fast: number(key::YARN_BETA_FAST)?.unwrap_or(32.0),
                beta_slow: number(key::YARN_BETA_SLOW)?.unwrap_or(1.0),
            }),
            (other, _) => {
                let found = format!("\"{}\"", formats::shown(other));
                return self.refuse(key::ROPE_TYPE, found, "\"none\", \"linear\" or \"yarn\"");
            }
        };
        Ok(RopeScaling {
            stretch,
            magnitude: number(key::ROPE_MAGNITUDE)?.unwrap_or(1.0),
            divisors: self.gguf.contains(ROPE_DIVISORS),
        })
    }

    fn check_group(&self) -> Result<()> {
        let Some(key) = self.row.group else { return Ok(()) };
        let expected = formats::ternary::GROUP;
        let group = self.gguf.metadata().require_u32(&self.row.key(key))?;
        if group as usize == expected { Ok(()) } else { self.refuse(key, group, expected) }
    }

    fn activation(&self) -> Result<Activation> {
        let meta = self.gguf.metadata();
        let (key, name, activation, expected) = match self.row.activation {
            Gating::Named(key) => {
                let name = meta.require_str(&self.row.key(key))?;
                (key, name, Activation::from_name(name), "\"swiglu\", \"relu2\" or \"relu2_gated\"")
            }
            Gating::Function(usual) => match meta.str(&self.row.key(key::GATE))? {
                None => return Ok(usual),
                Some(name) => (key::GATE, name, gated_by(name), "\"silu\" or \"relu2\""),
            },
        };
        activation.map_or_else(|| self.refuse(key, format!("\"{}\"", formats::shown(name)), expected), Ok)
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
        Ok(match self.gguf.tensor(name)?.ty()? {
            TensorType::F16 => StoredType::F16,
            TensorType::Q8_0 => StoredType::Q8_0,
            ty if ty.is_ternary() => StoredType::Q1_58,
            ty => StoredType::Foreign(ty),
        })
    }

    fn refuse<T>(&self, key: &str, found: impl ToString, expected: impl ToString) -> Result<T> {
        let (found, expected) = (found.to_string(), expected.to_string());
        Err(Error::Config { key: self.row.key(key), found, expected })
    }
}

/// The function that the gate of a non-linearity passes through.
fn gate_of(activation: Activation) -> &'static str {
    match activation {
        Activation::SwiGlu => "silu",
        Activation::Relu2Gated => "relu2",
        Activation::Relu2 => unreachable!("other architectures have gates"),
    }
}

/// The non-linearity whose gate passes through a function of this name.
fn gated_by(function: &str) -> Option<Activation> {
    match function {
        "silu" | "swish" | "swiglu" => Some(Activation::SwiGlu),
        "relu2" => Some(Activation::Relu2Gated),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use formats::gguf::{GgufWriter, Value};

    use super::*;
    use crate::architecture::{ARCHITECTURES, LLAMA, QWEN3};
    use crate::config::RopeKind;

    /// An architecture as llama.cpp's files have them, which leave much out.
    const OTHER: Architecture = Architecture {
        name: "other",
        says_all: false,
        rope: RopeKind::Interleaved,
        activation: Gating::Function(Activation::Relu2Gated),
        group: None,
        qk_norm: Norm::Is(true),
        attn_sub_norm: Norm::Is(false),
        ffn_sub_norm: Norm::WithTensor("blk.0.ffn_sub_norm.weight"),
    };
    const SIZES: [(&str, u32); 5] =
        [(key::CONTEXT, 64), (key::WIDTH, 128), (key::BLOCKS, 1), (key::FFN, 256), (key::HEADS, 4)];

    fn read(row: &Architecture, left_out: &str, change: impl FnOnce(&mut Metadata)) -> Result<ModelConfig> {
        read_with(row, left_out, &[], change)
    }

    fn read_with(
        row: &Architecture,
        left_out: &str,
        tensors: &[&str],
        change: impl FnOnce(&mut Metadata),
    ) -> Result<ModelConfig> {
        let mut meta = Metadata::new();
        for (key, size) in SIZES.into_iter().filter(|(key, _)| *key != left_out) {
            meta.insert(&row.key(key), size);
        }
        meta.insert(&row.key(key::NORM_EPS), 1e-5f32);
        change(&mut meta);
        let mut writer = GgufWriter::new(meta);
        writer.add_tensor("token_embd.weight", TensorType::F16, &[128, 7], vec![0; 2 * 128 * 7]).unwrap();
        let block = (0..BLOCK_TENSORS_LEAST).map(|i| format!("blk.0.{i}"));
        for name in block.chain(tensors.iter().map(|&name| name.to_owned())) {
            let name = &name;
            writer.add_tensor(name, TensorType::F32, &[1], vec![0; 4]).unwrap();
        }
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

    #[test]
    fn rows_tell_families_apart() {
        let row = |name: &str| Architecture::named(name).unwrap();
        let gate = |name: &str, function: Option<&str>| {
            let said = |meta: &mut Metadata| {
                function.into_iter().for_each(|f| meta.insert(&format!("{name}.hidden_activation"), f));
            };
            read(row(name), "", said)
        };
        for (name, function, activation) in [
            ("llama", None, Activation::SwiGlu),
            ("bitnet", None, Activation::SwiGlu),
            ("bitnet", Some("relu2"), Activation::Relu2Gated),
            ("bitnet-b1.58", None, Activation::Relu2Gated),
            ("bitnet-25", Some("silu"), Activation::SwiGlu),
        ] {
            assert_eq!(gate(name, function).unwrap().activation, activation, "{name}, {function:?}");
        }
        let error = gate("qwen3", Some("gelu")).unwrap_err().to_string();
        assert_eq!(error, "metadata key qwen3.hidden_activation is \"gelu\"; expected \"silu\" or \"relu2\"");
        for (name, rope, [qk_norm, attn_sub_norm, ffn_sub_norm]) in [
            ("llama", RopeKind::Interleaved, [false; 3]),
            ("qwen2", RopeKind::HalfSplit, [false; 3]),
            ("qwen3", RopeKind::HalfSplit, [true, false, false]),
            ("bitnet", RopeKind::HalfSplit, [false, true, true]),
            ("bitnet-b1.58", RopeKind::HalfSplit, [false, true, true]),
            ("bitnet-25", RopeKind::HalfSplit, [false, true, true]),
        ] {
            let c = read(row(name), "", |_| ()).unwrap();
            assert_eq!(
                (c.rope, [c.qk_norm, c.attn_sub_norm, c.ffn_sub_norm]),
                (rope, [qk_norm, attn_sub_norm, ffn_sub_norm])
            );
            assert_eq!((c.biases, c.rope_scaling, c.rope_dims), (Biases::NONE, RopeScaling::NONE, None));
        }
        let biased = ["blk.0.attn_q.bias", "blk.0.attn_v.bias", "blk.1.ffn_up.bias"];
        let c = read_with(row("qwen2"), "", &biased, |_| ()).unwrap();
        assert_eq!(c.biases, Biases::of(|part| part == "attn_q" || part == "attn_v"));
    }

    #[test]
    fn rotary_scaling_is_read_as_llama_cpp_does() {
        let scaling = |entries: &[(&str, Value)]| {
            let change = |meta: &mut Metadata| {
                entries
                    .iter()
                    .for_each(|(key, value)| meta.insert(&format!("qwen3.rope.{key}"), value.clone()));
            };
            read(&QWEN3, "", change)
        };
        let stretch = |entries: &[(&str, Value)]| scaling(entries).unwrap().rope_scaling.stretch;
        let linear = Stretch::Linear { factor: 4.0 };
        let factor = || ("scaling.factor", Value::F32(4.0));
        let ty = |name: &str| ("scaling.type", Value::Str(name.into()));
        assert_eq!(stretch(&[factor()]), linear);
        assert_eq!(stretch(&[("scale_linear", Value::F32(4.0))]), linear);
        assert_eq!(stretch(&[("scaling.factor", Value::F32(0.0))]), Stretch::None);
        assert_eq!(stretch(&[ty("none"), factor()]), Stretch::None);
        assert_eq!(stretch(&[ty("yarn")]), Stretch::None);
        let yarn =
            Yarn { factor: 4.0, original_context: 64, extrapolation: 1.0, beta_fast: 32.0, beta_slow: 1.0 };
        assert_eq!(stretch(&[ty("yarn"), factor()]), Stretch::Yarn(yarn));
        let original = ("scaling.original_context_length", Value::U32(16));
        let shorter = Stretch::Yarn(Yarn { original_context: 16, ..yarn });
        assert_eq!(stretch(&[ty("yarn"), factor(), original.clone()]), shorter);
        assert_eq!(scaling(&[("dimension_count", Value::U32(32))]).unwrap().rope_dims, None);
        assert_eq!(scaling(&[("dimension_count", Value::U32(8))]).unwrap().rope_dims, Some(8));
        assert_eq!(scaling(&[("scaling.attn_factor", Value::F32(1.5))]).unwrap().rope_scaling.magnitude, 1.5);
        let refused = |entries: &[(&str, Value)]| scaling(entries).unwrap_err().to_string();
        for (entries, said) in [
            (vec![ty("longrope")], "type is \"longrope\"; expected \"none\", \"linear\" or \"yarn\""),
            (vec![("scaling.factor", Value::F32(f32::NAN))], "factor is NaN; expected 1e-6 to 1e6"),
            (vec![ty("yarn"), ("scaling.factor", Value::F32(-1.0))], "factor is -1; expected 1e-6 to 1e6"),
            (
                vec![ty("yarn"), factor(), ("scaling.original_context_length", Value::U32(0))],
                "original_context_length is 0; expected 1 to 1048576",
            ),
            (
                vec![ty("yarn"), factor(), ("scaling.yarn_beta_fast", Value::F32(f32::INFINITY))],
                "yarn_beta_fast is inf; expected 1e-6 to 1e6",
            ),
            (
                vec![ty("yarn"), factor(), ("scaling.yarn_ext_factor", Value::F32(-1.0))],
                "yarn_ext_factor is -1; expected 0 to 1",
            ),
            (vec![("scaling.attn_factor", Value::F32(0.0))], "attn_factor is 0; expected 1e-6 to 1e6"),
        ] {
            let error = refused(&entries);
            assert_eq!(error, format!("metadata key qwen3.rope.scaling.{said}"));
        }
        for dims in [0, 7, 34] {
            let error = refused(&[("dimension_count", Value::U32(dims))]);
            let said = format!(
                "metadata key qwen3.rope.dimension_count is {dims}; expected an even number up to 32"
            );
            assert_eq!(error, said);
        }
    }

    #[test]
    fn what_would_not_be_heeded_is_refused_by_key() {
        let said = |key: &str, value: Value| {
            read(&LLAMA, "", |meta| meta.insert(key, value)).map_err(|e| e.to_string())
        };
        let bonsai = Value::Bool(true);
        for (key, value, words) in [
            ("llama.expert_count", Value::U32(8), "is 8; expected 0, as experts are not run"),
            ("llama.attention.sliding_window", Value::U32(63), "is 63; expected 0 or the context"),
            ("llama.attention.causal", Value::Bool(false), "is false; expected true"),
            ("llama.attention.scale", Value::F32(0.1), "is 0.1; expected 0, or one over the root"),
            ("llama.final_logit_softcapping", Value::F32(30.0), "is 30; expected 0"),
            ("llama.attn_logit_softcapping", Value::F64(f64::NAN), "is NaN; expected 0"),
            ("llama.logit_scale", Value::F32(0.5), "is 0.5; expected 1"),
            ("llama.residual_scale", Value::Str("x\u{1b}".into()), "is \"x\\u{1b}\"; expected 1"),
            (
                "llama.rope.dimension_sections",
                Value::from(vec![1i32, 2]),
                "is an array of i32; expected none",
            ),
            ("prism.hadamard.enabled", bonsai, "is true; expected none, as activations are not rotated"),
        ] {
            let error = said(key, value).unwrap_err();
            assert!(error.starts_with(&format!("metadata key {key} {words}")), "{error}");
        }
        for (key, value) in [
            ("llama.expert_count", Value::U32(0)),
            ("llama.attention.sliding_window", Value::U32(64)),
            ("llama.attention.causal", Value::Bool(true)),
            ("llama.attention.scale", Value::F32(1.0 / 32f32.sqrt())),
            ("llama.logit_scale", Value::F32(1.0)),
            ("qwen3.expert_count", Value::U32(8)),
        ] {
            said(key, value).unwrap();
        }
    }

    #[test]
    fn shapes_of_others_are_written_and_read() {
        let scaling = RopeScaling {
            stretch: Stretch::Yarn(Yarn {
                factor: 4.0,
                original_context: 16,
                extrapolation: 1.0,
                beta_fast: 32.0,
                beta_slow: 1.0,
            }),
            magnitude: 0.5,
            divisors: false,
        };
        for row in &ARCHITECTURES[1..] {
            let mut c = read(row, "", |_| ()).unwrap();
            (c.rope_scaling, c.rope_dims, c.kv_heads) = (scaling, Some(16), 2);
            if c.attn_sub_norm {
                c.activation = Activation::Relu2Gated;
            }
            let again = read(row, "", |meta| c.to_gguf_of(row, meta)).unwrap();
            assert_eq!(again, c, "{}", row.name);
        }
    }
}
