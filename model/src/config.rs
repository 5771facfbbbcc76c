//! The shape of a model: everything the one transformer needs to know, and what a model can be at all. How a file spells it is
//! `metadata`'s business.
//!
//! Every number is checked against what a model can be before anything is allocated by it. The
//! bounds are far above any published model and low enough that no product of two overflows.

use formats::blocks::TensorType;

/// Largest vocabulary; four times the largest published one.
pub const VOCAB_MAX: usize = 1 << 20;
/// Longest context.
pub const CONTEXT_MAX: usize = 1 << 20;
/// Largest residual, attention or feed-forward width.
pub const WIDTH_MAX: usize = 1 << 18;
/// Most blocks.
pub const BLOCKS_MAX: usize = 4096;
/// Most heads.
pub const HEADS_MAX: usize = 4096;
/// Narrowest head: a vector of the ops.
pub const HEAD_DIM_MIN: usize = 8;
/// Widest head.
pub const HEAD_DIM_MAX: usize = 1024;
/// What rows are multiples of: the ops take numbers by eights, and the smallest block that a row is stored in has so many.
const ROW_STEP: usize = 32;

/// Weight matrices' precision on disk, in memory and in the training forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredType {
    /// 16-bit IEEE floats.
    F16,
    /// 32 weights share an f16 scale, 8 bits each.
    Q8_0,
    /// 128 weights share an f16 scale, ternary.
    Q1_58,
    /// As a file of others has it, one that is neither trained nor written.
    Foreign(TensorType),
}

/// The feed-forward network's non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `down(silu(gate) * up)`.
    SwiGlu,
    /// `down(relu(up)^2)`; no gate matrix.
    Relu2,
    /// `down(relu(gate)^2 * up)`.
    Relu2Gated,
}

impl RopeScaling {
    /// The plain form.
    pub const NONE: RopeScaling = RopeScaling { stretch: Stretch::None, magnitude: 1.0, divisors: false };
}

impl Biases {
    /// None at all.
    pub const NONE: Biases = Biases([false; BIASED.len()]);

    /// Those of the matrices that `has` says have one.
    pub fn of(has: impl FnMut(&'static str) -> bool) -> Self {
        Biases(BIASED.map(has))
    }

    /// Whether the matrix of this name in a block has one.
    pub fn has(self, part: &str) -> bool {
        BIASED.iter().zip(self.0).any(|(name, has)| has && *name == part)
    }
}

impl StoredType {
    /// The type of the tensor in a file.
    pub fn tensor_type(self) -> TensorType {
        match self {
            StoredType::F16 => TensorType::F16,
            StoredType::Q8_0 => TensorType::Q8_0,
            StoredType::Q1_58 => TensorType::Q1_58,
            StoredType::Foreign(ty) => ty,
        }
    }
}

impl Activation {
    /// Its name in metadata and configuration files.
    pub fn name(self) -> &'static str {
        match self {
            Activation::SwiGlu => "swiglu",
            Activation::Relu2 => "relu2",
            Activation::Relu2Gated => "relu2_gated",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Activation::SwiGlu, Activation::Relu2, Activation::Relu2Gated].into_iter().find(|a| a.name() == name)
    }

    /// Whether the network has a gate matrix.
    pub fn gated(self) -> bool {
        !matches!(self, Activation::Relu2)
    }
}

/// How rotary embedding pairs dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeKind {
    /// Dimension `i` turns with `i + head_dim / 2` (NeoX).
    HalfSplit,
    /// Dimension `2i` turns with `2i + 1` (`llama` files).
    Interleaved,
}

/// How rotary embedding departs from its plain form. What trains does not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RopeScaling {
    /// Towards longer texts.
    pub stretch: Stretch,
    /// Multiplies what has turned, beside what the stretch does.
    pub magnitude: f32,
    /// The speed of each pair is divided by a number of its own, in a tensor.
    pub divisors: bool,
}

/// How turns are slowed down so that texts may be longer than those that were trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stretch {
    /// Not at all.
    None,
    /// All alike.
    Linear {
        /// So many times.
        factor: f32,
    },
    /// The slow ones alone.
    Yarn(Yarn),
}

/// YaRN (arXiv 2309.00071).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// So many times.
    pub factor: f32,
    /// Longest text before.
    pub original_context: usize,
    /// How much of their speed the fast ones keep, 0 to 1.
    pub extrapolation: f32,
    /// What turns so often in the original context is fast.
    pub beta_fast: f32,
    /// What turns so seldom is slow.
    pub beta_slow: f32,
}

