//! Named configurations: the flagship, the published showcase, and small ones for tests and slow machines.
//! What each key means is `config`'s business.

use crate::config::{Activation, Config, Data, Model, Optimiser, Report, Schedule, Stored, Tokenizer, Train};
use crate::error::{Error, Result};
use crate::optim::{Matrices, Moments};

/// Names and one line about each, in the order `--help` shows them.
pub const PRESETS: [(&str, &str); 5] = [
    ("shakespeare", "the flagship: ternary, two streams, own BPE vocabulary"),
    ("showcase", "the published configuration: GPT-2's 50,257 tokens, dim 256, 5,000 steps of 4 x 256"),
    (
        "portable",
        "one stream and SwiGLU: what `tercet export --for llama.cpp` takes, for llama.cpp, LM Studio and Ollama",
    ),
    ("bytes", "a small model over bytes, minutes on a laptop"),
    ("tiny", "seconds: to see that everything works"),
];

/// The preset called `name`.
///
/// # Errors
/// An unknown name, with the known ones.
pub fn named(name: &str) -> Result<Config> {
    match name {
        "shakespeare" => Ok(shakespeare()),
        "showcase" => Ok(showcase()),
        "portable" => Ok(portable()),
        "bytes" => Ok(bytes()),
        "tiny" => Ok(tiny()),
        _ => Err(Error::UnknownPreset { name: name.into(), known: PRESETS.map(|(name, _)| name).join(", ") }),
    }
}

/// The model that ships: the recipe that small-model ablations support (Muon, ReLU^2, QK-norm,
/// long warm-down), with the dropout, noise and weight decay that a one-megabyte text asks for: it is read 12 times.
pub fn shakespeare() -> Config {
    Config {
        model: Model {
            width: 384,
            blocks: 4,
            heads: 6,
            kv_heads: 0,
            head_dim: 0,
            ffn: 1152,
            activation: Activation::Relu2,
            streams: 2,
            context: 512,
            norm_eps: 1e-5,
            rope_base: 10_000.0,
            qk_norm: true,
            attn_sub_norm: false,
            ffn_sub_norm: false,
            embedding_scale: 1.0,
            tied: true,
            embedding: Stored::Q8_0,
            head: Stored::Q8_0,
            head_int8: false,
            float: false,
        },
        tokenizer: Tokenizer { kind: "bpe:2048".into(), compact: false },
        data: Data { text: Vec::new(), separator: String::new() },
        train: Train {
            steps: 1000,
            batch: 8,
            shards: 2,
            threads: 0,
            pass_tokens: 1024,
            seed: 1337,
            dropout: 0.2,
            token_noise: 0.18,
        },
        optimiser: Optimiser {
            matrices: Matrices::Muon,
            moments: Moments::F32,
            muon_lr: 0.02,
            muon_momentum: 0.95,
            muon_ns_steps: 5,
            muon_weight_decay: 0.15,
            adam_lr: 4e-3,
            adam_beta1: 0.9,
            adam_beta2: 0.95,
            adam_eps: 1e-8,
            adam_weight_decay: 0.0,
            clip_norm: 1.0,
        },
        schedule: Schedule { warmup_steps: 50, warmdown: 0.6, floor: 0.03 },
        report: Report {
            eval_every: 100,
            codes_every: 50,
            sample_every: 400,
            sample_tokens: 120,
            sample_prompt: "ROMEO:".into(),
            checkpoint_every: 100,
        },
    }
}

/// The published showcase, exactly its shape and budget: 15.5 M parameters, of which 12.9 M are the embedding.
pub fn showcase() -> Config {
    let base = shakespeare();
    Config {
        model: Model {
            width: 256,
            heads: 4,
            ffn: 512,
            activation: Activation::Swiglu,
            context: 256,
            ..base.model
        },
        tokenizer: Tokenizer { kind: "gpt2".into(), compact: false },
        train: Train { steps: 5000, batch: 4, shards: 0, dropout: 0.0, token_noise: 0.0, ..base.train },
        optimiser: Optimiser { muon_weight_decay: 0.0, ..base.optimiser },
        schedule: Schedule { warmup_steps: 100, warmdown: 0.2, floor: 0.05 },
        report: Report { eval_every: 250, checkpoint_every: 500, ..base.report },
        ..base
    }
}

/// The flagship's size in a shape that llama.cpp computes too: with a gate a feed-forward network of two thirds the width has as many weights.
pub fn portable() -> Config {
    let base = shakespeare();
    let model = Model { streams: 1, activation: Activation::Swiglu, ffn: 768, ..base.model };
    Config { model, ..base }
}

/// nanoGPT's small CPU budget, over bytes: 4 blocks of 128, 12 sequences of 64.
pub fn bytes() -> Config {
    let base = shakespeare();
    Config {
        model: Model { width: 128, heads: 4, ffn: 384, context: 64, ..base.model },
        tokenizer: Tokenizer { kind: "bytes".into(), compact: false },
        train: Train { steps: 2000, batch: 12, shards: 0, dropout: 0.0, token_noise: 0.0, ..base.train },
        optimiser: Optimiser { muon_weight_decay: 0.0, ..base.optimiser },
        report: Report { sample_tokens: 200, ..base.report },
        ..base
    }
}

/// The smallest net that has every part: two blocks, two streams, bytes.
pub fn tiny() -> Config {
    let base = shakespeare();
    Config {
        model: Model { width: 128, blocks: 2, heads: 2, ffn: 128, context: 32, ..base.model },
        tokenizer: Tokenizer { kind: "bytes".into(), compact: false },
        train: Train { steps: 40, batch: 4, dropout: 0.1, ..base.train },
        schedule: Schedule { warmup_steps: 5, ..base.schedule },
        report: Report {
            eval_every: 20,
            codes_every: 5,
            sample_every: 20,
            sample_tokens: 40,
            checkpoint_every: 10,
            ..base.report
        },
        ..base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preset_each_is_valid() {
        for (name, _) in PRESETS {
            named(name).unwrap().validate().unwrap();
        }
    }

    #[test]
    fn preset_unknown_lists_the_known() {
        let message = named("shakespear").unwrap_err().to_string();
        assert!(message.contains("shakespeare, showcase, portable, bytes, tiny"), "{message}");
    }

    #[test]
    fn preset_showcase_is_the_published_configuration() {
        let c = showcase();
        let m = c.model_config(50_257);
        assert_eq!((m.width, m.blocks, m.heads, m.head_dim, m.ffn, m.streams), (256, 4, 4, 64, 512, 2));
        assert_eq!((c.train.batch, m.context, c.train.steps), (4, 256, 5000));
        assert_eq!((c.tokenizer.kind.as_str(), c.tokenizer.compact), ("gpt2", false));
        assert!(m.tied && m.activation == model::config::Activation::SwiGlu);
    }
}
