//! The model's ops in f64, one row or one sequence at a time: the formulas and nothing else.
//! Which op follows which is `model`'s business, the residual streams are `hyper`'s.

use model::config::Activation;

/// `y[t, r] = sum_i w[r, i] x[t, i]` for `x: (tokens, cols)`, `w: (rows, cols)`.
pub fn linear(w: &[f64], x: &[f64], cols: usize) -> Vec<f64> {
    let (rows, tokens) = (w.len() / cols, x.len() / cols);
    assert_eq!((w.len(), x.len()), (rows * cols, tokens * cols));
    // Tokens innermost: the only liberty taken for speed, because a gradient costs two forwards an element.
    let mut columns = vec![0.0; x.len()];
    for t in 0..tokens {
        for i in 0..cols {
            columns[i * tokens + t] = x[t * cols + i];
        }
    }
    let mut y = vec![0.0; tokens * rows];
    let mut sums = vec![0.0; tokens];
    for r in 0..rows {
        sums.fill(0.0);
        for i in 0..cols {
            let weight = w[r * cols + i];
            for (sum, x) in sums.iter_mut().zip(&columns[i * tokens..]) {
                *sum += weight * x;
            }
        }
        for t in 0..tokens {
            y[t * rows + r] = sums[t];
        }
    }
    y
}

/// `x / sqrt(mean(x^2) + eps)`, times the gain if there is one; each row of `width` alone.
pub fn rms_norm(x: &[f64], width: usize, gain: Option<&[f64]>, eps: f64) -> Vec<f64> {
    assert_eq!(x.len() % width, 0);
    let mut y = x.to_vec();
    for row in y.chunks_exact_mut(width) {
        let mean_square = row.iter().map(|v| v * v).sum::<f64>() / width as f64;
        let scale = 1.0 / (mean_square + eps).sqrt();
        for i in 0..width {
            row[i] *= scale * gain.map_or(1.0, |g| g[i]);
        }
    }
    y
}

/// Rotates one head at `position`: dimension `i` with `i + hd/2`, by `position * base^(-2i/hd)`.
pub fn rope(head: &mut [f64], position: usize, base: f64) {
    let half = head.len() / 2;
    for i in 0..half {
        let angle = position as f64 * base.powf(-2.0 * i as f64 / head.len() as f64);
        let (sin, cos) = angle.sin_cos();
        let (a, b) = (head[i], head[i + half]);
        head[i] = a * cos - b * sin;
        head[i + half] = b * cos + a * sin;
    }
}

/// `exp(x) / sum exp(x)`.
pub fn softmax(x: &[f64]) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = x.iter().map(|v| (v - max).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|e| e / sum).collect()
}

