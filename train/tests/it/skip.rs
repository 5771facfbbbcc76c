//! A step whose loss or gradient is no number: the device reports it and is, to the bit, as if the step had never been.

use super::fixture::{Trainer, batch, recipe, steps, trainer};
use super::oracle::Batch;
use super::oracle::params::config;
use model::tensors::TensorId;
use train::backend::{Part, Rates, StepReport};
use train::optim::{Matrices, Moments, Settings};
use train::recipe::Recipe;

const RATES: Rates = Rates { muon: 0.02, adam: 0.01 };

/// Every bit that training changes.
fn state(trainer: &mut Trainer) -> Vec<Vec<u32>> {
    let mut all = Vec::new();
    for p in trainer.ids() {
        for part in Part::ALL {
            let mut values = Vec::new();
            trainer.read(p, part, &mut values).unwrap();
            all.push(values.into_iter().map(f32::to_bits).collect());
        }
    }
    all
}

/// Puts a value into the whole gain of the output norm, takes a step, and takes it out again.
fn step_with_gain(trainer: &mut Trainer, batch: &Batch, value: f32) -> StepReport {
    let gain = trainer.specs().iter().position(|s| s.name == "output_norm.weight").map(TensorId).unwrap();
    let mut good = Vec::new();
    trainer.read(gain, Part::Latent, &mut good).unwrap();
    trainer.write(gain, Part::Latent, &vec![value; good.len()]).unwrap();
    let before = state(trainer);
    let report = trainer.step(4, &batch.ours(), RATES).unwrap();
    assert!(!report.skipped || state(trainer) == before, "a skipped step left something");
    trainer.write(gain, Part::Latent, &good).unwrap();
    report
}

#[test]
fn skipped_step_leaves_every_bit() {
    for (matrices, moments) in
        [(Matrices::Muon, Moments::F32), (Matrices::AdamW, Moments::F32), (Matrices::Muon, Moments::Bf16)]
    {
        let optimiser = Settings { matrices, moments, ..recipe().optimiser };
        let recipe = Recipe { optimiser, dropout: 0.1, ..recipe() };
        let c = config(2);
        let batch = batch(&c, 140);
        let (mut one, mut twin) = (trainer(&c, recipe), trainer(&c, recipe));
        steps(&mut one, &batch, 3);
        steps(&mut twin, &batch, 3);

        let nan = step_with_gain(&mut one, &batch, f32::NAN);
        assert!(nan.skipped && nan.loss.is_nan(), "{nan:?}");
        // A gradient whose square is beyond f32, of a loss that is a number.
        let large = step_with_gain(&mut one, &batch, 1e22);
        assert!(large.skipped && large.loss.is_finite() && large.grad_norm.is_infinite(), "{large:?}");

        let (a, b) =
            (one.step(5, &batch.ours(), RATES).unwrap(), twin.step(5, &batch.ours(), RATES).unwrap());
        assert!(!a.skipped);
        assert_eq!(a, b);
        assert!(state(&mut one) == state(&mut twin));
    }
}

/// An evaluation comes in the shape of the training batch; what it says of a text does not.
#[test]
fn evaluation_has_the_same_bits_for_any_batch() {
    let c = config(2);
    let text = super::oracle::random::Random::new(9).tokens(601, c.vocab);
    let of = |sequences| trainer(&c, Recipe { sequences, ..recipe() }).evaluate(&text).unwrap();
    let one = of(1);
    assert_eq!(one.tokens, 600);
    for sequences in [2, 3, 7, 64, 100, 130] {
        assert_eq!(of(sequences), one, "{sequences} sequences");
    }
}
