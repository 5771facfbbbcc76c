//! The order of the forward pass. Nothing else in the workspace knows it.

use super::{Connection, ConnectionId, Forward, Hyper, Op, Quant, Rows, Stack, StackId};
use crate::config::{ModelConfig, StoredType};
use crate::metadata::ROPE_DIVISORS;
use crate::tensors::{Init, Role, TensorId, TensorKind, TensorSpec};

/// Standard deviation of embeddings and ternary weights at the start.
const INIT_STD: f32 = 0.02;

impl Forward {
    /// The forward pass of a shape. Tensors, buffers and ops depend on nothing else.
    pub fn new(config: &ModelConfig) -> Forward {
        let mut b = Builder(Forward {
            config: config.clone(),
            tensors: Vec::new(),
            rope_divisors: None,
            stacks: Vec::new(),
            connections: Vec::new(),
            rows: Vec::new(),
            quants: Vec::new(),
            ops: Vec::new(),
        });
        let d = config.width;
        let embedding = b.table("token_embd.weight", config.embedding);
        let mut x = b.rows(&[config.streams * d]);
        b.op(Op::Embed { table: embedding, x });
        if config.rope_scaling.divisors {
            let shape = vec![config.rotary_dims() / 2];
            b.0.rope_divisors =
                Some(b.plain(ROPE_DIVISORS.into(), shape, Role::RopeDivisors, Init::Constant(1.0)));
        }
        for block in 0..config.blocks {
            x = b.sub_layer(block, "attn", x, |b, x| b.attention(block, x));
            x = b.sub_layer(block, "ffn", x, |b, x| b.feed_forward(block, x));
        }
        let gain = b.plain("output_norm.weight".into(), vec![d], Role::Gain, Init::Constant(output_gain(d)));
        let table = if config.tied { embedding } else { b.table("output.weight", config.head) };
        let y = b.rows(&[d]);
        b.op(Op::FinalNorm { x, gain, y });
        b.op(Op::Head { table, y });
        b.0
    }
}

/// Start of the output norm's gain. While the streams still hold little but the embedding, a tied head answers a token with itself:
/// its own logit is `gain * INIT_STD * width`, which this keeps at 2, so that the first loss is ln(vocabulary) even for bytes.
fn output_gain(width: usize) -> f32 {
    (2.0 / (INIT_STD * width as f32)).min(1.0)
}

/// A forward pass under construction.
struct Builder(Forward);

impl Builder {
    /// A sub-layer between its read from the streams and its write to them.
    fn sub_layer(
        &mut self,
        block: usize,
        kind: &str,
        x: Rows,
        inside: impl FnOnce(&mut Builder, Rows) -> Rows,
    ) -> Rows {
        let (streams, width) = (self.0.config.streams, self.0.config.width);
        let connection = self.connection(format!("blk.{block}.hc_{kind}"));
        let y = self.rows(&[width]);
        self.op(Op::HyperRead { connection, x, y });
        let f = inside(self, y);
        let out = self.rows(&[streams * width]);
        self.op(Op::HyperWrite { connection, x, f, out });
        out
    }

    fn attention(&mut self, block: usize, x: Rows) -> Rows {
        let c = &self.0.config;
        let (q_width, kv_width, head_dim) = (c.q_width(), c.kv_width(), c.head_dim);
        let (qk_norm, sub_norm) = (c.qk_norm, c.attn_sub_norm);
        let q = self.norm_quantise(x, Some(format!("blk.{block}.attn_norm.weight")));
        let parts = ["attn_q", "attn_k", "attn_v"].into_iter().zip([q_width, kv_width, kv_width]);
        let matrices = self.matrices(block, parts, q, INIT_STD);
        let qkv = self.bit_linear(q, matrices);
        let mut head_gain = |part: &str| {
            let name = format!("blk.{block}.{part}.weight");
            qk_norm.then(|| self.plain(name, vec![head_dim], Role::HeadGain, Init::Constant(1.0)))
        };
        let (q_gain, k_gain) = (head_gain("attn_q_norm"), head_gain("attn_k_norm"));
        self.op(Op::NormRope { qkv, q_gain, k_gain });
        self.op(Op::Store { block, qkv });
        let mixed = self.rows(&[q_width]);
        self.op(Op::Attention { block, qkv, out: mixed });
        let q = self.norm_quantise(mixed, sub_norm.then(|| format!("blk.{block}.attn_sub_norm.weight")));
        self.output(block, "attn_output", q)
    }

    fn feed_forward(&mut self, block: usize, x: Rows) -> Rows {
        let c = &self.0.config;
        let (gated, ffn, sub_norm) = (c.activation.gated(), c.ffn, c.ffn_sub_norm);
        let q = self.norm_quantise(x, Some(format!("blk.{block}.ffn_norm.weight")));
        let parts = ["ffn_gate", "ffn_up"].into_iter().skip(usize::from(!gated));
        let mut matrices = self.matrices(block, parts.map(|part| (part, ffn)), q, INIT_STD);
        // Up lies first, where it is found whether or not there is a gate.
        matrices.reverse();
        let up_gate = self.bit_linear(q, matrices);
        let hidden = self.rows(&[ffn]);
        self.op(Op::Activation { up_gate, out: hidden });
        let q = self.norm_quantise(hidden, sub_norm.then(|| format!("blk.{block}.ffn_sub_norm.weight")));
        self.output(block, "ffn_down", q)
    }

