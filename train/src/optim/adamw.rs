//! AdamW (arXiv 1711.05101) with bias correction.

use cpu::Kernels;

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
    assert!(grad.len() == w.len() && m.len() == w.len() && v.len() == w.len());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::kernels::testing::Lcg;

    const SETTINGS: Settings = Settings { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };

    /// Steps over gradients that change from step to step.
    fn steps(kernels: &Kernels, len: usize, count: u64) -> [Vec<f32>; 3] {
        let mut rng = Lcg::new(4);
        let (mut w, mut m, mut v) = (rng.vec(len), vec![0.0; len], vec![0.0; len]);
        for step in 0..count {
            let grad = rng.vec(len);
            update(kernels, &mut w, &grad, &mut m, &mut v, step, 0.01, 0.5, &SETTINGS);
        }
        [w, m, v]
    }

    #[test]
    fn adamw_matches_the_formula_in_f64() {
        let (len, count) = (37, 20);
        let got = steps(Kernels::best(), len, count);
        let mut rng = Lcg::new(4);
        let mut w: Vec<f64> = rng.vec(len).iter().map(|&x| f64::from(x)).collect();
        let (mut m, mut v) = (vec![0.0f64; len], vec![0.0f64; len]);
        for t in 1..=count as i32 {
            for (i, g) in rng.vec(len).iter().enumerate() {
                let g = f64::from(*g) * 0.5;
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.95 * v[i] + 0.05 * g * g;
                let (mean, square) = (m[i] / (1.0 - 0.9f64.powi(t)), v[i] / (1.0 - 0.95f64.powi(t)));
                w[i] -= 0.01 * (mean / (square.sqrt() + 1e-8) + 0.1 * w[i]);
            }
        }
        for i in 0..len {
            assert!((f64::from(got[0][i]) - w[i]).abs() < 2e-6, "w {i}: {} {}", got[0][i], w[i]);
            assert!((f64::from(got[1][i]) - m[i]).abs() < 1e-6, "m {i}");
            assert!((f64::from(got[2][i]) - v[i]).abs() < 1e-6, "v {i}");
        }
    }

    #[test]
    fn adamw_first_step_moves_by_the_learning_rate() {
        let (mut w, mut m, mut v) = (vec![1.0f32; 9], vec![0.0; 9], vec![0.0; 9]);
        let s = Settings { weight_decay: 0.0, ..SETTINGS };
        update(Kernels::best(), &mut w, &[-3.0; 9], &mut m, &mut v, 0, 0.01, 1.0, &s);
        assert!(w.iter().all(|w| (w - 1.01).abs() < 1e-6), "{w:?}");
    }

    #[test]
    fn adamw_has_the_same_bits_on_every_row_and_for_every_split() {
        let whole = steps(Kernels::best(), 67, 5);
        for kernels in Kernels::available() {
            assert_eq!(steps(kernels, 67, 5), whole, "{}", kernels.name);
        }
        let mut rng = Lcg::new(4);
        let (mut w, mut m, mut v) = (rng.vec(67), vec![0.0; 67], vec![0.0; 67]);
        for step in 0..5 {
            let grad = rng.vec(67);
            for part in [0..13, 13..67] {
                let (w, g) = (&mut w[part.clone()], &grad[part.clone()]);
                update(Kernels::best(), w, g, &mut m[part.clone()], &mut v[part], step, 0.01, 0.5, &SETTINGS);
            }
        }
        assert_eq!([w, m, v], whole);
    }
}