/// The matrices whose products may have a bias added, by their names in a block.
pub const BIASED: [&str; 7] = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_gate", "ffn_down"];

/// Which products of every block have a bias. What trains has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Biases([bool; BIASED.len()]);

/// Shape and constants of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Token ids.
    pub vocab: usize,
    /// Longest sequence it was trained on.
    pub context: usize,
    /// Residual width `d`.
    pub width: usize,
    /// Blocks `L`.
    pub blocks: usize,
    /// Query heads `H`.
    pub heads: usize,
    /// Key-value heads `K`, a divisor of `heads`.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Feed-forward width `F`.
    pub ffn: usize,
    /// Residual streams `n`: 1, 2 or 4.
    pub streams: usize,
    /// Feed-forward non-linearity.
    pub activation: Activation,
    /// Epsilon of every RMS norm.
    pub norm_eps: f32,
    /// Rotary base.
    pub rope_base: f32,
    /// Rotary pairing.
    pub rope: RopeKind,
    /// Dimensions of a head that turn, the first ones; `None` for all.
    pub rope_dims: Option<usize>,
    /// What else there is to rotary embedding.
    pub rope_scaling: RopeScaling,
    /// Products with a bias.
    pub biases: Biases,
    /// RMS norm (with gain) of each query and key head before rope.
    pub qk_norm: bool,
    /// RMS norm (with gain) before the attention output projection.
    pub attn_sub_norm: bool,
    /// RMS norm (with gain) before the down projection.
    pub ffn_sub_norm: bool,
    /// Multiplies the embedding as it enters the streams (not the tied head).
    pub embedding_scale: f32,
    /// The head reads the embedding table.
    pub tied: bool,
    /// Stored precision of the embedding table.
    pub embedding: StoredType,
    /// Stored precision of an untied head.
    pub head: StoredType,
    /// The head reads int8-quantised activations rather than f32.
    pub head_int8: bool,
}

/// What of a shape [`ModelConfig::validate`] looks at. Files and training configurations spell these each their own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields of `ModelConfig` by the same names
pub enum Field {
    Vocab,
    Context,
    Width,
    Blocks,
    Heads,
    KvHeads,
    HeadDim,
    Ffn,
    Streams,
    NormEps,
    RopeBase,
    RopeDims,
    RopeFactor,
    RopeOriginalContext,
    RopeMagnitude,
    YarnExtrapolation,
    YarnBetaFast,
    YarnBetaSlow,
    EmbeddingScale,
    HeadInt8,
}

/// Why a shape is none that a model can have.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// What is wrong.
    pub field: Field,
    /// Its value.
    pub found: String,
    /// What would be accepted.
    pub expected: String,
}

impl ModelConfig {
    /// Refuses a shape that the ops cannot compute or that no model has: the one rule for what is read.
    ///
    /// # Errors
    /// The first field that is wrong and what it may be; whoever asks says how its user spells the field.
    pub fn validate(&self) -> std::result::Result<(), Refusal> {
        self.validate_rows(ROW_STEP)
    }

    /// As [`validate`](Self::validate), and that heads are whole vectors and all rows of its matrices whole groups of ternary weights: the one
    /// rule for what is trained and written.
    ///
    /// # Errors
    /// The same.
    pub fn validate_ternary(&self) -> std::result::Result<(), Refusal> {
        self.validate_rows(formats::ternary::GROUP)?;
        if self.head_dim.is_multiple_of(HEAD_DIM_MIN) {
            return Ok(());
        }
        refuse(Field::HeadDim, self.head_dim, format!("a multiple of {HEAD_DIM_MIN}"))
    }

