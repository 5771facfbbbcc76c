//! Causal softmax attention of one head, two passes over the keys. Every query's sums run over the keys (and over a head's
//! dimensions) in order, with fused multiply-adds, so a query gives the same bits alone or among others.
//!
//! Layouts: queries `q[i * q_stride ..][..head_dim]`, the first at position `first`; keys transposed in blocks of
//! [`KEY_BLOCK`]: `k_transposed[block][dimension][key]`, the last block padded with zeros; values `v[key][dimension]`; outputs like queries.
//! `log_sum_exp[i]`, where asked for, is `max + ln(sum)` of the scaled scores, as the backward pass wants it.

use formats::ternary::fold_lanes;

use super::exp::exp;

/// Keys that stand side by side in the transposed layout.
pub const KEY_BLOCK: usize = 16;
/// Queries that share each key loaded.
const QUERIES: usize = 4;

/// Floats that `keys` keys of `head_dim` dimensions take when transposed.
pub const fn k_transposed_len(keys: usize, head_dim: usize) -> usize {
    keys.div_ceil(KEY_BLOCK) * KEY_BLOCK * head_dim
}

/// Stores the key of one position into the transposed layout.
#[inline(always)]
pub fn transpose_key(position: usize, key: &[f32], k_transposed: &mut [f32]) {
    let block = (position / KEY_BLOCK) * KEY_BLOCK * key.len();
    let lane = position % KEY_BLOCK;
    for (i, &k) in key.iter().enumerate() {
        k_transposed[block + i * KEY_BLOCK + lane] = k;
    }
}

#[inline(always)]
pub(super) fn body(
    q: &[f32],
    q_stride: usize,
    first: usize,
    count: usize,
    k_transposed: &[f32],
    v: &[f32],
    head_dim: usize,
    scale: f32,
    out: &mut [f32],
    out_stride: usize,
    mut log_sum_exp: Option<&mut [f32]>,
    scratch: &mut Vec<f32>,
) {
    assert_eq!(head_dim % 8, 0);
    let keys_max = first + count;
    assert!(k_transposed.len() >= k_transposed_len(keys_max, head_dim));
    assert!(v.len() >= keys_max * head_dim);
    let row = keys_max.div_ceil(KEY_BLOCK) * KEY_BLOCK;
    scratch.clear();
    scratch.resize(QUERIES * row, 0.0);
    let mut start = 0;
    while start < count {
        let tile = Tile { start, first: first + start, head_dim, scale, row };
        let width = if count - start >= QUERIES { QUERIES } else { 1 };
        let lse = log_sum_exp.as_deref_mut().map(|l| &mut l[start..start + width]);
        if width == QUERIES {
            tile.run::<QUERIES>(q, q_stride, k_transposed, v, out, out_stride, lse, scratch);
        } else {
            tile.run::<1>(q, q_stride, k_transposed, v, out, out_stride, lse, scratch);
        }
        start += width;
    }
}

/// A few consecutive queries.
struct Tile {
    /// Index of the first query.
    start: usize,
    /// Position of the first query.
    first: usize,
    head_dim: usize,
    scale: f32,
    /// Stride of a row of scores.
    row: usize,
}

