//! The ops of the forward pass.

use model::config::{Activation, RopeKind};
use train::program::Op;

use super::{Pass, Recorder};
use crate::driver::{Arg, Shape};
use crate::error::Result;
use crate::plan::Array;

/// Shared memory of a block that needs no asking, in bytes.
const SHARED: usize = 48 << 10;

/// What the kernels call the kinds of activation.
pub(super) fn activation(kind: Activation) -> i32 {
    match kind {
        Activation::SwiGlu => 0,
        Activation::Relu2 => 1,
        Activation::Relu2Gated => 2,
    }
}

impl Recorder<'_> {
    /// Tells the device an op of the forward pass.
    pub fn forward(&self, op: &Op, pass: &Pass) -> Result<()> {
        let c = &self.program.model;
        let (tokens, streams, eps) = (pass.tokens, c.streams, c.norm_eps);
        match *op {
            Op::Embed { table, scale, site, x } => {
                let width = self.width(x) / streams;
                let values = self.memory.rounded.at(self.table_at(table));
                let mut args = args_vec![values, self.ids(pass), self.words(), self.rows(x)];
                args.extend(args![tokens, width, streams, scale]);
                args.extend(self.mask(pass, site));
                self.run("embed", "embed", elementwise(tokens * width), &args)
            }
            // One stream: it is what is read.
            Op::HyperRead { connection: None, .. } => Ok(()),
            Op::HyperRead { connection: Some(c), x, y } => {
                let width = self.width(y);
                let mut args = args_vec![self.rows(x)];
                args.extend(self.hyper(&c.weights));
                args.extend(args![self.coefs(c.coefs), self.rows(y)]);
                args.extend(args![tokens, width, streams, eps]);
                let shared = if streams == 2 { 17_408 } else { 43_520 };
                self.run("hyper", "hyper_read", warp_per_token(tokens).shared(shared), &args)
            }
            Op::HyperWrite { x, coefs, f, site, out } => {
                let width = self.width(f);
                let (x, f, out) = (self.rows(x), self.rows(f), self.rows(out));
                let (mut args, name, module) = match coefs {
                    None => (
                        args_vec![x, f, self.words(), out, tokens, width],
                        "residual_write",
                        self.plan.precision.module("residual"),
                    ),
                    Some(coefs) => {
                        let coefs = self.coefs(coefs);
                        let args = args_vec![x, coefs, f, self.words(), out, tokens, width, streams];
                        (args, "hyper_write", "hyper".to_owned())
                    }
                };
                args.extend(self.mask(pass, site));
                self.run(&module, name, elementwise(tokens * width), &args)
            }
            Op::NormQuantise { x, gain, q, inv_rms } => {
                let args = args![
                    self.rows(x),
                    self.gain(gain),
                    self.array(Array::Codes(q)),
                    self.array(Array::Scale(q)),
                    self.array(Array::Dequantised(q)),
                    self.rows_of(gain, inv_rms),
                    tokens,
                    self.width(x),
                    eps,
                ];
                self.run_here("norm", "norm_quantise", warp_per_row(tokens, self.width(x)), &args)
            }
            Op::BitLinear { q, weight, y } => self.linear(pass, q, weight, y),
            Op::NormRope { x, gain, head_dim, kind, store_f16, y, inv_rms } => {
                let heads = self.width(x) / head_dim;
                let args = args![
                    self.rows(x),
                    self.gain(gain),
                    self.memory.cos.arg(),
                    self.memory.sin.arg(),
                    self.rows(y),
                    self.rows_of(gain, inv_rms),
                    tokens,
                    heads,
                    head_dim,
                    self.plan.seq,
                    eps,
                    interleaved(kind),
                    store_f16,
                ];
                self.run_here("rope", "norm_rope", per_head(tokens, heads), &args)
            }
            Op::Store { x } => {
                let values = tokens * self.width(x);
                let args = args![self.rows(x), values as u64];
                self.run_here("rope", "store_f16", elementwise(values), &args)
            }
            Op::Attention { heads, kv_heads, head_dim, q, k, v, out, lse } => {
                let args = args![self.rows(q), self.rows(k), self.rows(v), self.rows(out), self.rows(lse),];
                self.attention(Attention::Outputs, pass, &args, &Heads { heads, kv_heads, head_dim })
            }
            Op::Activation { kind, gate, up, out } => {
                let values = tokens * self.width(up);
                let args = args![
                    gate.map_or(Arg::NULL, |g| self.rows(g)),
                    self.rows(up),
                    self.rows(out),
                    values as u64,
                    activation(kind),
                ];
                self.run_here("activation", "activation", elementwise(values), &args)
            }
            Op::FinalNorm { x, gain, h, y, inv_rms } => {
                let operand = if self.is_exact() { Arg::NULL } else { self.memory.head.y.arg() };
                let args = args![
                    self.rows(x),
                    self.plain(gain),
                    self.rows(h),
                    self.rows(y),
                    operand,
                    self.rows(inv_rms),
                    tokens,
                    self.width(h),
                    streams,
                    eps,
                    c.head_int8,
                ];
                self.run_here("norm", "final_norm", warp_per_row(tokens, self.width(h)), &args)
            }
            Op::CrossEntropy { table, y, d_y, .. } => self.cross_entropy(pass, table, y, d_y),
            _ => unreachable!("{op:?} is not a forward op"),
        }
    }

    /// The nine parameters of a connection.
    pub(super) fn hyper(&self, h: &model::forward::Hyper) -> impl Iterator<Item = Arg> {
        h.weight.into_iter().chain(h.bias).chain(h.alpha).map(|p| self.plain(p))
    }

    /// A kernel of attention, whose blocks own 64 queries of a head each, or 64 keys; in f32 one.
    pub(super) fn attention(
        &self,
        kind: Attention,
        pass: &Pass,
        arrays: &[Arg],
        heads: &Heads,
    ) -> Result<()> {
        let (name, seq) = (kind.name(), self.plan.seq);
        let &Heads { heads, kv_heads, head_dim } = heads;
        let owners = if kind == Attention::KeysAndValues { kv_heads } else { heads };
        let scale = 1.0 / (head_dim as f32).sqrt();
        let counts = args![pass.sequences, seq, heads, kv_heads];
        let blocks = |of: usize| [owners, pass.sequences, seq.div_ceil(of)];
        if self.is_exact() {
            let args = [arrays, &counts, &args![head_dim, scale]].concat();
            let shape = Shape { blocks: blocks(1), threads: 128, shared: 0 };
            return self.run("attention_f32", &format!("{name}_f32"), shape, &args);
        }
        let args = [arrays, &counts, &args![scale]].concat();
        let shape = Shape { blocks: blocks(64), threads: 128, shared: kind.shared(head_dim) };
        self.run(name, &format!("{name}_{head_dim}"), shape, &args)
    }
}

