//! Muon (Jordan et al. 2024): Nesterov momentum whose update is orthogonalised by Newton-Schulz steps.

use runtime::cpu::Kernels;

use crate::cpu::kernels::gemm::gemm;

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

/// One step for a matrix `w` (rows x cols, row-major).
///
/// `b = mu b + g`, `u = g + mu b`, `w -= lr (max(1, rows / cols)^0.5 NS(u) + decay w)`.
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
    let mut u = vec![0.0f32; w.len()];
    kernels.vectorise(|| {
        for ((u, g), b) in u.iter_mut().zip(grad).zip(momentum) {
            *b = s.momentum * *b + g;
            *u = g + s.momentum * *b;
        }
    });
    orthogonalise(kernels, &mut u, rows, cols, s.ns_steps);
    let scale = lr * (rows as f32 / cols as f32).max(1.0).sqrt();
    let decay = lr * s.weight_decay;
    kernels.vectorise(|| {
        for (w, u) in w.iter_mut().zip(&u) {
            *w -= scale * u + decay * *w;
        }
    });
}

/// Replaces `x` by an approximation of the nearest matrix with orthonormal rows or columns.
fn orthogonalise(kernels: &Kernels, x: &mut [f32], rows: usize, cols: usize, steps: usize) {
    // Work on the Gram matrix of the shorter side.
    let (m, n, stride) = if rows <= cols { (rows, cols, (cols, 1)) } else { (cols, rows, (1, cols)) };
    let transposed = (stride.1, stride.0);
    let norm = kernels.dot_f32(x, x).sqrt() + 1e-7;
    x.iter_mut().for_each(|v| *v /= norm);
    let (a, b, c) = QUINTIC;
    let mut gram = vec![0.0f32; m * m];
    let mut poly = vec![0.0f32; m * m];
    let mut next = vec![0.0f32; m * n];
    for _ in 0..steps {
        gemm(m, m, n, 1.0, x, stride, x, transposed, 0.0, &mut gram, (m, 1));
        poly.copy_from_slice(&gram);
        gemm(m, m, m, c, &gram, (m, 1), &gram, (m, 1), b, &mut poly, (m, 1));
        next.copy_from_slice(x);
        gemm(m, n, m, 1.0, &poly, (m, 1), x, stride, a, &mut next, stride);
        x.copy_from_slice(&next);
    }
}