/// Causal softmax attention of one sequence: `q: (seq, heads, hd)`, `k, v: (seq, kv_heads, hd)`, query head `h`
/// reads key-value head `h / (heads / kv_heads)`, scores are divided by `sqrt(hd)`.
pub fn attention(q: &[f64], k: &[f64], v: &[f64], heads: usize, kv_heads: usize, hd: usize) -> Vec<f64> {
    let seq = q.len() / (heads * hd);
    let mut out = vec![0.0; q.len()];
    for t in 0..seq {
        for h in 0..heads {
            let shared = h / (heads / kv_heads);
            let row = |x: usize| (x * kv_heads + shared) * hd;
            let query = &q[(t * heads + h) * hd..][..hd];
            let scores: Vec<f64> = (0..=t)
                .map(|past| {
                    let key = &k[row(past)..][..hd];
                    query.iter().zip(key).map(|(a, b)| a * b).sum::<f64>() / (hd as f64).sqrt()
                })
                .collect();
            for (past, p) in softmax(&scores).into_iter().enumerate() {
                for i in 0..hd {
                    out[(t * heads + h) * hd + i] += p * v[row(past) + i];
                }
            }
        }
    }
    out
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The feed-forward non-linearity, element by element; `gate` is not read by [`Activation::Relu2`].
pub fn activate(kind: Activation, gate: &[f64], up: &[f64]) -> Vec<f64> {
    let relu2 = |x: f64| x.max(0.0) * x.max(0.0);
    match kind {
        Activation::SwiGlu => gate.iter().zip(up).map(|(g, u)| g * sigmoid(*g) * u).collect(),
        Activation::Relu2 => up.iter().map(|u| relu2(*u)).collect(),
        Activation::Relu2Gated => gate.iter().zip(up).map(|(g, u)| relu2(*g) * u).collect(),
    }
}

/// A target that is not scored.
pub const UNSCORED: u32 = u32::MAX;

/// Mean over the scored tokens of `-ln softmax(logits)[target]`, nats; `logits: (tokens, vocab)`.
pub fn cross_entropy(logits: &[f64], targets: &[u32]) -> f64 {
    let vocab = logits.len() / targets.len();
    let (mut sum, mut scored) = (0.0, 0);
    for (row, target) in logits.chunks_exact(vocab).zip(targets) {
        if *target == UNSCORED {
            continue;
        }
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = max + row.iter().map(|v| (v - max).exp()).sum::<f64>().ln();
        sum += log_sum - row[*target as usize];
        scored += 1;
    }
    sum / f64::from(scored)
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    /// f64 sums of a few hundred terms of order one.
    const TOL: f64 = 1e-13;

    fn assert_close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            assert!((x - y).abs() <= TOL * (1.0 + y.abs()), "at {i}: {x} and {y}");
        }
    }

    #[test]
    fn linear_is_a_row_by_column_product() {
        let (w, x) = ([1.0, 2.0, 3.0, -1.0, 0.0, 5.0], [1.0, 10.0, 100.0, 2.0, 0.0, -1.0]);
        assert_close(&linear(&w, &x, 3), &[321.0, 499.0, -1.0, -7.0]);
    }

    #[test]
    fn rms_norm_forgets_the_scale_and_has_unit_mean_square() {
        let x = Random::new(1).values(128, 2.0);
        let y = rms_norm(&x, 64, None, 0.0);
        assert_close(&y, &rms_norm(&x.iter().map(|v| v * 37.0).collect::<Vec<_>>(), 64, None, 0.0));
        for row in y.chunks_exact(64) {
            assert_close(&[row.iter().map(|v| v * v).sum::<f64>() / 64.0], &[1.0]);
        }
        assert_close(&rms_norm(&[3.0, 4.0], 2, Some(&[2.0, -1.0]), 12.5), &[6.0 / 5.0, -4.0 / 5.0]);
    }

    #[test]
    fn softmax_forgets_a_shift_and_sums_to_one() {
        let x = Random::new(2).values(9, 5.0);
        let p = softmax(&x);
        assert_close(&p, &softmax(&x.iter().map(|v| v - 800.0).collect::<Vec<_>>()));
        assert_close(&[p.iter().sum()], &[1.0]);
        assert_close(&softmax(&[0.0, 3.0f64.ln()]), &[0.25, 0.75]);
    }

    #[test]
    fn rope_turns_pairs_and_knows_only_distance() {
        let mut x = [1.0, 2.0, 0.0, 0.0];
        rope(&mut x, 3, 100.0);
        // Pairs (0, 2) and (1, 3) turn by 3 and by 3 / sqrt(100).
        assert_close(&x, &[3.0f64.cos(), 2.0 * 0.3f64.cos(), 3.0f64.sin(), 2.0 * 0.3f64.sin()]);
        let mut random = Random::new(3);
        let (q, k) = (random.values(32, 1.0), random.values(32, 1.0));
        let product = |at_q: usize, at_k: usize| {
            let (mut q, mut k) = (q.clone(), k.clone());
            rope(&mut q, at_q, 10_000.0);
            rope(&mut k, at_k, 10_000.0);
            q.iter().zip(&k).map(|(a, b)| a * b).sum::<f64>()
        };
        assert_close(&[product(9, 4)], &[product(5, 0)]);
        assert!((product(9, 4) - product(9, 5)).abs() > 1e-3);
    }

    #[test]
    fn attention_is_causal_and_groups_query_heads() {
        let (heads, kv_heads, hd, seq) = (4, 2, 8, 5);
        let mut random = Random::new(4);
        let q = random.values(seq * heads * hd, 1.0);
        let mut k = random.values(seq * kv_heads * hd, 1.0);
        let mut v = random.values(seq * kv_heads * hd, 1.0);
        let before = attention(&q, &k, &v, heads, kv_heads, hd);
        // The first position sees itself alone: query heads 0, 1 read value head 0, and 2, 3 value head 1.
        for h in 0..heads {
            assert_close(&before[h * hd..][..hd], &v[h / 2 * hd..][..hd]);
        }
        let last = (seq - 1) * kv_heads * hd;
        k[last..].fill(9.0);
        v[last..].fill(9.0);
        let after = attention(&q, &k, &v, heads, kv_heads, hd);
        let future = (seq - 1) * heads * hd;
        assert_eq!(before[..future], after[..future]);
        assert!(before[future..].iter().zip(&after[future..]).all(|(a, b)| a != b));
    }

    #[test]
    fn attention_divides_scores_by_the_root_of_the_head_width() {
        // Scores at the second position: 0 and 4 ln 3 / sqrt(16), so the weights are 1/4 and 3/4.
        let mut q = vec![0.0; 32];
        q[16] = 1.0;
        let mut k = vec![0.0; 32];
        k[16] = 4.0 * 3.0f64.ln();
        let v: Vec<f64> = (0..32).map(|i| if i < 16 { 0.0 } else { 1.0 }).collect();
        assert_close(&attention(&q, &k, &v, 1, 1, 16)[16..], &[0.75; 16]);
    }

    #[test]
    fn activations_match_their_formulas() {
        let (gate, up) = ([3.0f64.ln(), -2.0, 2.0], [2.0, 3.0, -1.0]);
        let swiglu = activate(Activation::SwiGlu, &gate, &up);
        assert_close(&swiglu[..1], &[1.5 * 3.0f64.ln()]);
        assert_close(&swiglu[1..2], &[-6.0 / (1.0 + 2.0f64.exp())]);
        assert_close(&activate(Activation::Relu2, &[], &up), &[4.0, 9.0, 0.0]);
        let relu2_gated = activate(Activation::Relu2Gated, &gate, &up);
        assert_close(&relu2_gated, &[2.0 * 3.0f64.ln().powi(2), 0.0, -4.0]);
    }

    #[test]
    fn cross_entropy_of_equal_logits_is_the_log_of_the_vocabulary() {
        assert_close(&[cross_entropy(&[7.0; 3 * 40], &[0, 39, 5])], &[40.0f64.ln()]);
        // p = 1/4 and p = 3/4.
        let logits = [0.0, 3.0f64.ln(), 1000.0, 1000.0 + 3.0f64.ln()];
        assert_close(&[cross_entropy(&logits, &[0, 1])], &[(4.0f64.ln() + (4.0f64 / 3.0).ln()) / 2.0]);
        assert_close(&[cross_entropy(&logits, &[0, UNSCORED])], &[4.0f64.ln()]);
    }
}
