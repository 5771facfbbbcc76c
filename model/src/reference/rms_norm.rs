//! RMS norm of one row (arXiv 1910.07467).

/// `y = x / sqrt(mean(x^2) + eps) * gain`; no gain is a gain of ones.
pub fn rms_norm(x: &[f32], gain: Option<&[f32]>, eps: f32) -> Vec<f32> {
    let mut sum = 0.0;
    for &x in x {
        sum += x * x;
    }
    let rms = (sum / x.len() as f32 + eps).sqrt();
    let mut y = Vec::new();
    for i in 0..x.len() {
        y.push(x[i] / rms * gain.map_or(1.0, |gain| gain[i]));
    }
    y
}
