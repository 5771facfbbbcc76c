//! A few consecutive tokens on their way through the model, and every buffer they need. Which ops it runs, in which order,
//! is `model::forward`'s business; the trainer runs the same, so that a served logit is a trained one.
//!
//! A lane runs on one thread; when it holds a single token it may instead spread each product over the
//! rows of a matrix and attention over heads ([`Spread`]). No result depends on either choice.

use std::sync::{Mutex, PoisonError};

use crate::kv_cache::KvCache;
use crate::model::Model;
use crate::weights::Table;
use cpu::ops::{HyperCoefficients, HyperWeights, RopeTable};
use cpu::{Kernels, Pool, ROW_BLOCK, TernaryMatrix};
use model::config::ModelConfig;
use model::forward::{Op, Rows};

/// Most tokens of a lane: enough to pay for unpacking weights and cached keys once for all of them.
pub const LANE_TOKENS: usize = 64;

/// Attention over fewer numbers, keys x width of all query heads, is not worth handing out: these take about 1 us.
const SPREAD_MIN_ATTENTION: usize = 1 << 14;

/// The threads that a single token may use.
#[derive(Clone, Copy)]
pub struct Spread<'a> {
    /// The workers.
    pub pool: &'a Pool,
    /// Room for attention scores, one for each key-value head.
    pub scratch: &'a [Mutex<Vec<f32>>],
}

/// What the ops of a lane read beside it.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Weights and kernels.
    pub model: &'a Model,
    /// Keys and values of all tokens so far.
    pub cache: &'a KvCache,
    /// Angles of all positions so far.
    pub rope: &'a RopeTable,
    /// The threads, if the lane is alone.
    pub spread: Option<Spread<'a>>,
}

/// Tokens in flight.
#[derive(Debug)]
pub struct Lane {
    tokens: Vec<u32>,
    /// Position of the first.
    first: usize,
    /// The pass's buffers, (tokens, width of the slot).
    slots: Vec<Vec<f32>>,
    /// Of the sub-layer that is being run.
    coefficients: Vec<HyperCoefficients>,
    /// One normed row.
    row: Vec<f32>,
    /// Quantised rows and their scales.
    q8: Vec<i8>,
    a: Vec<f32>,
    scores: Vec<f32>,
}

