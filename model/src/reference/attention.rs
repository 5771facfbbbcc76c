//! Causal grouped-query attention of a whole sequence.

/// Output (tokens x heads x head_dim) of queries `q` (the same shape) over keys `k` and values `v` (tokens x
/// kv_heads x head_dim). Query head `h` reads key-value head `h / (heads / kv_heads)`; scores are scaled by
/// `1 / sqrt(head_dim)`.
pub fn attention(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
) -> Vec<f32> {
    let tokens = q.len() / (heads * head_dim);
    let mut out = vec![0.0; q.len()];
    for t in 0..tokens {
        for h in 0..heads {
            let q = &q[(t * heads + h) * head_dim..][..head_dim];
            let kv =
                |x: &[f32], u: usize, i: usize| x[(u * kv_heads + h / (heads / kv_heads)) * head_dim + i];
            let mut scores = Vec::new();
            for u in 0..=t {
                let mut dot = 0.0;
                for i in 0..head_dim {
                    dot += q[i] * kv(k, u, i);
                }
                scores.push(dot / (head_dim as f32).sqrt());
            }
            let max = scores.iter().fold(f32::NEG_INFINITY, |m, &s| m.max(s));
            let mut sum = 0.0;
            for s in &mut scores {
                *s = (*s - max).exp();
                sum += *s;
            }
            for i in 0..head_dim {
                let mut y = 0.0;
                for u in 0..=t {
                    y += scores[u] / sum * kv(v, u, i);
                }
                out[(t * heads + h) * head_dim + i] = y;
            }
        }
    }
    out
}
