//! A few consecutive tokens on their way through the model, and every buffer they need. The order of ops is that of the
//! trainer's forward, and the ops are the same, so that a served logit is a trained one.
//!
//! A lane runs on one thread; when it holds a single token it may instead spread each product over the
//! rows of a matrix and attention over heads ([`Spread`]). No result depends on either choice.

use std::sync::{Mutex, PoisonError};

use crate::kv_cache::KvCache;
use crate::model::Model;
use crate::weights::{Block, Hyper, Table};
use cpu::ops::{HyperCoefficients, HyperWeights, RopeTable};
use cpu::{Kernels, Pool, ROW_BLOCK, TernaryMatrix};
use model::config::ModelConfig;

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

/// Tokens in flight.
#[derive(Debug)]
pub struct Lane {
    /// Tokens.
    n: usize,
    /// Position of the first.
    first: usize,
    /// Streams, (n, streams, d), and where a sub-layer leaves them.
    x: Vec<f32>,
    x_next: Vec<f32>,
    coefficients: Vec<HyperCoefficients>,
    /// Input of a sub-layer, (n, d), then its output.
    h: Vec<f32>,
    /// One normed row.
    row: Vec<f32>,
    /// Quantised rows and their scales.
    q8: Vec<i8>,
    a: Vec<f32>,
    /// Queries, keys and values, (n, H hd + 2 K hd).
    qkv: Vec<f32>,
    /// Attention's output, (n, H hd).
    mixed: Vec<f32>,
    /// Gate, if any, and up, (n, 2 F or F).
    gate_up: Vec<f32>,
    /// What down reads, (n, F).
    hidden: Vec<f32>,
    scores: Vec<f32>,
}

