//! A step that computes activations again on the way back has the bits of one that keeps them.

use super::fixture::{batch, recipe};
use super::oracle::params::config;
use model::config::{Activation, ModelConfig};
use model::tensors::TensorId;
use train::backend::{Backend, Part, Probe, Rates};
use train::cpu::{CpuBackend, CpuOptions};
use train::graph;
use train::program::Program;
use train::recipe::Recipe;
use train::recompute::recomputed;

fn models() -> [ModelConfig; 3] {
    let one = ModelConfig { activation: Activation::Relu2, tied: false, qk_norm: false, ..config(1) };
    [
        ModelConfig { blocks: 3, ..config(2) },
        ModelConfig { blocks: 3, ..one },
        ModelConfig { blocks: 2, activation: Activation::SwiGlu, attn_sub_norm: true, ..config(4) },
    ]
}

fn backend(program: Program) -> CpuBackend {
    CpuBackend::new(program, CpuOptions { shards: 2, threads: 2, pass_tokens: 1 }).unwrap()
}

fn state(backend: &mut CpuBackend, program: &Program) -> Vec<u32> {
    let mut all = Vec::new();
    for p in (0..program.params.len()).map(TensorId) {
        for part in Part::ALL {
            let mut values = vec![0.0; program.part_len(p, part)];
            backend.read(p, part, &mut values).unwrap();
            all.extend(values.into_iter().map(f32::to_bits));
        }
    }
    all
}

#[test]
fn recomputed_steps_have_the_same_bits() {
    for model in models() {
        let batch = batch(&model, 31).ours();
        let recipe = Recipe { dropout: 0.2, ..recipe() };
        let program = graph::build(&model, recipe);
        let less = recomputed(&program);
        assert!(less.backward.len() > program.backward.len());
        let (mut keeps, mut computes) = (backend(program.clone()), backend(less));
        let ((loss, want), (other, got)) =
            (keeps.gradients(7, &batch).unwrap(), computes.gradients(7, &batch).unwrap());
        assert_eq!(loss.to_bits(), other.to_bits());
        for ((got, want), spec) in got.iter().zip(&want).zip(&program.params) {
            let same = got.iter().zip(want).all(|(g, w)| g.to_bits() == w.to_bits());
            assert!(same && (want.iter().any(|w| *w != 0.0) || spec.name.contains(".hc_")), "{}", spec.name);
        }
        for step in 0..4 {
            let report = |b: &mut CpuBackend| {
                b.submit(step, &batch, Rates { muon: 0.02, adam: 0.01 }).unwrap();
                b.collect().unwrap().unwrap()
            };
            assert_eq!(report(&mut keeps), report(&mut computes));
        }
        assert!(state(&mut keeps, &program) == state(&mut computes, &program));
        let nats = |b: &mut CpuBackend| {
            let mut nats = vec![0.0; batch.tokens.len()];
            b.evaluate(&batch, &mut nats).unwrap();
            nats
        };
        assert_eq!(nats(&mut keeps), nats(&mut computes));
    }
}
