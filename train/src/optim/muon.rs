//! Muon: Nesterov momentum whose update is orthogonalised by Newton-Schulz steps.
//! Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.

use cpu::Kernels;

use crate::cpu::kernels::gemm::gemm;
use crate::cpu::kernels::symmetric::gemm_symmetric;

/// Constants of Muon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Nesterov momentum.
    pub momentum: f32,
    /// Newton-Schulz steps.
    pub ns_steps: usize,
    /// Decoupled weight decay, a share of the learning rate.
    pub weight_decay: f32,
}

/// Coefficients of the quintic whose iteration takes singular values from (0, 1] to near 1.
const QUINTIC: (f32, f32, f32) = (3.4445, -4.7750, 2.0315);

/// Newton-Schulz steps between two Gram matrices computed afresh. A rounding error of a Gram matrix where the true
/// eigenvalue is zero may be negative, and each step multiplies it by 12: five steps leave it below 0.01 where a
/// dozen would let it diverge.
const STEPS_A_GRAM: usize = 5;

/// Keeps the division by the norm finite for a gradient of zeros, which then gives no update.
const NORM_EPS: f32 = 1e-7;

/// One step for a matrix `w` (rows x cols, row-major).
///
/// `b = mu b + g`, `u = g + mu b`, `w -= lr (max(1, rows / cols)^0.5 NS(u) + decay w)`.
/// `NS` divides by the norm, so the size of the gradient does not matter.
pub fn update(
    kernels: &Kernels,
    w: &mut [f32],
    grad: &[f32],
    momentum: &mut [f32],
    rows: usize,
    cols: usize,
    lr: f32,
    s: &Settings,
) {
    assert!(w.len() == rows * cols && grad.len() == w.len() && momentum.len() == w.len());
    let mut u = vec![0.0f32; w.len()];
    kernels.vectorise(|| {
        for ((u, g), b) in u.iter_mut().zip(grad).zip(momentum) {
            *b = s.momentum * *b + g;
            *u = g + s.momentum * *b;
        }
    });
    let u = orthogonalise(kernels, u, rows, cols, s.ns_steps);
    let scale = lr * (rows as f32 / cols as f32).max(1.0).sqrt();
    let decay = lr * s.weight_decay;
    kernels.vectorise(|| {
        for (w, u) in w.iter_mut().zip(&u) {
            *w -= scale * u + decay * *w;
        }
    });
}

/// An approximation of the matrix nearest to `x` (rows x cols) with orthonormal rows or columns, whichever are fewer.
fn orthogonalise(kernels: &Kernels, mut x: Vec<f32>, rows: usize, cols: usize, steps: usize) -> Vec<f32> {
    let mut scale = 1.0 / (kernels.dot_f32(&x, &x).sqrt() + NORM_EPS);
    let mut out = vec![0.0f32; x.len()];
    let mut left = steps;
    while left > 0 {
        let steps = left.min(STEPS_A_GRAM);
        let p = polynomial(&x, rows, cols, scale, steps);
        let (m, square) = (rows.min(cols), (rows.min(cols), 1));
        if rows <= cols {
            gemm(rows, cols, m, scale, &p, square, &x, (cols, 1), 0.0, &mut out, (cols, 1));
        } else {
            gemm(rows, cols, m, scale, &x, (cols, 1), &p, square, 0.0, &mut out, (cols, 1));
        }
        std::mem::swap(&mut x, &mut out);
        scale = 1.0;
        left -= steps;
    }
    x
}

