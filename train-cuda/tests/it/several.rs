//! Several cards that train one model, as threads of this process. The emulated driver has three devices here, and its stand-in for NCCL adds
//! up between them; processes are the binary's tests.

use model::tensors::TensorId;
use train::backend::{Backend, Part, Probe};
use train::optim::Matrices;
use train::program::Program;
use train_cuda::choice::CardSet;
use train_cuda::driver::Card;
use train_cuda::several::{Several, Taken};
use train_cuda::{CudaOptions, Precision};

use crate::fixture::*;
use crate::harness::{bench, on_a_card};

/// So many cards, or `None` where there are fewer.
fn cards(program: &Program, count: usize, precision: Precision) -> Option<Several> {
    let found = train_cuda::driver::cards().unwrap().len();
    if found < count {
        assert!(on_a_card(), "the emulated driver has {found} devices");
        eprintln!("SKIPPED: this machine has {found} cards, not {count}");
        return None;
    }
    let cards = CardSet::new(0..count).unwrap();
    let options = CudaOptions { precision, ..CudaOptions::on(0) };
    Some(Several::here(program, cards, options, &|_, _| {}).unwrap_or_else(|e| panic!("{e}")))
}

fn state(backend: &mut dyn Backend, program: &Program) -> Vec<Vec<f32>> {
    let mut all = Vec::new();
    for p in (0..program.params.len()).map(TensorId) {
        for part in Part::ALL {
            let mut values = vec![0.0; program.part_len(p, part)];
            backend.read(p, part, &mut values).unwrap();
            all.push(values);
        }
    }
    all
}

#[test]
fn gradients_are_those_of_one_card() {
    let Some(_bench) = bench() else { return };
    for (model, matrices) in [(model(), Matrices::Muon), (other_model(), Matrices::AdamW)] {
        let program = program(&model, matrices);
        let (loss, want) = cuda(&program, Precision::F32).gradients(3, &batch(&program, 5)).unwrap();
        // Three sequences: one and two, one each.
        for count in [2, 3] {
            let Some(mut several) = cards(&program, count, Precision::F32) else { return };
            let (got_loss, got) = several.gradients(3, &batch(&program, 5)).unwrap();
            assert_eq!(got_loss, loss);
            for ((got, want), spec) in got.iter().zip(&want).zip(&program.params) {
                let (error, length) = apart(got, want);
                assert!(error < 1e-5 || length < 1e-7, "{count} cards, {}: {error:e}", spec.name);
            }
        }
    }
}

#[test]
fn steps_are_those_of_one_card() {
    let Some(_bench) = bench() else { return };
    let program = program(&model(), Matrices::Muon);
    let want = losses(&mut cuda(&program, Precision::F32), &program, 0..4, SLOW);
    let Some(mut several) = cards(&program, 2, Precision::F32) else { return };
    let got = losses(&mut several, &program, 0..4, SLOW);
    for (g, w) in got.iter().zip(&want) {
        assert!((g / w - 1.0).abs() < 1e-4, "{got:?}\n{want:?}");
    }
    // Each card counts its own codes, and they are compared.
    several.look().unwrap();
    // And it does not hang on when it ran.
    let again = losses(&mut cards(&program, 2, Precision::F32).unwrap(), &program, 0..4, SLOW);
    assert_eq!(again, got);
}

#[test]
fn scores_are_those_of_one_card() {
    let Some(_bench) = bench() else { return };
    let program = program(&other_model(), Matrices::AdamW);
    let batch = batch(&program, 4);
    let (mut want, mut got) = (vec![0.0; batch.tokens.len()], vec![0.0; batch.tokens.len()]);
    cuda(&program, Precision::Bf16).evaluate(&batch, &mut want).unwrap();
    let Some(mut several) = cards(&program, 3, Precision::Bf16) else { return };
    for _ in 0..2 {
        several.evaluate(&batch, &mut got).unwrap();
        assert_eq!(got, want);
    }
}

#[test]
fn a_run_moves_to_several_cards_and_back() {
    let Some(_bench) = bench() else { return };
    let program = program(&model(), Matrices::Muon);
    let mut first = cuda(&program, Precision::F32);
    losses(&mut first, &program, 0..3, FAST);
    let saved = state(&mut first, &program);
    let Some(mut several) = cards(&program, 3, Precision::F32) else { return };
    let parts = (0..program.params.len()).flat_map(|p| Part::ALL.map(|part| (TensorId(p), part)));
    for ((p, part), values) in parts.clone().zip(&saved) {
        several.write(p, part, values).unwrap();
    }
    assert!(state(&mut several, &program) == saved);
    several.look().unwrap();
    let got = losses(&mut several, &program, 3..5, SLOW);
    let want = losses(&mut first, &program, 3..5, SLOW);
    assert!((got[1] / want[1] - 1.0).abs() < 1e-4, "{got:?} {want:?}");
    let moved = state(&mut several, &program);
    for ((p, part), values) in parts.zip(&moved) {
        first.write(p, part, values).unwrap();
    }
    let (got, want) = (losses(&mut several, &program, 5..6, SLOW), losses(&mut first, &program, 5..6, SLOW));
    assert!((got[0] / want[0] - 1.0).abs() < 1e-4, "{got:?} {want:?}");
}

#[test]
fn more_cards_than_sequences_are_refused() {
    let Some(_bench) = bench() else { return };
    let mut program = program(&model(), Matrices::Muon);
    program.recipe.sequences = 1;
    let cards = CardSet::new([0, 1]).unwrap();
    let tell = |_: &Card, taken: &Taken| panic!("{taken:?}");
    let error = Several::here(&program, cards, CudaOptions::on(0), &tell).unwrap_err().to_string();
    assert!(error.contains("2 cards cannot share a batch of 1 (train.batch)"), "{error}");
}

/// Whichever card fails, the run ends with a sentence, and nobody waits for ever.
#[test]
fn a_card_that_fails_ends_the_run() {
    let Some(bench) = bench() else { return };
    if on_a_card() {
        return;
    }
    let program = program(&model(), Matrices::Muon);
    for (device, launch) in [(0, 1), (1, 1), (0, 70), (1, 120)] {
        let mut several = cards(&program, 2, Precision::Bf16).expect("the emulated driver has three devices");
        losses(&mut several, &program, 0..1, FAST);
        bench.fail_launch(device, launch);
        let failure = (1..4).find_map(|step| {
            let sent = several.submit(step, &batch(&program, step), FAST);
            sent.and_then(|()| several.collect()).err()
        });
        let problem = failure.expect("a launch failed").to_string();
        assert!(problem.contains("CUDA_ERROR_ILLEGAL_ADDRESS"), "{problem}");
        assert_eq!(problem.contains("cuda:1"), device == 1, "{problem}");
        drop(several);
        bench.mend();
    }
}
