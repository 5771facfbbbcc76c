//! Times training steps of a random model on random tokens: `cargo run --release -p train --example step`.
//! Shape and settings come from the environment: D width, L blocks, F feed-forward, V vocabulary, N streams, RELU2, B sequences of T
//! tokens, PASS, SHARDS, THREADS, DROP percent, FLOAT, NS Newton-Schulz steps, STEPS.

use std::time::Instant;

use model::config::{Activation, Biases, ModelConfig, RopeKind, RopeScaling, StoredType};
use model::rng::SplitMix64;
use train::backend::Rates;
use train::batch::Batch;
use train::cpu::{CpuBackend, CpuOptions};
use train::graph;
use train::optim::{Matrices, Moments, Settings, adamw, muon};
use train::recipe::Recipe;
use train::trainer::Trainer;

fn arg(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn main() {
    let (d, blocks, ffn, vocab) = (arg("D", 256), arg("L", 4), arg("F", 512), arg("V", 1024));
    let (batch, seq, threads) = (arg("B", 4), arg("T", 256), arg("THREADS", 2));
    let activation = if arg("RELU2", 0) == 1 { Activation::Relu2 } else { Activation::SwiGlu };
    let config = ModelConfig {
        vocab,
        context: seq,
        width: d,
        blocks,
        heads: d / 64,
        kv_heads: d / 64,
        head_dim: 64,
        ffn,
        streams: arg("N", 1),
        activation,
        norm_eps: 1e-6,
        rope_base: 10000.0,
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
    };
    let recipe = Recipe {
        sequences: batch,
        tokens: seq,
        seed: 1,
        dropout: arg("DROP", 0) as f32 / 100.0,
        float: arg("FLOAT", 0) == 1,
        optimiser: Settings {
            matrices: Matrices::Muon,
            muon: muon::Settings { momentum: 0.95, ns_steps: arg("NS", 5), weight_decay: 0.0 },
            adam: adamw::Settings { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.0 },
            clip_norm: 1.0,
            moments: Moments::F32,
        },
    };
    let options = CpuOptions { shards: arg("SHARDS", 2), threads, pass_tokens: arg("PASS", 512) };
    let program = graph::build(&config, recipe);
    let mut t = Trainer::new(program.clone(), Box::new(CpuBackend::new(program, options).unwrap()));
    let mut rng = SplitMix64::new(&[1]);
    let n = batch * seq;
    for step in 0..arg("STEPS", 8) as u64 {
        let ids: Vec<u32> = (0..n + 1).map(|_| rng.below(vocab as u64) as u32).collect();
        let batch = Batch { tokens: ids[..n].to_vec(), targets: ids[1..].to_vec() };
        let at = Instant::now();
        let stats = t.step(step, &batch, Rates { muon: 0.02, adam: 0.004 }).unwrap();
        let s = at.elapsed().as_secs_f64();
        println!(
            "step {step}: {:.4} nats, norm {:.3}, {:.0} ms, {:.0} tokens/s",
            stats.loss,
            stats.grad_norm,
            s * 1e3,
            n as f64 / s
        );
    }
}
