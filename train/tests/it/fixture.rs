//! A small trainer on the CPU, a batch for it, and its parameters in and out of the oracle's form.

use super::oracle::random::Random;
use super::oracle::{Batch, Params, ops};
use model::config::ModelConfig;
use train::backend::{Part, Probe, Rates};
use train::batch::IGNORED;
use train::cpu::{CpuBackend, CpuOptions};
use train::graph;
use train::optim::{Matrices, Moments, Settings, adamw, muon};
use train::recipe::Recipe;
use train::trainer::Named;

/// A trainer on the device that is held to the mathematics.
pub type Trainer = train::trainer::Trainer<dyn Probe>;

/// Three sequences of six tokens.
pub fn recipe() -> Recipe {
    Recipe {
        sequences: 3,
        tokens: 6,
        seed: 5,
        dropout: 0.0,
        float: false,
        optimiser: Settings {
            matrices: Matrices::Muon,
            muon: muon::Settings { momentum: 0.95, ns_steps: 5, weight_decay: 0.0 },
            adam: adamw::Settings { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.0 },
            clip_norm: 1.0,
            moments: Moments::F32,
        },
    }
}

/// Two shards, so that three sequences make one shard of one pass and one of two: sums of both kinds happen.
pub fn trainer(c: &ModelConfig, recipe: Recipe) -> Trainer {
    on_threads(2, c, recipe)
}

/// The same on another number of threads.
pub fn on_threads(threads: usize, c: &ModelConfig, recipe: Recipe) -> Trainer {
    let program = graph::build(c, recipe);
    let options = CpuOptions { shards: 2, threads, pass_tokens: 1 };
    Trainer::new(program.clone(), Box::new(CpuBackend::new(program, options).unwrap()))
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

impl Batch {
    /// As the trainer takes it.
    pub fn ours(&self) -> train::batch::Batch {
        train::batch::Batch { tokens: self.tokens.clone(), targets: self.targets.clone() }
    }
}

/// Gives the trainer the oracle's parameters.
pub fn set(trainer: &mut Trainer, params: &Params) {
    for p in trainer.ids() {
        let values: Vec<f32> = params[&trainer.specs()[p.0].name].iter().map(|v| *v as f32).collect();
        trainer.write(p, Part::Latent, &values).unwrap();
    }
}

/// The trainer's parameters.
pub fn named(trainer: &mut Trainer) -> Vec<Named> {
    trainer.params().collect::<Result<_, _>>().unwrap()
}

/// The trainer's parameters for the oracle.
pub fn params_of(trainer: &mut Trainer) -> Params {
    let wide = |data: Vec<f32>| data.into_iter().map(f64::from).collect();
    named(trainer).into_iter().map(|p| (p.name, wide(p.data))).collect()
}

/// A few steps at rates that move everything visibly.
pub fn steps(trainer: &mut Trainer, batch: &Batch, count: u64) {
    for step in 0..count {
        trainer.step(step, &batch.ours(), Rates { muon: 0.02, adam: 0.01 }).unwrap();
    }
}
