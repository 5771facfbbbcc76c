//! How training starts: the first loss, streams that differ, and mixing parameters that learn.

use super::fixture::{Trainer, batch, named, on_threads, recipe, steps, trainer};
use super::oracle::Batch;
use super::oracle::params::config;
use super::oracle::random::Random;
use model::config::{ModelConfig, StoredType};
use train::recipe::Recipe;
use train::trainer::Named;

/// Share of ln(vocabulary) that the first loss may be off.
const TOL_FIRST_LOSS: f64 = 0.02;

#[test]
fn first_loss_is_the_log_of_the_vocabulary() {
    let (f16, q8_0, q1_58) = (StoredType::F16, StoredType::Q8_0, StoredType::Q1_58);
    for (vocab, streams, tied, stored) in [
        (256, 1, true, f16),
        (256, 2, true, q8_0),
        (256, 4, true, q1_58),
        (256, 1, false, q1_58),
        (2048, 1, true, q1_58),
        (2048, 2, true, f16),
        (2048, 4, false, q8_0),
        (50_257, 2, true, f16),
    ] {
        let c = ModelConfig { vocab, tied, embedding: stored, head: stored, ..config(streams) };
        let mut random = Random::new(1);
        // As in text, a few tokens are followed by themselves, and a tied head likes that.
        let mut text = random.tokens(64, vocab);
        text[31] = text[30];
        text[51] = text[50];
        let loss = trainer(&c, Recipe { tokens: 8, ..recipe() }).evaluate(&text).unwrap().mean();
        let off = loss / (vocab as f64).ln() - 1.0;
        assert!(off.abs() < TOL_FIRST_LOSS, "{c:?}: first loss {loss}, off by {off}");
    }
}

/// How far the nearest other stream of a token is from its first, as a share of the token's largest value.
fn divergence(token: &[f32], n: usize) -> f32 {
    let largest = |x: &mut dyn Iterator<Item = f32>| x.fold(0.0f32, |m, v| m.max(v.abs()));
    let streams: Vec<_> = token.chunks_exact(token.len() / n).collect();
    let apart = |other: &&[f32]| largest(&mut streams[0].iter().zip(*other).map(|(a, b)| a - b));
    streams[1..].iter().map(apart).fold(f32::INFINITY, f32::min) / largest(&mut token.iter().copied())
}

fn gradient(trainer: &mut Trainer, batch: &Batch) -> Vec<Named> {
    trainer.gradients(0, &batch.ours()).unwrap().1
}

/// The first mixing matrix acts on equal streams and only the sum of what the last one mixes is read: since rows
/// and columns of R sum to one, neither can matter. All others must learn.
fn cannot_matter(name: &str, blocks: usize) -> bool {
    name.starts_with("blk.0.hc_attn_res") || name.starts_with(&format!("blk.{}.hc_ffn_res", blocks - 1))
}

#[test]
fn streams_start_apart_and_stay_apart() {
    for n in [2, 4] {
        let c = config(n);
        let batch = batch(&c, 2);
        let mut trainer = trainer(&c, recipe());
        for round in 0..2 {
            let streams = trainer.logits(&batch.tokens).unwrap().1;
            for token in streams.chunks_exact(n * c.width) {
                let apart = divergence(token, n);
                assert!(apart > 0.01, "streams of a token differ by {apart} of their size, round {round}");
            }
            steps(&mut trainer, &batch, 3);
        }
    }
}

#[test]
fn mixing_parameters_receive_gradient_and_move() {
    for n in [2, 4] {
        let c = config(n);
        let batch = batch(&c, 3);
        let mut trainer = trainer(&c, recipe());
        let before = named(&mut trainer);
        for Named { name, data, .. } in gradient(&mut trainer, &batch) {
            if name.contains("hc_") && !cannot_matter(&name, c.blocks) {
                let largest = data.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                // alpha multiplies a product with matrices that start at zero, so it waits for them.
                assert_eq!(largest == 0.0, name.ends_with(".alpha"), "{name}: {largest}");
            }
        }
        steps(&mut trainer, &batch, 3);
        for Named { name, data, .. } in gradient(&mut trainer, &batch) {
            if name.contains("hc_") && !cannot_matter(&name, c.blocks) {
                let largest = data.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                assert!(largest > 1e-10, "{name}: {largest}");
            }
        }
        for (before, after) in before.iter().zip(named(&mut trainer)) {
            assert!(
                cannot_matter(&after.name, c.blocks) || before.data != after.data,
                "{} stays",
                after.name
            );
        }
    }
}

/// Threads share work, they do not decide results; shards do, by the order of their sums alone.
#[test]
fn gradient_is_the_same_for_any_number_of_threads() {
    let c = config(2);
    let batch = batch(&c, 4);
    let of = |threads: usize| {
        let mut trainer = on_threads(threads, &c, recipe());
        steps(&mut trainer, &batch, 2);
        gradient(&mut trainer, &batch)
    };
    let one = of(1);
    assert_eq!(one, of(2));
    assert_eq!(one, of(5));
}
