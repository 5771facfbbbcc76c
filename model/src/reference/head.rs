//! The output head on one token.

/// `logits[r] = sum_k w[r, k] x[k]` for `w` (vocab x d).
pub fn head(w: &[f32], x: &[f32]) -> Vec<f32> {
    let mut logits = Vec::new();
    for row in w.chunks_exact(x.len()) {
        let mut sum = 0.0;
        for k in 0..x.len() {
            sum += row[k] * x[k];
        }
        logits.push(sum);
    }
    logits
}