impl Tile {
    #[inline(always)]
    fn run<const N: usize>(
        &self,
        q: &[f32],
        q_stride: usize,
        k_transposed: &[f32],
        v: &[f32],
        out: &mut [f32],
        out_stride: usize,
        log_sum_exp: Option<&mut [f32]>,
        scores: &mut [f32],
    ) {
        let keys = self.first + N;
        let queries: [&[f32]; N] =
            std::array::from_fn(|i| &q[(self.start + i) * q_stride..][..self.head_dim]);
        for (b, block) in
            k_transposed.chunks_exact(KEY_BLOCK * self.head_dim).take(keys.div_ceil(KEY_BLOCK)).enumerate()
        {
            let s = score_block(queries, block);
            for i in 0..N {
                for j in 0..KEY_BLOCK {
                    scores[i * self.row + b * KEY_BLOCK + j] = s[i][j] * self.scale;
                }
            }
        }
        let mut sums = [0.0f32; N];
        let mut lse = [0.0f32; N];
        for i in 0..N {
            let visible = self.first + i + 1;
            let row = &mut scores[i * self.row..(i + 1) * self.row];
            (sums[i], lse[i]) = softmax_numerators(row, visible, keys);
        }
        if let Some(l) = log_sum_exp {
            l.copy_from_slice(&lse);
        }
        let mut d = 0;
        while d < self.head_dim {
            let rows: [&[f32]; N] = std::array::from_fn(|i| &scores[i * self.row..][..keys]);
            if self.head_dim - d >= 16 {
                let acc = weigh_values::<N, 16>(rows, v, self.head_dim, d);
                self.store(acc, sums, d, out, out_stride);
                d += 16;
            } else {
                let acc = weigh_values::<N, 8>(rows, v, self.head_dim, d);
                self.store(acc, sums, d, out, out_stride);
                d += 8;
            }
        }
    }

    #[inline(always)]
    fn store<const N: usize, const W: usize>(
        &self,
        acc: [[f32; W]; N],
        sums: [f32; N],
        d: usize,
        out: &mut [f32],
        out_stride: usize,
    ) {
        for i in 0..N {
            let o = &mut out[(self.start + i) * out_stride + d..][..W];
            for j in 0..W {
                o[j] = acc[i][j] / sums[i];
            }
        }
    }
}

/// Dot products of `N` queries with one block of keys, each a chain of fused multiply-adds over the dimensions.
#[inline(always)]
fn score_block<const N: usize>(q: [&[f32]; N], block: &[f32]) -> [[f32; KEY_BLOCK]; N] {
    let mut acc = [[0.0f32; KEY_BLOCK]; N];
    let (keys, _) = block.as_chunks::<KEY_BLOCK>();
    for (d, k) in keys.iter().enumerate() {
        for i in 0..N {
            let qd = q[i][d];
            for j in 0..KEY_BLOCK {
                acc[i][j] = qd.mul_add(k[j], acc[i][j]);
            }
        }
    }
    acc
}

/// Turns scores into `exp(score - max)`, zero beyond `visible`; returns their sum and `max + ln(sum)`.
#[inline(always)]
fn softmax_numerators(row: &mut [f32], visible: usize, keys: usize) -> (f32, f32) {
    let mut lanes = [f32::NEG_INFINITY; 8];
    let (chunks, tail) = row[..visible].as_chunks::<8>();
    for c in chunks {
        for i in 0..8 {
            lanes[i] = lanes[i].max(c[i]);
        }
    }
    let max = lanes.iter().chain(tail).fold(f32::NEG_INFINITY, |m, &v| m.max(v));
    let mut lanes = [0.0f32; 8];
    let (chunks, tail) = row[..visible].as_chunks_mut::<8>();
    for c in chunks {
        for i in 0..8 {
            c[i] = exp(c[i] - max);
            lanes[i] += c[i];
        }
    }
    for (i, p) in tail.iter_mut().enumerate() {
        *p = exp(*p - max);
        lanes[i] += *p;
    }
    row[visible..keys].fill(0.0);
    let sum = fold_lanes(lanes);
    (sum, max + sum.ln())
}

/// `sum_t p[t] v[t][d..d + W]` over the keys in order.
#[inline(always)]
fn weigh_values<const N: usize, const W: usize>(
    p: [&[f32]; N],
    v: &[f32],
    head_dim: usize,
    d: usize,
) -> [[f32; W]; N] {
    let mut acc = [[0.0f32; W]; N];
    for (t, row) in v.chunks_exact(head_dim).take(p[0].len()).enumerate() {
        let v: &[f32; W] = row[d..d + W].try_into().expect("W values");
        for i in 0..N {
            let pt = p[i][t];
            for j in 0..W {
                acc[i][j] = pt.mul_add(v[j], acc[i][j]);
            }
        }
    }
    acc
}
