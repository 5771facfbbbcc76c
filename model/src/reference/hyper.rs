//! Hyper-connections (mHC-lite, arXiv 2601.05732) around one sub-layer, on one token.

use super::rms_norm;

/// Parameters; weight rows are n*d long.
#[derive(Clone, Copy, Debug)]
pub struct Hyper<'a> {
    /// `a_pre`, `a_post`, `a_res`.
    pub alpha: [f32; 3],
    /// `W_pre` (n x nd), `W_post` (n x nd), `W_res` (n! x nd).
    pub weight: [&'a [f32]; 3],
    /// `b_pre` (n), `b_post` (n), `b_res` (n!).
    pub bias: [&'a [f32]; 3],
    /// Of the norm.
    pub eps: f32,
}

/// How one token's streams are read, written and mixed.
#[derive(Clone, Debug)]
pub struct HyperCoefficients {
    /// Read weights (n).
    pub pre: Vec<f32>,
    /// Write weights (n).
    pub post: Vec<f32>,
    /// `R` (n x n).
    pub mix: Vec<f32>,
}

/// `u = rms_norm(X)`, `pre = sigmoid(a u W + b)`, `post = 2 sigmoid(a u W + b)`, `R = sum_k softmax(a u W + b)_k P_k`
/// over the permutations in lexicographic order; row `i` of `P_k` has its one in column `k(i)`.
pub fn hyper_coefficients(h: &Hyper<'_>, x: &[f32], n: usize) -> HyperCoefficients {
    let u = rms_norm(x, None, h.eps);
    let affine = |part: usize| {
        let mut z = Vec::new();
        for (row, b) in h.weight[part].chunks_exact(u.len()).zip(h.bias[part]) {
            let mut dot = 0.0;
            for i in 0..u.len() {
                dot += u[i] * row[i];
            }
            z.push(h.alpha[part] * dot + b);
        }
        z
    };
    let sigmoid = |z: f32| 1.0 / (1.0 + (-z).exp());
    let pre = affine(0).into_iter().map(sigmoid).collect();
    let post = affine(1).into_iter().map(|z| 2.0 * sigmoid(z)).collect();
    let z = affine(2);
    let max = z.iter().fold(f32::NEG_INFINITY, |m, &z| m.max(z));
    let mut sum = 0.0;
    for &z in &z {
        sum += (z - max).exp();
    }
    let mut mix = vec![0.0; n * n];
    for (z, p) in z.iter().zip(permutations(n)) {
        for i in 0..n {
            mix[i * n + p[i]] += (z - max).exp() / sum;
        }
    }
    HyperCoefficients { pre, post, mix }
}

/// What the sub-layer reads: `pre . X` (d).
pub fn hyper_read(c: &HyperCoefficients, x: &[f32], d: usize) -> Vec<f32> {
    let mut y = vec![0.0; d];
    for (pre, stream) in c.pre.iter().zip(x.chunks_exact(d)) {
        for i in 0..d {
            y[i] += pre * stream[i];
        }
    }
    y
}

/// The streams after the sub-layer: `R X + post (outer) f`.
pub fn hyper_write(c: &HyperCoefficients, x: &[f32], f: &[f32]) -> Vec<f32> {
    let (n, d) = (c.post.len(), f.len());
    let mut y = vec![0.0; n * d];
    for i in 0..n {
        for k in 0..d {
            let mut sum = c.post[i] * f[k];
            for j in 0..n {
                sum += c.mix[i * n + j] * x[j * d + k];
            }
            y[i * d + k] = sum;
        }
    }
    y
}

/// All permutations of `0..n` in lexicographic order.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for _ in 0..n {
        let mut longer = Vec::new();
        for p in &all {
            for i in 0..n {
                if !p.contains(&i) {
                    let mut p = p.clone();
                    p.push(i);
                    longer.push(p);
                }
            }
        }
        all = longer;
    }
    all
}