impl Lane {
    /// An empty lane; buffers grow to what they are used for.
    pub fn new() -> Self {
        Lane {
            tokens: Vec::new(),
            first: 0,
            slots: Vec::new(),
            coefficients: Vec::new(),
            row: Vec::new(),
            q8: Vec::new(),
            a: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// Tokens in this lane.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Takes `tokens`, the first of which stands at position `first`.
    pub fn start(&mut self, model: &Model, tokens: &[u32], first: usize) {
        self.tokens.clear();
        self.tokens.extend_from_slice(tokens);
        self.first = first;
        let widths = model.slots().widths();
        self.slots.resize_with(widths.len(), Vec::new);
        for (slot, width) in self.slots.iter_mut().zip(widths) {
            slot.resize(tokens.len() * width, 0.0);
        }
        self.coefficients.resize(tokens.len(), HyperCoefficients::default());
    }

    /// Runs ops over all tokens, up to where keys and values are stored, which is [`store`](Self::store)'s, or up to the head, which is
    /// [`head`](Self::head)'s; without what is for logits alone, unless they are wanted.
    pub fn run(&mut self, ops: &[Op], logits: bool, around: Around<'_>) {
        for op in ops {
            match op {
                Op::Store { .. } | Op::Head { .. } => {}
                Op::FinalNorm { .. } if !logits => {}
                op => self.run_one(op, around),
            }
        }
    }

    fn run_one(&mut self, op: &Op, around: Around<'_>) {
        let Around { model, spread, .. } = around;
        let (c, kn, w) = (model.config(), model.kernels(), model.weights());
        match *op {
            Op::Embed { table, x } => {
                let (table, wide) = (w.table(table), c.streams * c.width);
                let x = &mut self.slots[model.slots().of(x)];
                for (x, &id) in x.chunks_exact_mut(wide).zip(&self.tokens) {
                    let (stream, copies) = x.split_at_mut(c.width);
                    table.unpack_row(kn, id as usize, stream);
                    stream.iter_mut().for_each(|v| *v *= c.embedding_scale);
                    copies.chunks_exact_mut(c.width).for_each(|copy| copy.copy_from_slice(stream));
                }
            }
            Op::Read { connection, x, y } => {
                let hyper = model.forward().connections[connection.0].hyper.map(|h| w.hyper(c, &h));
                let (coefficients, [x, y]) = (&mut self.coefficients, pair(&mut self.slots, model, x, y));
                read(c, kn, hyper, x, coefficients, y);
            }
            Op::NormQuantise { x, gain, .. } => {
                let x = &self.slots[model.slots().of(x)];
                let gain = gain.map(|gain| w.plain(gain));
                norm_quantise(
                    kn,
                    c,
                    x,
                    x.len() / self.tokens.len(),
                    gain,
                    &mut self.row,
                    &mut self.q8,
                    &mut self.a,
                );
            }
            Op::Project { stack, y, .. } => {
                let y = &mut self.slots[model.slots().of(y)];
                product(kn, w.stack(stack), &self.q8, &self.a, y, spread);
            }
            Op::NormRope { qkv, q_gain, k_gain } => {
                self.norm_rope(around, qkv, q_gain.map(|g| w.plain(g)), k_gain.map(|g| w.plain(g)));
            }
            Op::Attention { block, qkv, out } => self.attention(around, block, qkv, out),
            Op::Activation { up_gate, out } => {
                let [up_gate, out] = pair(&mut self.slots, model, up_gate, out);
                let width = up_gate.len() / self.tokens.len();
                for (up_gate, out) in up_gate.chunks_exact(width).zip(out.chunks_exact_mut(c.ffn)) {
                    let (up, gate) = up_gate.split_at(c.ffn);
                    kn.activation(c.activation, gate, up, out);
                }
            }
            Op::Write { x, f, out, .. } => {
                let of = |rows| model.slots().of(rows);
                let [x, f, out] = self
                    .slots
                    .get_disjoint_mut([of(x), of(f), of(out)])
                    .expect("what an op reads and writes is never shared");
                let wide = c.streams * c.width;
                let tokens =
                    x.chunks_exact(wide).zip(f.chunks_exact(c.width)).zip(out.chunks_exact_mut(wide));
                for (((x, f), out), coefficients) in tokens.zip(&self.coefficients) {
                    kn.hyper_write(coefficients, x, f, out);
                }
            }
            Op::FinalNorm { x, gain, y } => {
                let (row, gain) = (&mut self.row, w.plain(gain));
                row.resize(c.width, 0.0);
                let [x, y] = pair(&mut self.slots, model, x, y);
                for (x, y) in x.chunks_exact(c.streams * c.width).zip(y.chunks_exact_mut(c.width)) {
                    row.copy_from_slice(&x[..c.width]);
                    for stream in x[c.width..].chunks_exact(c.width) {
                        kn.add_scaled(1.0, stream, row);
                    }
                    kn.rms_norm(row, Some(gain), c.norm_eps, y);
                }
            }
            Op::Store { .. } | Op::Head { .. } => unreachable!("{op:?} is not run with the others"),
        }
    }

    /// Hands keys and values to the cache.
    pub fn store(&self, model: &Model, block: usize, qkv: Rows, cache: &mut KvCache) {
        let qkv_width = model.forward().width(qkv);
        cache.store(model.kernels(), block, self.first, &self.slots[model.slots().of(qkv)], qkv_width);
    }

    fn norm_rope(&mut self, around: Around<'_>, qkv: Rows, q_gain: Option<&[f32]>, k_gain: Option<&[f32]>) {
        let Around { model, rope, .. } = around;
        let (c, kn, row) = (model.config(), model.kernels(), &mut self.row);
        row.resize(c.head_dim, 0.0);
        let width = model.forward().width(qkv);
        let qkv = &mut self.slots[model.slots().of(qkv)];
        for (t, qkv) in qkv.chunks_exact_mut(width).enumerate() {
            let (cos, sin) = rope.at(self.first + t);
            let (q, kv) = qkv.split_at_mut(c.q_width());
            for (heads, gain) in [(q, q_gain), (&mut kv[..c.kv_width()], k_gain)] {
                if let Some(gain) = gain {
                    for head in heads.chunks_exact_mut(c.head_dim) {
                        kn.rms_norm(head, Some(gain), c.norm_eps, row);
                        head.copy_from_slice(row);
                    }
                }
                kn.rope(heads, cos, sin, c.rope);
            }
        }
    }

    fn attention(&mut self, around: Around<'_>, block: usize, qkv: Rows, out: Rows) {
        let Around { model, cache, spread, .. } = around;
        let (c, kn, q_stride) = (model.config(), model.kernels(), model.forward().width(qkv));
        let (group, n, first) = (c.heads / c.kv_heads, self.tokens.len(), self.first);
        let (scores, [qkv, mixed]) = (&mut self.scores, pair(&mut self.slots, model, qkv, out));
        // The query heads that share key-value head `kv`, into `out` whose rows are `stride` long.
        let attend = |kv: usize, out: &mut [f32], stride: usize, scores: &mut Vec<f32>| {
            let head = cache.head(block, kv);
            let k = head.k_transposed(first + n, c.head_dim);
            let v = head.v(first + n, c.head_dim);
            let scale = 1.0 / (c.head_dim as f32).sqrt();
            for i in 0..group {
                let q = &qkv[(kv * group + i) * c.head_dim..];
                let out = &mut out[i * c.head_dim..];
                kn.attention_f16(q, q_stride, first, n, k, v, c.head_dim, scale, out, stride, None, scores);
            }
        };
        let width = group * c.head_dim;
        match spread {
            Some(Spread { pool, scratch }) if n == 1 && (first + 1) * c.q_width() >= SPREAD_MIN_ATTENTION => {
                pool.chunks_mut(mixed, width, |kv, out| {
                    attend(kv, out, width, &mut scratch[kv].lock().unwrap_or_else(PoisonError::into_inner));
                });
            }
            _ => {
                for kv in 0..c.kv_heads {
                    attend(kv, &mut mixed[kv * width..], c.q_width(), scores);
                }
            }
        }
    }

    /// Logits of the last `count` tokens into `logits` (count x vocab).
    pub fn head(
        &mut self,
        model: &Model,
        op: &Op,
        count: usize,
        logits: &mut [f32],
        spread: Option<Spread<'_>>,
    ) {
        let Op::Head { table, y } = *op else { unreachable!("{op:?} is no head") };
        let (c, kn, table) = (model.config(), model.kernels(), model.weights().table(table));
        let n = self.tokens.len();
        let hidden = &self.slots[model.slots().of(y)][(n - count) * c.width..n * c.width];
        assert_eq!(logits.len(), count * c.vocab);
        if !c.head_int8 {
            let product = |first: usize, rows: usize, y: &mut [f32]| {
                let w = table.rows(first..first + rows, c.width);
                kn.head_products(w, c.width, hidden, y, rows, &mut Vec::new());
            };
            match spread {
                Some(Spread { pool, .. }) if count == 1 => {
                    pool.split_mut(logits, ROW_BLOCK, |first, y| product(first, y.len(), y));
                }
                _ => product(0, c.vocab, logits),
            }
            return;
        }
        self.q8.resize(count * c.width, 0);
        self.a.resize(count, 0.0);
        for ((x, q), a) in
            hidden.chunks_exact(c.width).zip(self.q8.chunks_exact_mut(c.width)).zip(&mut self.a)
        {
            *a = kn.quantise(x, q);
        }
        match table {
            Table::Ternary(m) => product(kn, m, &self.q8, &self.a, logits, spread),
            Table::Scaled { codes, scales, group } => {
                let (q8, a) = (&self.q8, &self.a);
                let product = |first: usize, rows: usize, t: usize, y: &mut [f32]| {
                    let (start, end) = (first * c.width, (first + rows) * c.width);
                    let (codes, scales) = (&codes[start..end], &scales[start / group..end / group]);
                    kn.head_products_int8(codes, scales, *group, &q8[t * c.width..][..c.width], a[t], y);
                };
                match spread {
                    Some(Spread { pool, .. }) if count == 1 => {
                        pool.split_mut(logits, ROW_BLOCK, |first, y| product(first, y.len(), 0, y));
                    }
                    _ => {
                        // A few rows at a time, which stay in the cache for all tokens.
                        for first in (0..c.vocab).step_by(ROW_BLOCK) {
                            let rows = ROW_BLOCK.min(c.vocab - first);
                            for t in 0..count {
                                product(first, rows, t, &mut logits[t * c.vocab + first..][..rows]);
                            }
                        }
                    }
                }
            }
            Table::F16(_) => unreachable!("validation refuses int8 activations with an F16 head"),
        }
    }
}

/// Two buffers, of which an op changes the second.
fn pair<'a>(slots: &'a mut [Vec<f32>], model: &Model, a: Rows, b: Rows) -> [&'a mut Vec<f32>; 2] {
    let at = [model.slots().of(a), model.slots().of(b)];
    slots.get_disjoint_mut(at).expect("what an op reads and writes is never shared")
}

/// A sub-layer's input from the streams. One stream is the ordinary residual, whose coefficients are all one.
fn read(
    c: &ModelConfig,
    kn: &Kernels,
    hyper: Option<HyperWeights<'_>>,
    x: &[f32],
    coefficients: &mut [HyperCoefficients],
    y: &mut [f32],
) {
    let tokens = x.chunks_exact(c.streams * c.width).zip(y.chunks_exact_mut(c.width));
    for ((x, y), coefficients) in tokens.zip(coefficients) {
        match &hyper {
            Some(w) => {
                kn.hyper_coefficients(w, x, coefficients);
                kn.hyper_read(coefficients, x, y);
            }
            None => {
                coefficients.streams = 1;
                (coefficients.pre[0], coefficients.post[0], coefficients.mix[0]) = (1.0, 1.0, 1.0);
                y.copy_from_slice(x);
            }
        }
    }
}

/// Norms each row of `x` (n x width) where there is a gain, and quantises it.
fn norm_quantise(
    kn: &Kernels,
    c: &ModelConfig,
    x: &[f32],
    width: usize,
    gain: Option<&[f32]>,
    row: &mut Vec<f32>,
    q8: &mut Vec<i8>,
    a: &mut Vec<f32>,
) {
    let n = x.len() / width;
    row.resize(width, 0.0);
    q8.resize(n * width, 0);
    a.resize(n, 0.0);
    for ((x, q), a) in x.chunks_exact(width).zip(q8.chunks_exact_mut(width)).zip(a) {
        *a = match gain {
            Some(gain) => {
                kn.rms_norm(x, Some(gain), c.norm_eps, row);
                kn.quantise(row, q)
            }
            None => kn.quantise(x, q),
        };
    }
}

/// Product of a matrix with quantised rows: `y` is n x rows.
fn product(kn: &Kernels, m: &TernaryMatrix, q8: &[i8], a: &[f32], y: &mut [f32], spread: Option<Spread<'_>>) {
    match (spread, a) {
        (Some(Spread { pool, .. }), &[a]) => pool.gemv_ternary(kn, m, q8, a, y),
        _ => kn.gemm_ternary(m, 0..m.rows(), q8, a, y, m.rows()),
    }
}
