//! Activations computed twice: the bits of a step that keeps them, in less memory.

use model::config::ModelConfig;
use train::backend::{Backend, Part, Probe};
use train::optim::Matrices;
use train::{graph, preset};
use train_cuda::{CudaBackend, CudaOptions, Precision};

use crate::fixture::*;
use crate::harness::bench;

#[test]
fn recomputed_steps_have_the_same_bits() {
    let Some(_bench) = bench() else { return };
    for (model, matrices) in [(model(), Matrices::Muon), (other_model(), Matrices::AdamW)] {
        let program = program(&ModelConfig { blocks: 3, ..model }, matrices);
        for (precision, pass_tokens) in
            [(Precision::Bf16, 1 << 20), (Precision::Bf16, 48), (Precision::F32, 1 << 20)]
        {
            let run = |recompute: bool| {
                let options = CudaOptions { precision, pass_tokens, recompute, ..CudaOptions::on(0) };
                let mut backend = cuda_with(&program, options);
                let (loss, gradients) = backend.gradients(3, &batch(&program, 5)).unwrap();
                let mut values = vec![vec![loss as f32]];
                values.extend(gradients);
                values
                    .push(losses(&mut backend, &program, 0..2, FAST).into_iter().map(|l| l as f32).collect());
                for p in (0..program.params.len()).map(model::tensors::TensorId) {
                    let mut latent = vec![0.0; program.part_len(p, Part::Latent)];
                    backend.read(p, Part::Latent, &mut latent).unwrap();
                    values.push(latent);
                }
                let mut nats = vec![0.0; program.recipe.batch_tokens()];
                backend.evaluate(&batch(&program, 8), &mut nats).unwrap();
                values.push(nats);
                values.into_iter().flatten().map(f32::to_bits).collect::<Vec<u32>>()
            };
            assert!(run(false) == run(true), "{matrices:?}, {precision:?}, {pass_tokens} tokens a pass");
        }
    }
}

/// GPT-2's smallest shape with SwiGLU, 16 sequences of 1,024 tokens.
#[test]
fn recomputed_activations_take_the_room_of_one_block() {
    for (streams, most) in [(1, 0.2), (2, 0.2)] {
        let mut config = preset::showcase();
        let m = &mut config.model;
        (m.width, m.blocks, m.heads, m.kv_heads, m.head_dim) = (768, 12, 12, 12, 64);
        (m.ffn, m.context, m.streams) = (2048, 1024, streams);
        config.train.batch = 16;
        let program = graph::build(&config.model_config(50_257), config.recipe());
        let sizes = [false, true].map(|recompute| {
            let (precision, pass_tokens) = (Precision::Bf16, 16 * 1024);
            let options = CudaOptions { precision, pass_tokens, recompute, ..CudaOptions::on(0) };
            let sizes = CudaBackend::sizes(&program, &options).unwrap();
            println!(
                "{streams} streams, recompute {recompute}: {sizes}; {} bytes of activations",
                sizes.rows
            );
            sizes
        });
        let share = sizes[1].rows as f64 / sizes[0].rows as f64;
        assert!(share < most, "{share} with {streams} streams: {} and {}", sizes[0], sizes[1]);
    }
}
