//! A ternary linear layer (arXiv 2402.17764, with scales by group) on one token.

use formats::ternary::{GROUP, quantise_group};

use super::quantise;

/// `y[r] = sum_k w'[r, k] x'[k]`, with `w'` (rows x cols) and `x'` (cols) the values that `w` and `x` are quantised to.
pub fn bitlinear(w: &[f32], x: &[f32]) -> Vec<f32> {
    let (a, q) = quantise(x);
    let mut y = Vec::new();
    for row in w.chunks_exact(x.len()) {
        let mut sum = 0.0;
        for (w, q) in row.chunks_exact(GROUP).zip(q.chunks_exact(GROUP)) {
            let mut codes = [0; GROUP];
            let s = quantise_group(w, &mut codes).to_f32();
            for k in 0..GROUP {
                sum += (s * f32::from(codes[k])) * (a * f32::from(q[k]));
            }
        }
        y.push(sum);
    }
    y
}
