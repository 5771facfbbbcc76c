//! The whole forward in f64: embedding, streams, blocks, head, loss. Ops are `ops`' and `hyper`'s, rounding is
//! `rounding`'s; this file says what follows what, and can start again at any block.

use super::hyper::{self, Projection};
use super::ops;
use super::rounding::{self, Rounding};
use super::{Batch, Params};
use model::config::{ModelConfig, RopeKind};

/// One evaluation.
pub struct Point {
    /// Mean cross-entropy, nats.
    pub loss: f64,
    /// `(tokens, vocab)`.
    pub logits: Vec<f64>,
    /// Streams `(tokens, n, d)` as they enter each block, then the head.
    pub entries: Vec<Vec<f64>>,
}

/// The first block whose output depends on parameter `name`; `config.blocks` means the head.
pub fn first_block_reading(config: &ModelConfig, name: &str) -> Option<usize> {
    match name {
        "token_embd.weight" => None,
        "output_norm.weight" | "output.weight" => Some(config.blocks),
        _ => {
            let number = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next());
            Some(number.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{name} has no block number")))
        }
    }
}

/// The forward of `batch` with parameters `p`, already in their stored precision.
pub fn forward(config: &ModelConfig, p: &Params, batch: &Batch, rounding: &mut Rounding) -> Point {
    let mut entries = vec![embed(config, p, batch)];
    for block in 0..config.blocks {
        let next = Block { config, p, seq: batch.seq, block }.forward(&entries[block], rounding);
        entries.push(next);
    }
    let logits = head(config, p, &entries[config.blocks], rounding);
    Point { loss: ops::cross_entropy(&logits, &batch.targets), logits, entries }
}

/// The loss, taking what enters block `from` out of `base` instead of computing it; `None` computes all.
pub fn resume(
    config: &ModelConfig,
    p: &Params,
    batch: &Batch,
    rounding: &mut Rounding,
    base: &Point,
    from: Option<usize>,
) -> f64 {
    let mut streams = match from {
        Some(block) => base.entries[block].clone(),
        None => embed(config, p, batch),
    };
    for block in from.unwrap_or(0)..config.blocks {
        streams = Block { config, p, seq: batch.seq, block }.forward(&streams, rounding);
    }
    ops::cross_entropy(&head(config, p, &streams, rounding), &batch.targets)
}

/// `n` copies of the scaled embedding, `(tokens, n, d)`.
fn embed(config: &ModelConfig, p: &Params, batch: &Batch) -> Vec<f64> {
    let (table, d) = (&p["token_embd.weight"], config.width);
    let mut streams = Vec::new();
    for token in &batch.tokens {
        for _ in 0..config.streams {
            let row = &table[*token as usize * d..][..d];
            streams.extend(row.iter().map(|v| v * f64::from(config.embedding_scale)));
        }
    }
    streams
}

/// Logits `(tokens, vocab)`.
fn head(config: &ModelConfig, p: &Params, streams: &[f64], rounding: &mut Rounding) -> Vec<f64> {
    let (d, n) = (config.width, config.streams);
    let summed: Vec<f64> =
        streams.chunks_exact(n * d).flat_map(|token| hyper::gather(token, &vec![1.0; n])).collect();
    let mut x = ops::rms_norm(&summed, d, Some(&p["output_norm.weight"]), f64::from(config.norm_eps));
    if config.head_int8 {
        rounding.apply("head", &mut x, |x| rounding::int8(x, d));
    }
    ops::linear(&p[if config.tied { "token_embd.weight" } else { "output.weight" }], &x, d)
}

struct Block<'a> {
    config: &'a ModelConfig,
    p: &'a Params,
    seq: usize,
    block: usize,
}

