//! Which parameters a configuration has, and random values for them. Names are the file's tensor names.

use super::Params;
use super::random::Random;
use model::config::{Activation, Biases, ModelConfig, RopeKind, RopeScaling, StoredType};

/// A small model that has everything: two blocks, grouped-query heads, `n` streams.
pub fn config(streams: usize) -> ModelConfig {
    ModelConfig {
        vocab: 40,
        context: 8,
        width: 128,
        blocks: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 32,
        ffn: 128,
        streams,
        activation: Activation::SwiGlu,
        norm_eps: 1e-5,
        rope_base: 10_000.0,
        rope: RopeKind::HalfSplit,
        rope_dims: None,
        rope_scaling: RopeScaling::NONE,
        biases: Biases::NONE,
        qk_norm: true,
        attn_sub_norm: false,
        ffn_sub_norm: false,
        embedding_scale: 1.0,
        tied: true,
        embedding: StoredType::F16,
        head: StoredType::F16,
        head_int8: false,
    }
}

/// Name and shape (rows first) of every parameter.
pub fn shapes(c: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let mut all = vec![("token_embd.weight".to_owned(), vec![c.vocab, c.width])];
    let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
    for block in 0..c.blocks {
        let mut add = |present: bool, tail: &str, shape: &[usize]| {
            if present {
                all.push((format!("blk.{block}.{tail}"), shape.to_vec()));
            }
        };
        add(true, "attn_norm.weight", &[c.width]);
        add(true, "attn_q.weight", &[q, c.width]);
        add(true, "attn_k.weight", &[kv, c.width]);
        add(true, "attn_v.weight", &[kv, c.width]);
        add(c.qk_norm, "attn_q_norm.weight", &[c.head_dim]);
        add(c.qk_norm, "attn_k_norm.weight", &[c.head_dim]);
        add(c.attn_sub_norm, "attn_sub_norm.weight", &[q]);
        add(true, "attn_output.weight", &[c.width, q]);
        add(true, "ffn_norm.weight", &[c.width]);
        add(c.activation.gated(), "ffn_gate.weight", &[c.ffn, c.width]);
        add(true, "ffn_up.weight", &[c.ffn, c.width]);
        add(c.ffn_sub_norm, "ffn_sub_norm.weight", &[c.ffn]);
        add(true, "ffn_down.weight", &[c.width, c.ffn]);
        for kind in ["hc_attn", "hc_ffn"] {
            let orders: usize = (1..=c.streams).product();
            for (part, outputs) in [("pre", c.streams), ("post", c.streams), ("res", orders)] {
                add(c.streams > 1, &format!("{kind}_{part}.weight"), &[outputs, c.streams * c.width]);
                add(c.streams > 1, &format!("{kind}_{part}.bias"), &[outputs]);
                add(c.streams > 1, &format!("{kind}_{part}.alpha"), &[1]);
            }
        }
    }
    all.push(("output_norm.weight".to_owned(), vec![c.width]));
    if !c.tied {
        all.push(("output.weight".to_owned(), vec![c.vocab, c.width]));
    }
    all
}

/// Random values: gains near one, alphas and biases of ordinary size, so that nothing is at a special point.
pub fn random(c: &ModelConfig, seed: u64) -> Params {
    let mut random = Random::new(seed);
    let value = |(name, shape): (String, Vec<usize>)| {
        let n = shape.iter().product();
        let x = match () {
            _ if name.ends_with("norm.weight") => random.values(n, 0.3).iter().map(|v| 1.0 + v).collect(),
            _ if name.ends_with(".alpha") => vec![0.5],
            _ if name.ends_with(".bias") => random.values(n, 1.0),
            _ => random.values(n, 0.1),
        };
        (name, x)
    };
    shapes(c).into_iter().map(value).collect()
}
