//! The training step as plain data: coarse ops over numbered buffers. A backend runs a program; the graph builds one.
//! A program depends on shapes alone, never on values, so it is recorded once and replayed every step.

use model::config::{Activation, ModelConfig, RopeKind};
use model::forward::Hyper;

use crate::recipe::Recipe;
use model::tensors::{TensorId, TensorSpec};

/// A buffer of f32 rows, one row a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rows(pub usize);

/// A buffer of rows as a ternary product reads them: int8 with one scale a token (f32 when the model is not quantised).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quant(pub usize);

/// A buffer of hyper-connection coefficients, one record a token, with their gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coefs(pub usize);

/// The connection of several streams with a sub-layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connection {
    /// Its parameters.
    pub weights: Hyper,
    /// Where its coefficients are.
    pub coefs: Coefs,
}

/// Where a dropout mask is drawn; every place has a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site(pub u32);

/// One step of the forward or backward pass. Gradient buffers are named `d_...`; parameter gradients are added to.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // the fields are the operands that each variant's formula names
pub enum Op {
    /// `x[stream] = dropout(scale * table[token])` for every stream.
    Embed { table: TensorId, scale: f32, site: Site, x: Rows },
    /// Adds the gradient of `Embed` to the table.
    EmbedBackward { table: TensorId, scale: f32, site: Site, d_x: Rows },
    /// Coefficients of the connection from the streams, and `y = sum_i pre_i x_i`. `None`: one stream, `y = x`.
    HyperRead { connection: Option<Connection>, x: Rows, y: Rows },
    /// `out = R x + post (outer) dropout(f)`. No coefficients: one stream, `out = x + dropout(f)`.
    HyperWrite { x: Rows, coefs: Option<Coefs>, f: Rows, site: Site, out: Rows },
    /// `d_f` from the streams' gradient `d_x`, which becomes the gradient before the write; records `d_post`, `d_R`.
    HyperWriteBackward { x: Rows, coefs: Option<Coefs>, f: Rows, site: Site, d_x: Rows, d_f: Rows },
    /// Adds `d_y` through the read and through all three coefficients to `d_x`.
    HyperReadBackward { connection: Option<Connection>, x: Rows, d_y: Rows, d_x: Rows },
    /// `q = quantise(rms_norm(x) * gain)`; keeps `1 / rms`. No gain and no norm: `gain` is `None`, and `q = quantise(x)`.
    NormQuantise { x: Rows, gain: Option<TensorId>, q: Quant, inv_rms: Rows },
    /// Gradient of `NormQuantise`, straight through the rounding: overwrites `d_x`.
    NormQuantiseBackward { x: Rows, gain: Option<TensorId>, inv_rms: Rows, d_q: Rows, d_x: Rows },
    /// `y = W q`, a ternary product.
    BitLinear { q: Quant, weight: TensorId, y: Rows },
    /// `dW += d_y^T q`; `d_q = W^T d_y`, added if `accumulate`.
    BitLinearBackward { q: Quant, weight: TensorId, d_y: Rows, d_q: Rows, accumulate: bool },
    /// RMS norm of each head (where there is a gain), rotation by position, rounding to f16 if `store_f16`.
    NormRope {
        x: Rows,
        gain: Option<TensorId>,
        head_dim: usize,
        kind: RopeKind,
        store_f16: bool,
        y: Rows,
        inv_rms: Rows,
    },
    /// Gradient of `NormRope`: `d_y` becomes the gradient of `x`.
    NormRopeBackward {
        x: Rows,
        gain: Option<TensorId>,
        head_dim: usize,
        kind: RopeKind,
        inv_rms: Rows,
        d_y: Rows,
    },
    /// Rounds to f16 and back in place, as the key-value cache stores it.
    Store { x: Rows },
    /// Causal grouped-query attention over each sequence; keeps the log of the softmax's sum.
    Attention {
        heads: usize,
        kv_heads: usize,
        head_dim: usize,
        q: Rows,
        k: Rows,
        v: Rows,
        out: Rows,
        lse: Rows,
    },
    /// Gradient of `Attention`: overwrites `d_q`, `d_k`, `d_v`.
    AttentionBackward {
        heads: usize,
        kv_heads: usize,
        head_dim: usize,
        q: Rows,
        k: Rows,
        v: Rows,
        out: Rows,
        lse: Rows,
        d_out: Rows,
        d_q: Rows,
        d_k: Rows,
        d_v: Rows,
    },
    /// The feed-forward non-linearity; `gate` is absent where the kind has none.
    Activation { kind: Activation, gate: Option<Rows>, up: Rows, out: Rows },
    /// Gradient of `Activation`: overwrites `d_gate` and `d_up`.
    ActivationBackward {
        kind: Activation,
        gate: Option<Rows>,
        up: Rows,
        d_out: Rows,
        d_gate: Option<Rows>,
        d_up: Rows,
    },
    /// `h = sum of streams`, `y = rms_norm(h) * gain`; keeps `h` and `1 / rms`.
    FinalNorm { x: Rows, gain: TensorId, h: Rows, y: Rows, inv_rms: Rows },
    /// Gradient of `FinalNorm`: writes the same gradient to every stream.
    FinalNormBackward { h: Rows, gain: TensorId, inv_rms: Rows, d_y: Rows, d_x: Rows },
    /// Cross-entropy of `softmax(table y)` with the targets, in nats, one value a token; when training also `d_y` and the
    /// table's gradient, without ever holding the logits of a whole batch.
    CrossEntropy { table: TensorId, int8: bool, y: Rows, nats: Rows, d_y: Rows },
}

/// Row widths of every buffer a program uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buffers {
    /// Width of each f32 buffer.
    pub rows: Vec<usize>,
    /// Width of each quantised buffer.
    pub quants: Vec<usize>,
    /// Number of coefficient buffers.
    pub coefs: usize,
}

impl Buffers {
    /// A new f32 buffer of `width` values a token.
    pub fn rows(&mut self, width: usize) -> Rows {
        self.rows.push(width);
        Rows(self.rows.len() - 1)
    }

    /// A new quantised buffer of `width` values a token.
    pub fn quant(&mut self, width: usize) -> Quant {
        self.quants.push(width);
        Quant(self.quants.len() - 1)
    }

    /// A new buffer of hyper-connection coefficients.
    pub fn coefs(&mut self) -> Coefs {
        self.coefs += 1;
        Coefs(self.coefs - 1)
    }
}

/// A model's step: parameters, buffers, and the ops forward to the loss and back.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The model, whose constants the ops share.
    pub model: ModelConfig,
    /// The batch's shape, dropout and the optimisers.
    pub recipe: Recipe,
    /// Every parameter.
    pub params: Vec<TensorSpec>,
    /// Every buffer.
    pub buffers: Buffers,
    /// From token ids to nats; run alone for evaluation.
    pub forward: Vec<Op>,
    /// From the loss back to the parameters; where less is kept, with ops of the way forward between.
    pub backward: Vec<Op>,
    /// The buffer that holds each token's cross-entropy after the forward pass.
    pub nats: Rows,
    /// The streams after the last block, for tests of their divergence.
    pub streams: Rows,
    /// The normed input of the head.
    pub head_input: Rows,
    /// The parameter that is the head (the embedding table where tied).
    pub head: TensorId,
}