impl Block<'_> {
    fn name(&self, tail: &str) -> String {
        format!("blk.{}.{tail}", self.block)
    }

    fn param(&self, tail: &str) -> &[f64] {
        &self.p[&self.name(tail)]
    }

    fn norm(&self, x: &[f64], width: usize, gain: &str) -> Vec<f64> {
        ops::rms_norm(x, width, Some(self.param(gain)), f64::from(self.config.norm_eps))
    }

    /// What a BitLinear reads of `x: (tokens, width)`.
    fn int8(&self, site: &str, mut x: Vec<f64>, width: usize, rounding: &mut Rounding) -> Vec<f64> {
        rounding.apply(&self.name(site), &mut x, |x| rounding::int8(x, width));
        x
    }

    fn forward(&self, streams: &[f64], rounding: &mut Rounding) -> Vec<f64> {
        let streams = self.around("hc_attn", streams, |x| self.attention(x, rounding));
        self.around("hc_ffn", &streams, |x| self.ffn(x, rounding))
    }

    /// `X' = R X + post (outer) f(pre . X)` for every token; a plain residual when there is one stream.
    fn around(&self, kind: &str, streams: &[f64], f: impl FnOnce(&[f64]) -> Vec<f64>) -> Vec<f64> {
        let (d, n) = (self.config.width, self.config.streams);
        if n == 1 {
            return f(streams).iter().zip(streams).map(|(y, x)| x + y).collect();
        }
        let projection = |part: &str| Projection {
            weight: self.param(&format!("{kind}_{part}.weight")),
            bias: self.param(&format!("{kind}_{part}.bias")),
            alpha: self.param(&format!("{kind}_{part}.alpha"))[0],
        };
        let projections = ["pre", "post", "res"].map(projection);
        let eps = f64::from(self.config.norm_eps);
        let tokens = streams.chunks_exact(n * d);
        let c = hyper::coefficients(streams, n, d, projections, eps);
        let input: Vec<f64> =
            tokens.clone().zip(&c).flat_map(|(token, c)| hyper::gather(token, &c.pre)).collect();
        let output = f(&input);
        tokens
            .zip(&c)
            .zip(output.chunks_exact(d))
            .flat_map(|((token, c), y)| hyper::scatter(token, c, y))
            .collect()
    }

    fn attention(&self, x: &[f64], rounding: &mut Rounding) -> Vec<f64> {
        let c = self.config;
        assert_eq!(c.rope, RopeKind::HalfSplit);
        let x = self.int8("attn_in", self.norm(x, c.width, "attn_norm.weight"), c.width, rounding);
        let mut q = ops::linear(self.param("attn_q.weight"), &x, c.width);
        let mut k = ops::linear(self.param("attn_k.weight"), &x, c.width);
        let mut v = ops::linear(self.param("attn_v.weight"), &x, c.width);
        if c.qk_norm {
            q = self.norm(&q, c.head_dim, "attn_q_norm.weight");
            k = self.norm(&k, c.head_dim, "attn_k_norm.weight");
        }
        for (x, heads) in [(&mut q, c.heads), (&mut k, c.kv_heads)] {
            for (row, head) in x.chunks_exact_mut(c.head_dim).enumerate() {
                ops::rope(head, row / heads % self.seq, f64::from(c.rope_base));
            }
        }
        // The cache holds f16, so training reads f16 too.
        rounding.apply(&self.name("k_cache"), &mut k, rounding::half);
        rounding.apply(&self.name("v_cache"), &mut v, rounding::half);
        let (q_width, kv_width) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let mut y = Vec::new();
        for ((q, k), v) in q
            .chunks_exact(self.seq * q_width)
            .zip(k.chunks_exact(self.seq * kv_width))
            .zip(v.chunks_exact(self.seq * kv_width))
        {
            y.extend(ops::attention(q, k, v, c.heads, c.kv_heads, c.head_dim));
        }
        if c.attn_sub_norm {
            y = self.norm(&y, q_width, "attn_sub_norm.weight");
        }
        let y = self.int8("attn_out", y, q_width, rounding);
        ops::linear(self.param("attn_output.weight"), &y, q_width)
    }

    fn ffn(&self, x: &[f64], rounding: &mut Rounding) -> Vec<f64> {
        let c = self.config;
        let x = self.int8("ffn_in", self.norm(x, c.width, "ffn_norm.weight"), c.width, rounding);
        let up = ops::linear(self.param("ffn_up.weight"), &x, c.width);
        let gate = match c.activation.gated() {
            true => ops::linear(self.param("ffn_gate.weight"), &x, c.width),
            false => Vec::new(),
        };
        let mut y = ops::activate(c.activation, &gate, &up);
        if c.ffn_sub_norm {
            y = self.norm(&y, c.ffn, "ffn_sub_norm.weight");
        }
        let y = self.int8("ffn_out", y, c.ffn, rounding);
        ops::linear(self.param("ffn_down.weight"), &y, c.ffn)
    }
}
