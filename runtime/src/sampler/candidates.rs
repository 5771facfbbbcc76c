//! The ids that a draw is among: found by how likely they are at least, kept by top-k, top-p and min-p. Passes over the vocabulary, of which
//! most ids never matter.

use std::cmp::Ordering;

use cpu::Kernels;

/// A candidate: its (penalised) logit, then its weight `exp((logit - max) / temperature)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) id: u32,
    pub(super) logit: f32,
    pub(super) weight: f32,
}

/// The most likely first; the lowest id among equals.
pub(super) fn likelier(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

/// A logit that the candidates of interest reach, found by going down from the largest: a truncated softmax nearly always
/// lives in a few hundred ids, and a pass over the vocabulary costs less than sorting a part of it.
pub(super) fn lower_bound(max: f32, temperature: f32, enough_from: impl Fn(f32) -> bool) -> f32 {
    let mut nats = 2.0;
    // Further down, weights are nothing beside the largest.
    while nats < 100.0 {
        let bound = max - nats * temperature;
        if enough_from(bound) {
            return bound;
        }
        nats *= 2.0;
    }
    f32::NEG_INFINITY
}

/// How many logits reach `bound`.
pub(super) fn count_from(logits: &[f32], bound: f32) -> usize {
    Kernels::best().vectorise(|| logits.iter().map(|l| u32::from(*l >= bound)).sum::<u32>() as usize)
}

/// The weight of the logits that reach `bound`, summed in eight lanes.
pub(super) fn weight_from(logits: &[f32], weights: &[f32], bound: f32) -> f64 {
    Kernels::best().vectorise(|| {
        let mut lanes = [0.0f64; 8];
        let (logits, logits_tail) = logits.as_chunks::<8>();
        let (weights, weights_tail) = weights.as_chunks::<8>();
        let reached = |l: f32, w: f32| f64::from(if l >= bound { w } else { 0.0 });
        for (l, w) in logits.iter().zip(weights) {
            for i in 0..8 {
                lanes[i] += reached(l[i], w[i]);
            }
        }
        let tail = logits_tail.iter().zip(weights_tail).map(|(&l, &w)| reached(l, w));
        lanes.into_iter().chain(tail).sum()
    })
}

/// The candidates that reach `bound`, in order of id.
pub(super) fn collect_from(logits: &[f32], weights: &[f32], bound: f32, candidates: &mut Vec<Candidate>) {
    candidates.clear();
    Kernels::best().vectorise(|| {
        for (i, chunk) in logits.chunks(32).enumerate() {
            if !chunk.iter().fold(false, |any, l| any | (*l >= bound)) {
                continue;
            }
            for (j, &logit) in chunk.iter().enumerate().filter(|(_, l)| **l >= bound) {
                let id = 32 * i + j;
                candidates.push(Candidate { id: id as u32, logit, weight: weights[id] });
            }
        }
    });
}

pub(super) fn weight_of(c: &[Candidate]) -> f64 {
    c.iter().map(|c| f64::from(c.weight)).sum()
}

/// Keeps the fewest candidates, most likely first, whose weight is `enough`. At least one stays.
pub(super) fn keep_top_p(c: &mut Vec<Candidate>, enough: f64) {
    let last = select_by_weight(c, |sum| sum >= enough);
    c.truncate(last + 1);
}

/// Counting from the most likely candidate on: the index of the first whose weight, with that of all before it, is what
/// `reached` waits for; else the last. Those before it are the likelier ones, in no order: halving costs as
/// much as looking at all twice, sorting a flat distribution far more than a small model's forward pass.
pub(super) fn select_by_weight(c: &mut [Candidate], reached: impl Fn(f64) -> bool) -> usize {
    let (mut start, mut end, mut before) = (0, c.len(), 0.0);
    while end - start > 1 {
        let half = (end - start) / 2;
        let part = &mut c[start..end];
        part.select_nth_unstable_by(half, likelier);
        let sum = before + weight_of(&part[..half]);
        if reached(sum) {
            end = start + half;
        } else {
            (start, before) = (start + half, sum);
        }
    }
    start
}