impl Lane {
    /// An empty lane; buffers grow to what they are used for.
    pub fn new() -> Self {
        Lane {
            n: 0,
            first: 0,
            x: Vec::new(),
            x_next: Vec::new(),
            coefficients: Vec::new(),
            h: Vec::new(),
            row: Vec::new(),
            q8: Vec::new(),
            a: Vec::new(),
            qkv: Vec::new(),
            mixed: Vec::new(),
            gate_up: Vec::new(),
            hidden: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// Tokens in this lane.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Embeds `tokens`, the first of which stands at position `first`.
    pub fn start(&mut self, model: &Model, tokens: &[u32], first: usize) {
        let c = model.config();
        let n = tokens.len();
        (self.n, self.first) = (n, first);
        let wide = c.streams * c.width;
        for (buffer, width) in [
            (&mut self.x, wide),
            (&mut self.x_next, wide),
            (&mut self.h, c.width),
            (&mut self.qkv, qkv_width(c)),
            (&mut self.mixed, c.q_width()),
            (&mut self.gate_up, gate_up_width(c)),
            (&mut self.hidden, c.ffn),
            (&mut self.a, 1),
        ] {
            buffer.resize(n * width, 0.0);
        }
        self.coefficients.resize(n, HyperCoefficients::default());
        let table = &model.weights().embedding;
        for (x, &id) in self.x.chunks_exact_mut(wide).zip(tokens) {
            let (stream, copies) = x.split_at_mut(c.width);
            table.unpack_row(model.kernels(), id as usize, stream);
            stream.iter_mut().for_each(|v| *v *= c.embedding_scale);
            copies.chunks_exact_mut(c.width).for_each(|copy| copy.copy_from_slice(stream));
        }
    }

    /// Attention up to queries, keys and values, normed and rotated.
    pub fn attention_in(&mut self, model: &Model, b: usize, rope: &RopeTable, spread: Option<Spread<'_>>) {
        let (c, kn, block) = (model.config(), model.kernels(), &model.weights().blocks[b]);
        self.read(c, kn, block.hc_attn.as_ref());
        norm_quantise(
            kn,
            c,
            &self.h,
            c.width,
            Some(&block.attn_norm),
            &mut self.row,
            &mut self.q8,
            &mut self.a,
        );
        product(kn, &block.qkv, &self.q8, &self.a, &mut self.qkv, spread);
        self.row.resize(c.head_dim, 0.0);
        for (t, qkv) in self.qkv.chunks_exact_mut(qkv_width(c)).enumerate() {
            let (cos, sin) = rope.at(self.first + t);
            let (q, kv) = qkv.split_at_mut(c.q_width());
            for (heads, gain) in [(q, &block.q_norm), (&mut kv[..c.kv_width()], &block.k_norm)] {
                if let Some(gain) = gain {
                    for head in heads.chunks_exact_mut(c.head_dim) {
                        kn.rms_norm(head, Some(gain), c.norm_eps, &mut self.row);
                        head.copy_from_slice(&self.row);
                    }
                }
                kn.rope(heads, cos, sin, c.rope);
            }
        }
    }

    /// Hands the keys and values of [`attention_in`](Self::attention_in) to the cache.
    pub fn store(&self, b: usize, model: &Model, cache: &mut KvCache) {
        cache.store(model.kernels(), b, self.first, &self.qkv, qkv_width(model.config()));
    }

    /// The rest of block `b`: attention over the cache, its projection, and the feed-forward network.
    pub fn finish_block(&mut self, model: &Model, b: usize, cache: &KvCache, spread: Option<Spread<'_>>) {
        let (c, kn, block) = (model.config(), model.kernels(), &model.weights().blocks[b]);
        self.attend(c, kn, b, cache, spread);
        let gain = block.attn_sub_norm.as_deref();
        norm_quantise(kn, c, &self.mixed, c.q_width(), gain, &mut self.row, &mut self.q8, &mut self.a);
        product(kn, &block.o, &self.q8, &self.a, &mut self.h, spread);
        self.write(c, kn);
        self.feed_forward(c, kn, block, spread);
    }

    fn attend(
        &mut self,
        c: &ModelConfig,
        kn: &Kernels,
        b: usize,
        cache: &KvCache,
        spread: Option<Spread<'_>>,
    ) {
        let (group, n) = (c.heads / c.kv_heads, self.n);
        let (qkv, first, q_stride) = (&self.qkv, self.first, qkv_width(c));
        // The query heads that share key-value head `kv`, into `out` whose rows are `stride` long.
        let attend = |kv: usize, out: &mut [f32], stride: usize, scores: &mut Vec<f32>| {
            let head = cache.head(b, kv);
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
                pool.chunks_mut(&mut self.mixed, width, |kv, out| {
                    attend(kv, out, width, &mut scratch[kv].lock().unwrap_or_else(PoisonError::into_inner));
                });
            }
            _ => {
                for kv in 0..c.kv_heads {
                    attend(kv, &mut self.mixed[kv * width..], c.q_width(), &mut self.scores);
                }
            }
        }
    }

    fn feed_forward(&mut self, c: &ModelConfig, kn: &Kernels, block: &Block, spread: Option<Spread<'_>>) {
        self.read(c, kn, block.hc_ffn.as_ref());
        norm_quantise(
            kn,
            c,
            &self.h,
            c.width,
            Some(&block.ffn_norm),
            &mut self.row,
            &mut self.q8,
            &mut self.a,
        );
        product(kn, &block.gate_up, &self.q8, &self.a, &mut self.gate_up, spread);
        for (gate_up, hidden) in
            self.gate_up.chunks_exact(gate_up_width(c)).zip(self.hidden.chunks_exact_mut(c.ffn))
        {
            let (gate, up) = gate_up.split_at(gate_up.len() - c.ffn);
            kn.activation(c.activation, gate, up, hidden);
        }
        let gain = block.ffn_sub_norm.as_deref();
        norm_quantise(kn, c, &self.hidden, c.ffn, gain, &mut self.row, &mut self.q8, &mut self.a);
        product(kn, &block.down, &self.q8, &self.a, &mut self.h, spread);
        self.write(c, kn);
    }

    /// A sub-layer's input from the streams. One stream is the ordinary residual, whose coefficients are all one.
    fn read(&mut self, c: &ModelConfig, kn: &Kernels, hyper: Option<&Hyper>) {
        let weights: Option<HyperWeights<'_>> = hyper.map(|h| h.weights(c));
        let tokens = self.x.chunks_exact(c.streams * c.width).zip(self.h.chunks_exact_mut(c.width));
        for ((x, h), coefficients) in tokens.zip(&mut self.coefficients) {
            match &weights {
                Some(w) => {
                    kn.hyper_coefficients(w, x, coefficients);
                    kn.hyper_read(coefficients, x, h);
                }
                None => {
                    coefficients.streams = 1;
                    (coefficients.pre[0], coefficients.post[0], coefficients.mix[0]) = (1.0, 1.0, 1.0);
                    h.copy_from_slice(x);
                }
            }
        }
    }

    /// The streams after a sub-layer whose output is in `h`.
    fn write(&mut self, c: &ModelConfig, kn: &Kernels) {
        let wide = c.streams * c.width;
        let tokens = self.x.chunks_exact(wide).zip(self.x_next.chunks_exact_mut(wide));
        for ((x, out), (h, coefficients)) in tokens.zip(self.h.chunks_exact(c.width).zip(&self.coefficients))
        {
            kn.hyper_write(coefficients, x, h, out);
        }
        std::mem::swap(&mut self.x, &mut self.x_next);
    }

    /// Sums the streams and norms them, ready for [`head`](Self::head).
    pub fn final_norm(&mut self, model: &Model) {
        let (c, kn) = (model.config(), model.kernels());
        self.row.resize(c.width, 0.0);
        for (x, h) in self.x.chunks_exact(c.streams * c.width).zip(self.h.chunks_exact_mut(c.width)) {
            self.row.copy_from_slice(&x[..c.width]);
            for stream in x[c.width..].chunks_exact(c.width) {
                kn.add_scaled(1.0, stream, &mut self.row);
            }
            kn.rms_norm(&self.row, Some(&model.weights().output_norm), c.norm_eps, h);
        }
    }

    /// Logits of the last `count` tokens into `logits` (count x vocab).
    pub fn head(&mut self, model: &Model, count: usize, logits: &mut [f32], spread: Option<Spread<'_>>) {
        let (c, kn, w) = (model.config(), model.kernels(), model.weights());
        let hidden = &self.h[(self.n - count) * c.width..self.n * c.width];
        assert_eq!(logits.len(), count * c.vocab);
        if !c.head_int8 {
            let product = |first: usize, rows: usize, y: &mut [f32]| {
                let w = w.head_table().rows(first..first + rows, c.width);
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
        match w.head_table() {
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

fn qkv_width(c: &ModelConfig) -> usize {
    c.q_width() + 2 * c.kv_width()
}

fn gate_up_width(c: &ModelConfig) -> usize {
    if c.activation.gated() { 2 * c.ffn } else { c.ffn }
}
