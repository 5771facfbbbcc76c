//! Small real models, batches, and a trainer of each kind for them.

use std::ops::Range;

use model::config::{Activation, Biases, ModelConfig, RopeKind, RopeScaling, StoredType};
use train::backend::{Backend, Probe, Rates};
use train::batch::{Batch, IGNORED};
use train::cpu::{CpuBackend, CpuOptions};
use train::graph;
use train::optim::{Matrices, Moments, Settings, adamw, muon};
use train::program::Program;
use train::recipe::Recipe;
use train_cuda::{CudaBackend, CudaOptions, Precision};

use crate::harness::Numbers;

/// Two streams, norms of queries and keys, grouped queries, tied.
pub fn model() -> ModelConfig {
    ModelConfig {
        vocab: 150,
        context: 24,
        width: 128,
        blocks: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 32,
        ffn: 256,
        streams: 2,
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

/// Everything else than in [`model`], as far as it can be.
pub fn other_model() -> ModelConfig {
    ModelConfig {
        streams: 1,
        activation: Activation::Relu2,
        qk_norm: false,
        attn_sub_norm: true,
        ffn_sub_norm: true,
        embedding_scale: 2.0,
        tied: false,
        embedding: StoredType::Q8_0,
        head: StoredType::Q1_58,
        head_int8: true,
        rope: RopeKind::Interleaved,
        ..model()
    }
}

/// Three sequences of 24 tokens, with dropout.
pub fn recipe(matrices: Matrices) -> Recipe {
    Recipe {
        sequences: 3,
        tokens: 24,
        seed: 11,
        dropout: 0.1,
        float: false,
        optimiser: Settings {
            matrices,
            muon: muon::Settings { momentum: 0.95, ns_steps: 5, weight_decay: 0.01 },
            adam: adamw::Settings { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 },
            clip_norm: 1.0,
            moments: Moments::F32,
        },
    }
}

/// Rates at which these models learn.
pub const FAST: Rates = Rates { muon: 0.02, adam: 0.003 };

/// Rates at which few codes flip. A code that flips on one device a step before it does on another changes the loss by 1e-4 at once, and what
/// follows: at these rates two devices can be compared.
pub const SLOW: Rates = Rates { muon: 0.0005, adam: 0.0002 };

pub fn program(model: &ModelConfig, matrices: Matrices) -> Program {
    graph::build(model, recipe(matrices))
}

/// The same with moments in bf16.
pub fn with_moments_in_bf16(mut program: Program) -> Program {
    program.recipe.optimiser.moments = Moments::Bf16;
    program
}

/// Random ids that repeat, and a few targets that are not scored.
pub fn batch(program: &Program, seed: u64) -> Batch {
    let (count, vocab) = (program.recipe.batch_tokens(), program.model.vocab);
    let mut random = Numbers::new(seed);
    let tokens: Vec<u32> = (0..count).map(|_| random.below(vocab.min(40)) as u32).collect();
    // What follows is not random, so that there is something to learn.
    let mut targets: Vec<u32> = tokens.iter().map(|t| (t * 7 + 3) % vocab as u32).collect();
    targets[1] = IGNORED;
    targets[count - 1] = IGNORED;
    Batch { tokens, targets }
}

pub fn cpu(program: &Program) -> CpuBackend {
    let options = CpuOptions { shards: 1, threads: 1, pass_tokens: program.recipe.batch_tokens() };
    CpuBackend::new(program.clone(), options).expect("threads")
}

pub fn cuda(program: &Program, precision: Precision) -> CudaBackend {
    cuda_with(program, CudaOptions { precision, ..CudaOptions::on(0) })
}

pub fn cuda_with(program: &Program, options: CudaOptions) -> CudaBackend {
    CudaBackend::new(program.clone(), options).unwrap_or_else(|e| panic!("{e}"))
}

/// Losses of so many steps on batches by number.
pub fn losses<B: Backend + ?Sized>(
    backend: &mut B,
    program: &Program,
    steps: Range<u64>,
    rates: Rates,
) -> Vec<f64> {
    let mut losses = Vec::new();
    for (sent, step) in steps.enumerate() {
        backend.submit(step, &batch(program, step + 1), rates).unwrap();
        while losses.len() + backend.lag() < sent + 1 {
            losses.push(backend.collect().unwrap().unwrap().loss);
        }
    }
    while let Some(report) = backend.collect().unwrap() {
        losses.push(report.loss);
    }
    losses
}

/// How far a gradient is from another one, as a share of that one's length; and how long that is.
pub fn apart(got: &[f32], want: &[f32]) -> (f64, f64) {
    let length = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let want_length = length(&mut want.iter().map(|&w| f64::from(w)));
    let error = length(&mut got.iter().zip(want).map(|(&g, &w)| f64::from(g) - f64::from(w)));
    (error / want_length.max(1e-30), want_length)
}

/// The worst of them over the parameters that have a gradient worth the name, of connections and of everything else.
pub fn worst_gradients(got: &mut impl Probe, want: &mut impl Probe, program: &Program) -> [(f64, String); 2] {
    let batch = batch(program, 5);
    let (loss, gradients) = got.gradients(3, &batch).unwrap();
    let (expected, wanted) = want.gradients(3, &batch).unwrap();
    assert!((loss / expected - 1.0).abs() < 1e-4, "loss {loss}, expected {expected}");
    let mut worst = [(0.0, String::new()), (0.0, String::new())];
    for ((got, want), spec) in gradients.iter().zip(&wanted).zip(&program.params) {
        let (error, length) = apart(got, want);
        assert!(got.iter().all(|g| g.is_finite()), "{}", spec.name);
        let worst = &mut worst[usize::from(!spec.name.contains(".hc_"))];
        if length > 1e-7 && error > worst.0 {
            *worst = (error, spec.name.clone());
        }
    }
    worst
}