/// The heads of an attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
}

/// What a kernel of attention computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    Outputs,
    /// The gradient of queries.
    Queries,
    /// The gradients of keys and values.
    KeysAndValues,
}

impl Attention {
    fn name(self) -> &'static str {
        match self {
            Attention::Outputs => "attention",
            Attention::Queries => "attention_dq",
            Attention::KeysAndValues => "attention_dkv",
        }
    }

    /// Bytes of dynamic shared memory, for heads of 32, 64, 96 and 128.
    fn shared(self, head_dim: usize) -> usize {
        let of = match self {
            Attention::Outputs => [16_384, 16_384, 24_576, 32_768],
            Attention::Queries => [24_576, 24_576, 36_864, 32_768],
            Attention::KeysAndValues => [25_600, 25_088, 61_952, 57_600],
        };
        of[head_dim / 32 - 1]
    }
}

pub(super) fn interleaved(kind: RopeKind) -> Arg {
    matches!(kind, RopeKind::Interleaved).into()
}

/// Eight threads for each head of each token.
pub(super) fn per_head(tokens: usize, heads: usize) -> Shape {
    Shape::line((tokens * heads).div_ceil(32), 256)
}

/// A warp for each token.
pub(super) fn warp_per_token(tokens: usize) -> Shape {
    Shape::line(tokens.div_ceil(8), 256)
}

/// A warp for each token, whose row lies in shared memory.
fn warp_per_row(tokens: usize, width: usize) -> Shape {
    let warps = (SHARED / (4 * width)).clamp(1, 8);
    Shape::line(tokens.div_ceil(warps), 32 * warps).shared(4 * width * warps)
}

/// Four values a thread.
pub(super) fn elementwise(values: usize) -> Shape {
    Shape::line(values.div_ceil(1024), 256)
}
