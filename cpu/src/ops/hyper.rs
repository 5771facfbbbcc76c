//! Hyper-connections (mHC-lite, arXiv 2601.05732): how a token's residual streams are read, written and mixed.
//! The mixing matrix is a convex sum of all permutations, hence exactly doubly stochastic.

use super::exp::{exp, sigmoid};
use super::sums::{dots, sum_of_squares};
use crate::vector::Vector;

/// Most residual streams a model may have.
pub const STREAMS_MAX: usize = 4;
/// Permutations of [`STREAMS_MAX`] streams.
const PERMUTATIONS_MAX: usize = 24;
/// Projections computed together: two streams have six, four have thirty-two.
const ROWS: usize = 8;

/// Parameters of the connection around one sub-layer. Weight rows are n*d long.
#[derive(Clone, Copy, Debug)]
pub struct HyperWeights<'a> {
    /// Streams `n`.
    pub streams: usize,
    /// RMS-norm epsilon.
    pub eps: f32,
    /// `a_pre`, `a_post`, `a_res`.
    pub alpha: [f32; 3],
    /// `W_pre` (n x nd), `W_post` (n x nd), `W_res` (n! x nd).
    pub weight: [&'a [f32]; 3],
    /// `b_pre` (n), `b_post` (n), `b_res` (n!).
    pub bias: [&'a [f32]; 3],
}

/// What one token's streams decide: how to read, write and mix them; and what the backward pass needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperCoefficients {
    /// Streams `n`.
    pub streams: usize,
    /// `1 / rms` of the flattened streams.
    pub inv_rms: f32,
    /// `u W` before alpha and bias, for pre (n), post (n), res (n!) in turn.
    pub projected: [[f32; PERMUTATIONS_MAX]; 3],
    /// Read weights, sigmoid, first n valid.
    pub pre: [f32; STREAMS_MAX],
    /// Write weights, 2 sigmoid, first n valid.
    pub post: [f32; STREAMS_MAX],
    /// Softmax over the n! permutations.
    pub share: [f32; PERMUTATIONS_MAX],
    /// `R`, row-major with stride n.
    pub mix: [f32; STREAMS_MAX * STREAMS_MAX],
}

/// All permutations of `0..n` in lexicographic order; entry `k[i]` is the stream that row `i` takes. `n` is 1, 2 or 4.
pub const fn permutations(n: usize) -> &'static [[u8; 4]] {
    match n {
        1 => &[[0, 0, 0, 0]],
        2 => &[[0, 1, 0, 0], [1, 0, 0, 0]],
        4 => &ORDER_4,
        _ => panic!("streams are 1, 2 or 4"),
    }
}

const ORDER_4: [[u8; 4]; 24] = {
    let mut all = [[0u8; 4]; 24];
    let mut count = 0;
    let mut code = 0;
    // Counting in base 4 visits permutations in lexicographic order.
    while code < 256 {
        let p = [(code >> 6) as u8 & 3, (code >> 4) as u8 & 3, (code >> 2) as u8 & 3, code as u8 & 3];
        if (1 << p[0]) | (1 << p[1]) | (1 << p[2]) | (1 << p[3]) == 0b1111 {
            all[count] = p;
            count += 1;
        }
        code += 1;
    }
    assert!(count == 24);
    all
};

#[inline(always)]
pub(super) fn coefficients<V: Vector>(w: &HyperWeights<'_>, x: &[f32], c: &mut HyperCoefficients) {
    let n = w.streams;
    let order = permutations(n);
    c.streams = n;
    c.inv_rms = 1.0 / (sum_of_squares::<V>(x) / x.len() as f32 + w.eps).sqrt();
    let outputs = [n, n, order.len()];
    // All rows as one list, several at a time: a lone dot product waits for its adder most of the time.
    let mut rows = [x; 2 * STREAMS_MAX + PERMUTATIONS_MAX];
    let mut projected = [0.0; 2 * STREAMS_MAX + PERMUTATIONS_MAX];
    let mut count = 0;
    for part in 0..3 {
        assert_eq!(w.weight[part].len(), outputs[part] * x.len());
        assert_eq!(w.bias[part].len(), outputs[part]);
        for row in w.weight[part].chunks_exact(x.len()) {
            rows[count] = row;
            count += 1;
        }
    }
    let tiles = projected[..count.next_multiple_of(ROWS)].as_chunks_mut::<ROWS>().0;
    for (z, rows) in tiles.iter_mut().zip(rows.as_chunks::<ROWS>().0) {
        *z = dots::<V, ROWS>(*rows, x);
    }
    let mut from = &projected[..];
    for part in 0..3 {
        for (z, p) in c.projected[part][..outputs[part]].iter_mut().zip(from) {
            *z = p * c.inv_rms;
        }
        from = &from[outputs[part]..];
    }
    for i in 0..n {
        c.pre[i] = sigmoid(w.alpha[0] * c.projected[0][i] + w.bias[0][i]);
        c.post[i] = 2.0 * sigmoid(w.alpha[1] * c.projected[1][i] + w.bias[1][i]);
    }
    mix(w.alpha[2], w.bias[2], order, c);
}

/// `R = sum_k softmax(alpha * z + b)_k P_k`.
#[inline(always)]
fn mix(alpha: f32, bias: &[f32], order: &[[u8; 4]], c: &mut HyperCoefficients) {
    let n = c.streams;
    let mut max = f32::NEG_INFINITY;
    for k in 0..order.len() {
        c.share[k] = alpha * c.projected[2][k] + bias[k];
        max = max.max(c.share[k]);
    }
    let mut sum = 0.0;
    for share in &mut c.share[..order.len()] {
        *share = exp(*share - max);
        sum += *share;
    }
    c.mix = [0.0; STREAMS_MAX * STREAMS_MAX];
    for (share, p) in c.share.iter_mut().zip(order) {
        *share /= sum;
        for i in 0..n {
            c.mix[i * n + usize::from(p[i])] += *share;
        }
    }
}

#[inline(always)]
pub(super) fn read(c: &HyperCoefficients, x: &[f32], y: &mut [f32]) {
    let d = y.len();
    assert_eq!(x.len(), c.streams * d);
    for (y, &x) in y.iter_mut().zip(&x[..d]) {
        *y = c.pre[0] * x;
    }
    for s in 1..c.streams {
        for (y, &x) in y.iter_mut().zip(&x[s * d..(s + 1) * d]) {
            *y += c.pre[s] * x;
        }
    }
}

#[inline(always)]
pub(super) fn write(c: &HyperCoefficients, x: &[f32], f: &[f32], out: &mut [f32]) {
    let (n, d) = (c.streams, f.len());
    assert_eq!(x.len(), n * d);
    assert_eq!(out.len(), n * d);
    for i in 0..n {
        let out = &mut out[i * d..(i + 1) * d];
        for (o, &f) in out.iter_mut().zip(f) {
            *o = c.post[i] * f;
        }
        for j in 0..n {
            let r = c.mix[i * n + j];
            for (o, &x) in out.iter_mut().zip(&x[j * d..(j + 1) * d]) {
                *o += r * x;
            }
        }
    }
}