/// The matrix `P` (m x m, m the shorter side) such that `P X`, or `X P` if `x` is taller than wide, is `X = scale x` after
/// `steps` steps of `X <- (a + b X X^T + c (X X^T)^2) X`.
///
/// All matrices of the iteration but `X` are polynomials of one Gram matrix: they are symmetric and commute. So the
/// iteration runs on them (`A <- Q^2 A`, `P <- Q P` with `Q = a + b A + c A^2`), half of every product is saved, and `X`
/// itself is read twice instead of twice a step. For a matrix three times as wide as tall that is 1.8 times less work
/// than iterating on `X`; for a square one it is the same.
fn polynomial(x: &[f32], rows: usize, cols: usize, scale: f32, steps: usize) -> Vec<f32> {
    let (m, n) = (rows.min(cols), rows.max(cols));
    let (along, across) = if rows <= cols { ((cols, 1), (1, cols)) } else { ((1, cols), (cols, 1)) };
    let product = |alpha: f32, a: &[f32], b: &[f32], beta: f32, c: &mut [f32]| {
        gemm_symmetric(m, m, alpha, a, (m, 1), b, (m, 1), beta, c);
    };
    let [mut gram, mut p, mut q, mut square, mut next] = std::array::from_fn(|_| vec![0.0f32; m * m]);
    gemm_symmetric(m, n, scale * scale, x, along, x, across, 0.0, &mut gram);
    let (a, b, c) = QUINTIC;
    for step in 0..steps {
        q.copy_from_slice(&gram);
        product(c, &gram, &gram, b, &mut q);
        for i in 0..m {
            q[i * m + i] += a;
        }
        if step == 0 {
            p.copy_from_slice(&q);
        } else {
            product(1.0, &q, &p, 0.0, &mut next);
            std::mem::swap(&mut p, &mut next);
        }
        if step + 1 < steps {
            product(1.0, &q, &q, 0.0, &mut square);
            product(1.0, &square, &gram, 0.0, &mut next);
            std::mem::swap(&mut gram, &mut next);
        }
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::kernels::testing::Lcg;

    const SHAPES: [(usize, usize); 6] = [(1, 5), (16, 16), (64, 128), (128, 64), (96, 40), (70, 200)];

    /// The textbook iteration on `X` itself, in f64.
    fn plain(x: &[f32], rows: usize, cols: usize, steps: usize) -> Vec<f64> {
        let mut x: Vec<f64> = x.iter().map(|&v| v as f64).collect();
        let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt() + NORM_EPS as f64;
        x.iter_mut().for_each(|v| *v /= norm);
        let (a, b, c) = (QUINTIC.0 as f64, QUINTIC.1 as f64, QUINTIC.2 as f64);
        let times = |x: &[f64], y: &[f64], m: usize, k: usize, n: usize| -> Vec<f64> {
            (0..m * n).map(|i| (0..k).map(|p| x[i / n * k + p] * y[p * n + i % n]).sum()).collect()
        };
        for _ in 0..steps {
            let xt: Vec<f64> = (0..x.len()).map(|i| x[i % rows * cols + i / rows]).collect();
            let gram = times(&x, &xt, rows, cols, rows);
            let square = times(&gram, &gram, rows, rows, rows);
            let mut q: Vec<f64> = gram.iter().zip(&square).map(|(g, s)| b * g + c * s).collect();
            (0..rows).for_each(|i| q[i * rows + i] += a);
            x = times(&q, &x, rows, rows, cols);
        }
        x
    }

    fn worst(got: &[f32], want: &[f64]) -> f64 {
        got.iter()
            .zip(want)
            .map(|(g, w)| (*g as f64 - w).abs())
            .fold(0.0, |m, e| if e > m || e.is_nan() { e } else { m })
    }

    /// `rank` outer products whose sizes fall by `ratio`, so that singular values span many magnitudes.
    fn low_rank(rng: &mut Lcg, rows: usize, cols: usize, rank: usize, ratio: f32) -> Vec<f32> {
        let mut x = vec![0.0; rows * cols];
        for r in 0..rank {
            let (u, v) = (rng.vec(rows), rng.vec(cols));
            gemm(rows, cols, 1, ratio.powi(r as i32), &u, (1, 1), &v, (cols, 1), 1.0, &mut x, (cols, 1));
        }
        x
    }

    #[test]
    fn muon_newton_schulz_matches_the_plain_iteration() {
        let mut rng = Lcg::new(5);
        for (rows, cols) in SHAPES {
            for steps in [1, 5, 12] {
                for (kind, x) in [
                    ("random", rng.vec(rows * cols)),
                    ("rank 1", low_rank(&mut rng, rows, cols, 1, 1.0)),
                    ("spread", low_rank(&mut rng, rows, cols, rows.min(cols), 0.8)),
                ] {
                    let want = plain(&x, rows, cols, steps);
                    for kernels in Kernels::available() {
                        let got = orthogonalise(kernels, x.clone(), rows, cols, steps);
                        // Rounding, which every step amplifies 3.4 times where the singular value is zero;
                        // measured 1.5e-4 and 2.7e-2 at worst, both for rank 1.
                        let bound = if steps <= STEPS_A_GRAM { 5e-4 } else { 6e-2 };
                        let worst = worst(&got, &want);
                        assert!(worst < bound, "{rows}x{cols} {kind} {steps} steps: {worst:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn muon_update_is_nearly_orthogonal() {
        let mut rng = Lcg::new(6);
        for (rows, cols) in [(32, 128), (128, 32), (64, 96)] {
            let x = orthogonalise(Kernels::best(), rng.vec(rows * cols), rows, cols, 5);
            let m = rows.min(cols);
            let mut gram = vec![0.0; m * m];
            let (a, b) = if rows <= cols { ((cols, 1), (1, cols)) } else { ((1, cols), (cols, 1)) };
            gemm(m, m, rows.max(cols), 1.0, &x, a, &x, b, 0.0, &mut gram, (m, 1));
            // The quintic leaves singular values in about 0.68 to 1.14: eigenvalues of the Gram matrix in 0.46 to 1.3.
            // Every |O O^T - I| entry is below the largest deviation of an eigenvalue; the trace bounds their mean.
            for i in 0..m {
                for j in 0..m {
                    let want = if i == j { 1.0 } else { 0.0 };
                    assert!((gram[i * m + j] - want).abs() < 0.56, "{rows}x{cols}: {}", gram[i * m + j]);
                }
            }
            let trace: f32 = (0..m).map(|i| gram[i * m + i]).sum::<f32>() / m as f32;
            assert!((0.6..1.2).contains(&trace), "{rows}x{cols}: mean squared singular value {trace}");
        }
    }

    #[test]
    fn muon_step_applies_momentum_shape_scale_and_decay() {
        let (rows, cols) = (24, 6);
        let mut rng = Lcg::new(8);
        let (start, buffer) = (rng.vec(rows * cols), rng.vec(rows * cols));
        let grad = rng.vec(rows * cols);
        let s = Settings { momentum: 0.9, ns_steps: 5, weight_decay: 0.1 };
        let (mut w, mut b) = (start.clone(), buffer.clone());
        update(Kernels::best(), &mut w, &grad, &mut b, rows, cols, 0.02, &s);
        let want_b: Vec<f32> = buffer.iter().zip(&grad).map(|(b, g)| 0.9 * b + g).collect();
        assert!(b.iter().zip(&want_b).all(|(x, y)| (x - y).abs() < 1e-6));
        let u: Vec<f32> = want_b.iter().zip(&grad).map(|(b, g)| g + 0.9 * b).collect();
        let o = plain(&u, rows, cols, 5);
        for i in 0..w.len() {
            // sqrt(24 / 6) = 2
            let want = start[i] as f64 * (1.0 - 0.02 * 0.1) - 0.02 * 2.0 * o[i];
            assert!((w[i] as f64 - want).abs() < 1e-4, "{i}: {} {want}", w[i]);
        }
    }

    #[test]
    fn muon_ignores_the_size_of_the_gradient_and_repeats_bit_for_bit() {
        let (rows, cols) = (70, 130);
        let grad = Lcg::new(9).vec(rows * cols);
        let s = Settings { momentum: 0.95, ns_steps: 5, weight_decay: 0.0 };
        let run = |scale: f32| {
            let grad: Vec<f32> = grad.iter().map(|g| g * scale).collect();
            let (mut w, mut b) = (vec![0.5; rows * cols], vec![0.0; rows * cols]);
            for _ in 0..3 {
                update(Kernels::best(), &mut w, &grad, &mut b, rows, cols, 0.02, &s);
            }
            w
        };
        assert_eq!(run(1.0), run(1.0));
        let difference = run(1.0).iter().zip(run(0.01)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-5, "{difference}");
    }

    #[test]
    fn muon_leaves_the_weights_alone_without_a_gradient() {
        let (mut w, mut b) = (vec![0.5; 12], vec![0.0; 12]);
        let s = Settings { momentum: 0.95, ns_steps: 5, weight_decay: 0.0 };
        update(Kernels::best(), &mut w, &[0.0; 12], &mut b, 3, 4, 0.02, &s);
        assert_eq!(w, [0.5; 12]);
    }
}