    /// The product that ends a sub-layer. Its weights start smaller with depth, so that the streams start tame.
    fn output(&mut self, block: usize, part: &str, q: Quant) -> Rows {
        let (width, blocks) = (self.0.config.width, self.0.config.blocks);
        let matrices = self.matrices(block, [(part, width)], q, INIT_STD / (2.0 * blocks as f32).sqrt());
        self.bit_linear(q, matrices)
    }

    fn norm_quantise(&mut self, x: Rows, norm: Option<String>) -> Quant {
        let width = self.0.width(x);
        let gain = norm.map(|name| self.plain(name, vec![width], Role::Gain, Init::Constant(1.0)));
        self.0.quants.push(width);
        let q = Quant(self.0.quants.len() - 1);
        self.op(Op::NormQuantise { x, gain, q });
        q
    }

    /// A product with matrices that stand already in the list of tensors, and with their biases.
    fn bit_linear(&mut self, q: Quant, matrices: Vec<(TensorId, Option<TensorId>)>) -> Rows {
        let (parts, biases): (Vec<_>, Vec<_>) = matrices.into_iter().unzip();
        let rows: Vec<usize> = parts.iter().map(|t| self.0.tensors[t.0].rows()).collect();
        let y = self.rows(&rows);
        let biased = biases.iter().any(Option::is_some);
        self.0.stacks.push(Stack { parts, rows, biases, cols: self.0.quants[q.0] });
        let stack = StackId(self.0.stacks.len() - 1);
        self.op(Op::BitLinear { q, stack, y });
        if biased {
            self.op(Op::Bias { stack, y });
        }
        y
    }

    /// Parameters of one connection: streams that start asymmetric, so that they diverge.
    fn connection(&mut self, name: String) -> ConnectionId {
        let (n, width) = (self.0.config.streams, self.0.config.width);
        let id = ConnectionId(self.0.connections.len());
        let outputs = [n, n, (1..=n).product()];
        let own = id.0 % n;
        let biases = [
            Init::OneHot { base: -1.0, at: own, value: 1.0 },
            Init::OneHot { base: -1.0, at: own, value: 1.0 },
            // The identity is the first permutation.
            Init::OneHot { base: -8.0, at: 0, value: 0.0 },
        ];
        let mut make = |part: usize, field: &str, shape: Vec<usize>, role: Role, init: Init| {
            self.plain(format!("{name}_{}.{field}", ["pre", "post", "res"][part]), shape, role, init)
        };
        let hyper = (n > 1).then(|| Hyper {
            weight: [0, 1, 2].map(|i| {
                let shape = vec![outputs[i], n * width];
                make(i, "weight", shape, Role::HyperWeight, Init::Constant(0.0))
            }),
            bias: [0, 1, 2].map(|i| make(i, "bias", vec![outputs[i]], Role::HyperBias, biases[i])),
            alpha: [0, 1, 2].map(|i| make(i, "alpha", vec![1], Role::HyperAlpha, Init::Constant(0.01))),
        });
        self.0.connections.push(Connection { name, hyper });
        id
    }

    fn op(&mut self, op: Op) {
        self.0.ops.push(op);
    }

    fn rows(&mut self, parts: &[usize]) -> Rows {
        self.0.rows.push(parts.to_vec());
        Rows(self.0.rows.len() - 1)
    }

    fn tensor(&mut self, name: String, shape: Vec<usize>, kind: TensorKind, init: Init) -> TensorId {
        self.0.tensors.push(TensorSpec { name, shape, kind, init });
        TensorId(self.0.tensors.len() - 1)
    }

    fn plain(&mut self, name: String, shape: Vec<usize>, role: Role, init: Init) -> TensorId {
        self.tensor(name, shape, TensorKind::Plain(role), init)
    }

    fn table(&mut self, name: &str, stored: StoredType) -> TensorId {
        let (rows, cols) = (self.0.config.vocab, self.0.config.width);
        let kind = TensorKind::Table { rows, cols, stored };
        self.tensor(name.to_owned(), vec![rows, cols], kind, Init::Normal(INIT_STD))
    }

    /// A block's matrices of some rows each, as wide as what they read, and their biases.
    fn matrices<'a>(
        &mut self,
        block: usize,
        parts: impl IntoIterator<Item = (&'a str, usize)>,
        q: Quant,
        std: f32,
    ) -> Vec<(TensorId, Option<TensorId>)> {
        let (cols, biases) = (self.0.quants[q.0], self.0.config.biases);
        let one = |(part, rows)| {
            let (name, kind) = (format!("blk.{block}.{part}.weight"), TensorKind::Ternary { rows, cols });
            let matrix = self.tensor(name, vec![rows, cols], kind, Init::Normal(std));
            let bias = biases.has(part).then(|| {
                self.plain(format!("blk.{block}.{part}.bias"), vec![rows], Role::Bias, Init::Constant(0.0))
            });
            (matrix, bias)
        };
        parts.into_iter().map(one).collect()
    }
}
