//! Moments kept in bf16: every one is a value of bf16 after every step, and the first step moves parameters as f32 does.

use super::fixture::{Trainer, batch, recipe, steps, trainer};
use super::oracle::params::config;
use train::backend::Part;
use train::optim::{Matrices, Moments, Settings};
use train::recipe::Recipe;

fn values(trainer: &mut Trainer, parts: &[Part]) -> Vec<u32> {
    let mut all = Vec::new();
    for p in trainer.ids() {
        for &part in parts {
            let mut some = Vec::new();
            trainer.read(p, part, &mut some).unwrap();
            all.extend(some.into_iter().map(f32::to_bits));
        }
    }
    all
}

#[test]
fn moments_are_kept_in_bf16_and_used_in_f32() {
    for matrices in [Matrices::Muon, Matrices::AdamW] {
        let c = config(2);
        let batch = batch(&c, 77);
        let with = |moments: Moments| {
            let optimiser = Settings { matrices, moments, ..recipe().optimiser };
            trainer(&c, Recipe { optimiser, ..recipe() })
        };
        let (mut exact, mut kept) = (with(Moments::F32), with(Moments::Bf16));
        let moments = [Part::First, Part::Second];
        steps(&mut exact, &batch, 1);
        steps(&mut kept, &batch, 1);
        assert!(values(&mut exact, &[Part::Latent]) == values(&mut kept, &[Part::Latent]));
        let is_rounded = |all: &[u32]| all.iter().all(|bits| bits & 0xFFFF == 0);
        assert!(is_rounded(&values(&mut kept, &moments)) && !is_rounded(&values(&mut exact, &moments)));
        steps(&mut kept, &batch, 3);
        steps(&mut exact, &batch, 3);
        assert!(is_rounded(&values(&mut kept, &moments)));
        assert!(values(&mut exact, &[Part::Latent]) != values(&mut kept, &[Part::Latent]));
    }
}
