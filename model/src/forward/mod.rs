//! The forward pass as data: every op with its operands, from token ids to logits, in the one order that there is. The CPU's lanes,
//! the plan of a GPU and the trainer's program all read this list; what an op computes is theirs, and `reference` says what it must be.
//!
//! A list depends on a shape alone, so it is made once for a model. [`build`] is the only place that knows the order.

mod build;
mod slots;
#[cfg(test)]
mod tests;

pub use slots::Slots;

use formats::gguf::Gguf;

use crate::config::ModelConfig;
use crate::error::Result;
use crate::tensors::{TensorId, TensorSpec};
use crate::unread;

/// A buffer of f32 rows, one row a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rows(pub usize);

/// A buffer of rows as ternary products read them: int8, with a scale for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quant(pub usize);

/// Ternary matrices on top of each other that read the same rows, by their place in [`Forward::stacks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StackId(pub usize);

/// The way into and out of a sub-layer, by its place in [`Forward::connections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub usize);

/// One step of the forward pass. Constants that hold for the whole model (epsilon, rope, activation, scale) are in its config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `x[stream] = embedding_scale * table[token]` for every stream.
    Embed {
        /// (vocabulary, width).
        table: TensorId,
        /// (streams, width) a token.
        x: Rows,
    },
    /// The connection's coefficients from the streams, and `y = sum_i pre_i x_i`; with one stream `y = x`.
    HyperRead {
        /// Which.
        connection: ConnectionId,
        /// (streams, width) a token.
        x: Rows,
        /// (width) a token.
        y: Rows,
    },
    /// `q = quantise(rms_norm(x) * gain)`, or `quantise(x)` without a gain.
    NormQuantise {
        /// What is read.
        x: Rows,
        /// Of the norm.
        gain: Option<TensorId>,
        /// As wide as `x`.
        q: Quant,
    },
    /// `y = W q`, a ternary product with each matrix of a stack: a part of `y` each.
    BitLinear {
        /// What is read.
        q: Quant,
        /// The matrices.
        stack: StackId,
        /// Their outputs, side by side.
        y: Rows,
    },
    /// Adds to a product, where they are, the biases of a stack's matrices.
    Bias {
        /// The matrices.
        stack: StackId,
        /// Their outputs, side by side.
        y: Rows,
    },
    /// RMS norm (where there is a gain) and rotation by position of every query and key head, in place.
    NormRope {
        /// Queries, keys and values, its three parts.
        qkv: Rows,
        /// (head_dim).
        q_gain: Option<TensorId>,
        /// (head_dim).
        k_gain: Option<TensorId>,
    },
    /// Rounds keys and values to f16 and keeps them for the tokens to come. Every token of a pass must have got here before any goes on.
    Store {
        /// Which of the blocks.
        block: usize,
        /// Queries, keys and values, its three parts.
        qkv: Rows,
    },
    /// Causal grouped-query attention over the keys and values stored so far.
    Attention {
        /// Which of the blocks.
        block: usize,
        /// Queries, keys and values, its three parts.
        qkv: Rows,
        /// All query heads.
        out: Rows,
    },
    /// The feed-forward non-linearity.
    Activation {
        /// Its parts: up, and the gate where there is one.
        up_gate: Rows,
        /// (ffn) a token.
        out: Rows,
    },
    /// `out = R x + post (outer) f` with the coefficients of the read; with one stream `out = x + f`.
    HyperWrite {
        /// Which.
        connection: ConnectionId,
        /// The streams that the read saw.
        x: Rows,
        /// The sub-layer's output.
        f: Rows,
        /// The streams after it.
        out: Rows,
    },
    /// `y = rms_norm(sum of streams) * gain`.
    FinalNorm {
        /// (streams, width) a token.
        x: Rows,
        /// (width).
        gain: TensorId,
        /// (width) a token.
        y: Rows,
    },
    /// `logits = table y`; `y` is quantised first where the config says so.
    Head {
        /// (vocabulary, width).
        table: TensorId,
        /// (width) a token.
        y: Rows,
    },
}

/// Ternary matrices on top of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The matrices, top to bottom.
    pub parts: Vec<TensorId>,
    /// Rows of each.
    pub rows: Vec<usize>,
    /// What is added to the outputs of each.
    pub biases: Vec<Option<TensorId>>,
    /// Columns of all.
    pub cols: usize,
}

/// The streams around one sub-layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// What its tensors' names begin with, `blk.0.hc_attn` say.
    pub name: String,
    /// Its parameters; `None` with one stream, the ordinary residual.
    pub hyper: Option<Hyper>,
}

/// Parameters of a hyper-connection, for pre, post and res in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hyper {
    /// `W`, (outputs, streams * width).
    pub weight: [TensorId; 3],
    /// `b`, (outputs).
    pub bias: [TensorId; 3],
    /// `a`, one value.
    pub alpha: [TensorId; 3],
}

/// A model's forward pass: its tensors, its buffers and the ops over them.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// The shape that it is of.
    pub config: ModelConfig,
    /// Every tensor, in the order in which the pass meets them.
    pub tensors: Vec<TensorSpec>,
    /// What divides the speed of each rotary pair, (rotary dimensions / 2).
    pub rope_divisors: Option<TensorId>,
    /// What products read.
    pub stacks: Vec<Stack>,
    /// Two for each block.
    pub connections: Vec<Connection>,
    /// Widths of the parts of each f32 buffer; most have one.
    pub rows: Vec<Vec<usize>>,
    /// Width of each quantised buffer.
    pub quants: Vec<usize>,
    /// From token ids to logits.
    pub ops: Vec<Op>,
}

impl Forward {
    /// The forward pass of the model in a file.
    ///
    /// # Errors
    /// As [`ModelConfig::from_gguf`], and a tensor that would not be read.
    pub fn from_gguf(gguf: &Gguf) -> Result<Forward> {
        let forward = Forward::new(&ModelConfig::from_gguf(gguf)?);
        unread::check_tensors(gguf, &forward)?;
        Ok(forward)
    }

    /// The table that the head reads.
    pub fn head_table(&self) -> TensorId {
        match self.ops.last() {
            Some(Op::Head { table, .. }) => *table,
            _ => unreachable!("a forward pass ends with its head"),
        }
    }

    /// Values a token of a buffer.
    pub fn width(&self, rows: Rows) -> usize {
        self.rows[rows.0].iter().sum()
    }
}

impl Op {
    /// The buffers that it reads and the one that it writes, or changes in place.
    pub fn operands(&self) -> (Vec<Rows>, Option<Rows>) {
        match *self {
            Op::Embed { x, .. } => (vec![], Some(x)),
            Op::HyperRead { x, y, .. } | Op::FinalNorm { x, y, .. } => (vec![x], Some(y)),
            Op::NormQuantise { x, .. } => (vec![x], None),
            Op::BitLinear { y, .. } => (vec![], Some(y)),
            Op::Bias { y, .. } => (vec![y], Some(y)),
            Op::NormRope { qkv, .. } => (vec![qkv], Some(qkv)),
            Op::Store { qkv, .. } => (vec![qkv], None),
            Op::Attention { qkv, out, .. } => (vec![qkv], Some(out)),
            Op::Activation { up_gate, out } => (vec![up_gate], Some(out)),
            Op::HyperWrite { x, f, out, .. } => (vec![x, f], Some(out)),
            Op::Head { y, .. } => (vec![y], None),
        }
    }
}