    fn validate_rows(&self, step: usize) -> std::result::Result<(), Refusal> {
        let within = |field, v: usize, max: usize| {
            if (1..=max).contains(&v) { Ok(()) } else { refuse(field, v, format!("1 to {max}")) }
        };
        let multiple = |field, v: usize, of: usize| {
            if v.is_multiple_of(of) { Ok(()) } else { refuse(field, v, format!("a multiple of {of}")) }
        };
        within(Field::Vocab, self.vocab, VOCAB_MAX)?;
        within(Field::Context, self.context, CONTEXT_MAX)?;
        within(Field::Width, self.width, WIDTH_MAX)?;
        multiple(Field::Width, self.width, step)?;
        within(Field::Blocks, self.blocks, BLOCKS_MAX)?;
        within(Field::Ffn, self.ffn, WIDTH_MAX)?;
        multiple(Field::Ffn, self.ffn, step)?;
        within(Field::Heads, self.heads, HEADS_MAX)?;
        within(Field::KvHeads, self.kv_heads, self.heads)?;
        if !self.heads.is_multiple_of(self.kv_heads) {
            return refuse(Field::KvHeads, self.kv_heads, format!("a divisor of the {} heads", self.heads));
        }
        if !(HEAD_DIM_MIN..=HEAD_DIM_MAX).contains(&self.head_dim) {
            return refuse(Field::HeadDim, self.head_dim, format!("{HEAD_DIM_MIN} to {HEAD_DIM_MAX}"));
        }
        multiple(Field::HeadDim, self.head_dim, 2)?;
        let attention = self.heads * self.head_dim;
        if !attention.is_multiple_of(step) || attention > WIDTH_MAX {
            let expected =
                format!("{} heads of it to be a multiple of {step}, at most {WIDTH_MAX}", self.heads);
            return refuse(Field::HeadDim, self.head_dim, expected);
        }
        if ![1, 2, 4].contains(&self.streams) {
            return refuse(Field::Streams, self.streams, "1, 2 or 4");
        }
        if self.streams > 1 && self.biases != Biases::NONE {
            return refuse(Field::Streams, self.streams, "1, as there are biases");
        }
        // A subnormal number is 0 on a GPU that flushes it, and a row of zeros would divide by it.
        if !(self.norm_eps.is_normal() && self.norm_eps > 0.0 && self.norm_eps <= 1.0) {
            return refuse(Field::NormEps, self.norm_eps, "above 1e-37, at most 1");
        }
        if !(1.0..=1e12).contains(&self.rope_base) {
            return refuse(Field::RopeBase, self.rope_base, "1 to 1e12");
        }
        self.validate_rope()?;
        if !self.embedding_scale.is_normal() {
            return refuse(Field::EmbeddingScale, self.embedding_scale, "a finite number other than 0");
        }
        if self.head_int8 && !matches!(self.head_type(), StoredType::Q8_0 | StoredType::Q1_58) {
            let ty = self.head_type().tensor_type();
            return refuse(Field::HeadInt8, true, format!("false, as the head is stored in {ty}"));
        }
        Ok(())
    }

    fn validate_rope(&self) -> std::result::Result<(), Refusal> {
        let dims = self.rotary_dims();
        if dims == 0 || dims > self.head_dim || !dims.is_multiple_of(2) {
            return refuse(Field::RopeDims, dims, format!("an even number up to {}", self.head_dim));
        }
        let ratio = |field, v: f32| {
            if (1e-6..=1e6).contains(&v) { Ok(()) } else { refuse(field, v, "1e-6 to 1e6") }
        };
        ratio(Field::RopeMagnitude, self.rope_scaling.magnitude)?;
        match self.rope_scaling.stretch {
            Stretch::None => Ok(()),
            Stretch::Linear { factor } => ratio(Field::RopeFactor, factor),
            Stretch::Yarn(yarn) => {
                ratio(Field::RopeFactor, yarn.factor)?;
                ratio(Field::YarnBetaFast, yarn.beta_fast)?;
                ratio(Field::YarnBetaSlow, yarn.beta_slow)?;
                if !(0.0..=1.0).contains(&yarn.extrapolation) {
                    return refuse(Field::YarnExtrapolation, yarn.extrapolation, "0 to 1");
                }
                if !(1..=CONTEXT_MAX).contains(&yarn.original_context) {
                    let expected = format!("1 to {CONTEXT_MAX}");
                    return refuse(Field::RopeOriginalContext, yarn.original_context, expected);
                }
                Ok(())
            }
        }
    }

    /// Stored precision of the matrix that the head reads.
    pub fn head_type(&self) -> StoredType {
        if self.tied { self.embedding } else { self.head }
    }

    /// Dimensions of a head that turn.
    pub fn rotary_dims(&self) -> usize {
        self.rope_dims.unwrap_or(self.head_dim)
    }

    /// Width of all query heads together.
    pub fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}

fn refuse(field: Field, found: impl ToString, expected: impl ToString) -> std::result::Result<(), Refusal> {
    Err(Refusal { field, found: found.to_string(), expected: expected.to_string() })
}
