//! A small trainer on the CPU, a batch for it, and its parameters in and out of the oracle's form.

use super::oracle::random::Random;
use super::oracle::{Batch, Params, ops};
use model::config::ModelConfig;
use train::backend::Rates;
use train::cpu::{CpuOptions, IGNORED};
use train::optim::{Matrices, Settings, adamw, muon};
use train::trainer::Trainer;

/// Two shards, so that three sequences make one shard of one pass and one of two: sums of both kinds happen.
pub fn options() -> CpuOptions {
    CpuOptions {
        shards: 2,
        threads: 2,
        pass_tokens: 1,
        seed: 5,
        dropout: 0.0,
        float: false,
        optimiser: Settings {
            matrices: Matrices::Muon,
            muon: muon::Settings { momentum: 0.95, ns_steps: 5, weight_decay: 0.0 },
            adam: adamw::Settings { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.0 },
            clip_norm: 1.0,
        },
    }
}

/// Three sequences of six random tokens; one target is not scored.
pub fn batch(c: &ModelConfig, seed: u64) -> Batch {
    assert_eq!(IGNORED, ops::UNSCORED);
    let mut random = Random::new(seed);
    let tokens = random.tokens(18, c.vocab);
    let mut targets = random.tokens(18, c.vocab);
    targets[7] = IGNORED;
    Batch { seq: 6, tokens, targets }
}

/// Gives the trainer the oracle's parameters.
pub fn set(trainer: &mut Trainer, params: &Params) {
    let names: Vec<String> = trainer.specs().iter().map(|spec| spec.name.clone()).collect();
    for (i, name) in names.iter().enumerate() {
        let values: Vec<f32> = params[name].iter().map(|v| *v as f32).collect();
        trainer.set_param(i, &values);
    }
}

/// The trainer's parameters for the oracle.
pub fn params_of(trainer: &Trainer) -> Params {
    let wide = |data: Vec<f32>| data.into_iter().map(f64::from).collect();
    trainer.params().into_iter().map(|p| (p.name, wide(p.data))).collect()
}

/// A few steps at rates that move everything visibly.
pub fn steps(trainer: &mut Trainer, batch: &Batch, count: u64) {
    for step in 0..count {
        trainer.step(step, &batch.tokens, &batch.targets, Rates { muon: 0.02, adam: 0.01 });
    }
}
