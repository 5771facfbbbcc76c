//! Hyper-connections over the rows of a pass: reading, writing, and their gradients through streams and coefficients.
//! A connection of one stream is the ordinary residual and has no parameters.

use cpu::Kernels;
use cpu::ops::{HyperCoefficients, HyperWeights, STREAMS_MAX, dot, permutations};

use model::dropout::Mask;

/// Gradient of one token's read, write and mix weights.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CoefficientGradient {
    post: [f32; STREAMS_MAX],
    mix: [f32; STREAMS_MAX * STREAMS_MAX],
}

/// Parameter gradients of a connection, for pre, post and res in turn.
pub(crate) struct ConnectionGradient<'a> {
    pub(crate) weight: [&'a mut [f32]; 3],
    pub(crate) bias: [&'a mut [f32]; 3],
    pub(crate) alpha: [&'a mut [f32]; 3],
}

/// What a single stream always does.
fn ordinary_residual() -> HyperCoefficients {
    let mut c = HyperCoefficients { streams: 1, ..Default::default() };
    (c.pre[0], c.post[0], c.mix[0]) = (1.0, 1.0, 1.0);
    c
}

/// Coefficients of every token, and the sub-layer's input `y` (d wide) from the streams `x` (n x d wide).
pub(crate) fn read(
    kn: &Kernels,
    weights: &HyperWeights<'_>,
    width: usize,
    x: &[f32],
    coefs: &mut [HyperCoefficients],
    y: &mut [f32],
) {
    for ((x, y), c) in x.chunks_exact(weights.streams * width).zip(y.chunks_exact_mut(width)).zip(coefs) {
        kn.hyper_coefficients(weights, x, c);
        kn.hyper_read(c, x, y);
    }
}

/// `out = R x + post (outer) dropout(f)`; without coefficients those of a single stream.
pub(crate) fn write(
    kn: &Kernels,
    width: usize,
    x: &[f32],
    coefs: Option<&[HyperCoefficients]>,
    f: &[f32],
    first_token: usize,
    mask: Mask,
    out: &mut [f32],
    row: &mut Vec<f32>,
) {
    let streams = x.len() / f.len();
    row.resize(width, 0.0);
    let ordinary = ordinary_residual();
    let tokens = x.chunks_exact(streams * width).zip(out.chunks_exact_mut(streams * width));
    for (i, ((x, out), f)) in tokens.zip(f.chunks_exact(width)).enumerate() {
        let c = coefs.map_or(&ordinary, |c| &c[i]);
        let f = dropped(kn, f, first_token + i, mask, row);
        kn.hyper_write(c, x, f, out);
    }
}

/// The row itself, or a copy with dropout in `row`.
fn dropped<'a>(kn: &Kernels, f: &'a [f32], token: usize, mask: Mask, row: &'a mut [f32]) -> &'a [f32] {
    if !mask.active() {
        return f;
    }
    row.copy_from_slice(f);
    kn.vectorise(|| mask.apply(token, row));
    row
}

/// Gradient of [`write`]: fills `d_f`, records the gradient of post and R, and turns `d_x` from the gradient of the streams after the
/// write into that of the streams before it.
pub(crate) fn write_backward(
    kn: &Kernels,
    width: usize,
    x: &[f32],
    coefs: Option<&[HyperCoefficients]>,
    f: &[f32],
    first_token: usize,
    mask: Mask,
    d_x: &mut [f32],
    d_f: &mut [f32],
    gradients: &mut [CoefficientGradient],
    row: &mut Vec<f32>,
) {
    let streams = x.len() / f.len();
    row.resize(width.max(streams * width), 0.0);
    let wide = streams * width;
    let ordinary = ordinary_residual();
    let tokens = x.chunks_exact(wide).zip(d_x.chunks_exact_mut(wide)).zip(gradients);
    let inner = f.chunks_exact(width).zip(d_f.chunks_exact_mut(width));
    for (i, (((x, d_x), g), (f, d_f))) in tokens.zip(inner).enumerate() {
        let c = coefs.map_or(&ordinary, |c| &c[i]);
        if streams > 1 {
            let f = dropped(kn, f, first_token + i, mask, &mut row[..width]);
            kn.vectorise(|| write_coefficients(width, x, f, d_x, g, streams));
        }
        kn.vectorise(|| {
            d_f.fill(0.0);
            for (s, d) in d_x.chunks_exact(width).enumerate() {
                axpy(c.post[s], d, d_f);
            }
            if mask.active() {
                mask.apply(first_token + i, d_f);
            }
            if streams > 1 {
                let before = &mut row[..wide];
                before.fill(0.0);
                for (j, before) in before.chunks_exact_mut(width).enumerate() {
                    for (i, d) in d_x.chunks_exact(width).enumerate() {
                        axpy(c.mix[i * streams + j], d, before);
                    }
                }
                d_x.copy_from_slice(before);
            }
        });
    }
}

#[inline(always)]
fn write_coefficients(
    width: usize,
    x: &[f32],
    f: &[f32],
    d_out: &[f32],
    g: &mut CoefficientGradient,
    streams: usize,
) {
    for (i, d) in d_out.chunks_exact(width).enumerate() {
        g.post[i] = dot(d, f);
        for (j, x) in x.chunks_exact(width).enumerate() {
            g.mix[i * streams + j] = dot(d, x);
        }
    }
}

#[inline(always)]
fn axpy(s: f32, x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += s * x;
    }
}

/// Gradient of [`read`] and of all coefficients: adds to `d_x` and to the parameters' gradient.
pub(crate) fn read_backward(
    kn: &Kernels,
    w: &HyperWeights<'_>,
    width: usize,
    x: &[f32],
    coefs: &[HyperCoefficients],
    gradients: &[CoefficientGradient],
    d_y: &[f32],
    d_x: &mut [f32],
    mut p: ConnectionGradient<'_>,
    row: &mut Vec<f32>,
) {
    let wide = w.streams * width;
    row.resize(wide, 0.0);
    let tokens = x.chunks_exact(wide).zip(d_x.chunks_exact_mut(wide)).zip(d_y.chunks_exact(width));
    for ((((x, d_x), d_y), c), g) in tokens.zip(coefs).zip(gradients) {
        kn.vectorise(|| token_backward(w, width, x, c, g, d_y, d_x, &mut p, row));
    }
}

#[inline(always)]
fn token_backward(
    w: &HyperWeights<'_>,
    width: usize,
    x: &[f32],
    c: &HyperCoefficients,
    g: &CoefficientGradient,
    d_y: &[f32],
    d_x: &mut [f32],
    p: &mut ConnectionGradient<'_>,
    d_u: &mut [f32],
) {
    let n = w.streams;
    let order = permutations(n);
    let mut d_logit = [[0.0f32; 24]; 3];
    for i in 0..n {
        let pre = dot(d_y, &x[i * width..(i + 1) * width]);
        d_logit[0][i] = pre * c.pre[i] * (1.0 - c.pre[i]);
        d_logit[1][i] = g.post[i] * c.post[i] * (1.0 - 0.5 * c.post[i]);
        axpy(c.pre[i], d_y, &mut d_x[i * width..(i + 1) * width]);
    }
    // Measured from the identity's: training starts with nearly all the share there, and `share * (d - mean)` of
    // values near the mean would lose all its digits.
    let along = |perm: &[u8; 4]| -> f32 { (0..n).map(|i| g.mix[i * n + usize::from(perm[i])]).sum() };
    let identity = along(&order[0]);
    let mut mean = 0.0;
    for (k, perm) in order.iter().enumerate() {
        d_logit[2][k] = along(perm) - identity;
        mean += c.share[k] * d_logit[2][k];
    }
    for k in 0..order.len() {
        d_logit[2][k] = c.share[k] * (d_logit[2][k] - mean);
    }
    d_u.fill(0.0);
    let outputs = [n, n, order.len()];
    for part in 0..3 {
        let mut d_alpha = 0.0;
        for j in 0..outputs[part] {
            let d = d_logit[part][j];
            p.bias[part][j] += d;
            d_alpha += d * c.projected[part][j];
            let d_z = w.alpha[part] * d;
            let rows = j * x.len()..(j + 1) * x.len();
            axpy(d_z, &w.weight[part][rows.clone()], d_u);
            axpy(d_z * c.inv_rms, x, &mut p.weight[part][rows]);
        }
        p.alpha[part][0] += d_alpha;
    }
    // Through u = x / rms(x).
    let r = c.inv_rms;
    let s = dot(d_u, x) * r * r * r / x.len() as f32;
    for ((d_x, d_u), x) in d_x.iter_mut().zip(d_u.iter()).zip(x) {
        *d_x += d_u * r - x * s;
    }
}
