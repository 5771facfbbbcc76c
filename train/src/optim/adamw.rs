//! AdamW (arXiv 1711.05101) with bias correction.

use runtime::cpu::Kernels;

/// Constants of AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Decay of the running mean of gradients.
    pub beta1: f32,
    /// Decay of the running mean of their squares.
    pub beta2: f32,
    /// Keeps the division finite.
    pub eps: f32,
    /// Decoupled weight decay, a share of the learning rate.
    pub weight_decay: f32,
}

/// Step `step` (counted from 0) for one array; `grad` is read times `grad_scale`.
///
/// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, `w -= lr (m^ / (sqrt(v^) + eps) + decay w)`, hats bias-corrected.
pub fn update(
    kernels: &Kernels,
    w: &mut [f32],
    grad: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    step: u64,
    lr: f32,
    grad_scale: f32,
    s: &Settings,
) {
    let t = (step + 1).min(1 << 30) as i32;
    let c1 = (1.0 / (1.0 - f64::from(s.beta1).powi(t))) as f32;
    let c2 = (1.0 / (1.0 - f64::from(s.beta2).powi(t))) as f32;
    kernels.vectorise(|| {
        for (((w, g), m), v) in w.iter_mut().zip(grad).zip(m).zip(v) {
            let g = g * grad_scale;
            *m = s.beta1 * *m + (1.0 - s.beta1) * g;
            *v = s.beta2 * *v + (1.0 - s.beta2) * g * g;
            *w -= lr * (*m * c1 / ((*v * c2).sqrt() + s.eps) + s.weight_decay * *w);
        }
    });
}
