//! The shape of a model: everything the one transformer needs to know, read from GGUF metadata
//! and written back to it. Weights are `weights`' business.

/// Weight matrices' precision on disk, in memory and in the training forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredType {
    /// 16-bit IEEE floats.
    F16,
    /// 32 weights share an f16 scale, 8 bits each.
    Q8_0,
    /// 128 weights share an f16 scale, ternary.
    Q1_58,
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

impl Activation {
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
