//! What a row of logits says as a whole: its largest, and the sum that makes probabilities of them.

use cpu::Kernels;
use cpu::ops::exp;

/// The largest of some finite numbers.
pub(super) fn largest(values: &[f32]) -> f32 {
    Kernels::best().vectorise(|| {
        let mut lanes = [f32::NEG_INFINITY; 32];
        let (chunks, tail) = values.as_chunks::<32>();
        for c in chunks {
            for i in 0..32 {
                lanes[i] = if c[i] > lanes[i] { c[i] } else { lanes[i] };
            }
        }
        lanes.iter().chain(tail).fold(f32::NEG_INFINITY, |m, &v| m.max(v))
    })
}

/// Index of the largest value, the first among equals. Without finite values, 0.
pub fn argmax(values: &[f32]) -> u32 {
    let max = largest(values);
    // Most chunks do not hold it, and those are quickly passed over.
    let hit = Kernels::best().vectorise(|| {
        values.chunks(32).position(|chunk| chunk.iter().fold(false, |any, v| any | (*v == max)))
    });
    let start = 32 * hit.unwrap_or(0);
    (start + values[start..].iter().position(|v| *v == max).unwrap_or(0)) as u32
}

/// `ln sum exp` of a row of logits; `logits[id] - log_sum_exp(logits)` is a log-probability. The sum runs in f64, in eight
/// lanes.
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = largest(logits);
    let sum: f64 = Kernels::best().vectorise(|| {
        let mut lanes = [0.0f64; 8];
        let (chunks, tail) = logits.as_chunks::<8>();
        for l in chunks {
            for i in 0..8 {
                lanes[i] += f64::from(exp(l[i] - max));
            }
        }
        lanes.into_iter().chain(tail.iter().map(|l| f64::from(exp(l - max)))).sum()
    });
    f64::from(max) + sum.ln()
}
