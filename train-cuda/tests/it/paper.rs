//! Every launch of whole presets, without a device: number and sizes of the arguments are checked as each is told.

use model::tensors::TensorId;
use train::backend::Part;
use train::optim::{Matrices, Moments};
use train::{graph, preset};
use train_cuda::driver::Card;
use train_cuda::{CudaBackend, CudaOptions, Precision, paper};

#[test]
fn every_preset_is_a_step_of_few_launches() {
    for (name, _) in preset::PRESETS {
        let config = preset::named(name).unwrap();
        let model = config.model_config(if name == "showcase" { 50_257 } else { 2048 });
        let mut recipe = config.recipe();
        for matrices in [Matrices::Muon, Matrices::AdamW] {
            recipe.optimiser.matrices = matrices;
            for precision in [Precision::Bf16, Precision::F32] {
                let program = graph::build(&model, recipe);
                let pass_tokens = recipe.batch_tokens();
                let options = CudaOptions { precision, pass_tokens, ..CudaOptions::on(0) };
                let whole = paper::step(&program, &options, Card::rtx_4090()).unwrap().len();
                // A block takes some fifty, forward and back, and the head a few for each chunk of the vocabulary.
                assert!(whole < 60 + 60 * model.blocks, "{name}: {whole} launches");
                let mut rounded = program.clone();
                rounded.recipe.optimiser.moments = Moments::Bf16;
                let again = CudaOptions { recompute: true, ..options };
                let again = paper::step(&rounded, &again, Card::rtx_4090()).unwrap().len();
                assert!(again > whole && again < whole + 20 * model.blocks, "{name}: {again} launches");
                let halves = CudaOptions { pass_tokens: pass_tokens.div_ceil(2), ..options };
                assert!(paper::step(&program, &halves, Card::rtx_4090()).unwrap().len() > whole, "{name}");
            }
        }
    }
}

#[test]
fn shapes_that_no_kernel_knows_are_refused() {
    let config = preset::tiny();
    let mut model = config.model_config(256);
    (model.heads, model.kv_heads, model.head_dim) = (8, 8, 16);
    let options = CudaOptions { pass_tokens: 1, ..CudaOptions::on(0) };
    let refused = |program| paper::step(&program, &options, Card::rtx_4090()).unwrap_err().to_string();
    let said = refused(graph::build(&model, config.recipe()));
    assert_eq!(
        said,
        "the head width (model.head_dim) is 16; the CUDA kernels take 32, 64, 96 or 128; train with --device cpu"
    );
    let mut recipe = config.recipe();
    recipe.float = true;
    assert!(refused(graph::build(&config.model_config(256), recipe)).contains("model.float is true"));
}

/// GPT-2's smallest shape with SwiGLU, 16 sequences of 1,024 tokens.
#[test]
fn moments_in_bf16_take_half_their_room() {
    let mut config = preset::showcase();
    let m = &mut config.model;
    (m.width, m.blocks, m.heads, m.kv_heads, m.head_dim) = (768, 12, 12, 12, 64);
    (m.ffn, m.context, m.streams) = (2048, 1024, 1);
    config.train.batch = 16;
    for matrices in [Matrices::Muon, Matrices::AdamW] {
        config.optimiser.matrices = matrices;
        let sizes = [Moments::F32, Moments::Bf16].map(|moments| {
            config.optimiser.moments = moments;
            let program = graph::build(&config.model_config(50_257), config.recipe());
            let (precision, pass_tokens) = (Precision::Bf16, 16 * 1024);
            let options = CudaOptions { precision, pass_tokens, ..CudaOptions::on(0) };
            let sizes = CudaBackend::sizes(&program, &options).unwrap();
            println!("{matrices:?}, {moments:?}: {sizes}");
            let parts = (0..program.params.len())
                .flat_map(|p| [Part::First, Part::Second].map(|part| program.part_len(TensorId(p), part)));
            (sizes, parts.sum::<usize>() as f64)
        });
        let saved = (sizes[0].0.parameters - sizes[1].0.parameters) as f64;
        // Arrays begin at multiples of 64 values.
        assert!((saved / (2.0 * sizes[0].1) - 1.0).abs() < 1e-3, "{matrices:?}: {saved}");
    }
}
