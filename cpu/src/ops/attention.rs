//! Causal softmax attention of one head, two passes over the keys. Every query's sums run over the keys (and over a head's
//! dimensions) in order, with fused multiply-adds, so a query gives the same bits alone or among others.
//!
//! Layouts: queries `q[i * q_stride ..][..head_dim]`, the first at position `first`; keys transposed in blocks of
//! [`KEY_BLOCK`]: `k_transposed[block][dimension][key]`, the last block padded with finite numbers; values `v[key][dimension]`; outputs like
//! queries. Keys and values lie in [`Pages`], and no sum depends on how many positions a page has.
//! `log_sum_exp[i]`, where asked for, is `max + ln(sum)` of the scaled scores, as the backward pass wants it.

use ::half::f16;
use formats::ternary::fold_lanes;

use super::exp::exp;
use crate::vector::{LANES, Vector};

/// Keys that stand side by side in the transposed layout.
pub const KEY_BLOCK: usize = 16;
/// Blocks of keys that a lone query takes side by side, having few sums in flight otherwise.
const SIDE_BY_SIDE: usize = 4;
/// A page has a multiple of so many positions: those that a lone query takes at once lie in one page.
pub const PAGE_STEP: usize = SIDE_BY_SIDE * KEY_BLOCK;
/// Vectors of a block of keys.
const KEY_VECTORS: usize = KEY_BLOCK / LANES;
/// Queries that share each key loaded.
const QUERIES: usize = 4;

/// Floats that `keys` keys of `head_dim` dimensions take when transposed.
pub const fn k_transposed_len(keys: usize, head_dim: usize) -> usize {
    keys.div_ceil(KEY_BLOCK) * KEY_BLOCK * head_dim
}

/// Keys and values of one head, in pages of many positions each, which may hold other heads besides. The last need hold only what is used of it.
#[derive(Clone, Copy, Debug)]
pub struct Pages<'a, T> {
    /// In order.
    pub pages: &'a [&'a [T]],
    /// Positions of each, a multiple of [`PAGE_STEP`].
    pub positions: usize,
    /// Where in each the keys begin, transposed.
    pub keys: usize,
    /// Where in each the values begin.
    pub values: usize,
}

/// What of a page is looked at.
struct Part<'a, T> {
    /// Position of the first key.
    first: usize,
    /// Whole blocks of keys.
    k_transposed: &'a [T],
    /// One row a position.
    v: &'a [T],
}

impl<'a, T> Pages<'a, T> {
    /// The parts with the first `keys` positions.
    #[inline(always)]
    fn parts(self, keys: usize, head_dim: usize) -> impl Iterator<Item = Part<'a, T>> {
        (0..keys).step_by(self.positions).zip(self.pages).map(move |(first, page)| {
            let count = self.positions.min(keys - first);
            Part {
                first,
                k_transposed: &page[self.keys..][..k_transposed_len(count, head_dim)],
                v: &page[self.values..][..count * head_dim],
            }
        })
    }
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

/// How keys and values lie in memory, and how eight of them become f32.
pub(super) trait Stored {
    /// One element.
    type Element: Copy;
    /// Exact, whichever way it is done.
    fn load<V: Vector>(x: &[Self::Element; LANES]) -> V;
}

/// f32, as training has them.
pub(super) struct Floats;

impl Stored for Floats {
    type Element = f32;
    #[inline(always)]
    fn load<V: Vector>(x: &[f32; LANES]) -> V {
        V::load(x)
    }
}

/// f16, as the cache has them.
pub(super) struct Halves;

impl Stored for Halves {
    type Element = f16;
    #[inline(always)]
    fn load<V: Vector>(x: &[f16; LANES]) -> V {
        V::load_f16(x)
    }
}

#[inline(always)]
pub(super) fn body<V: Vector, S: Stored>(
    q: &[f32],
    q_stride: usize,
    first: usize,
    count: usize,
    pages: Pages<'_, S::Element>,
    head_dim: usize,
    scale: f32,
    out: &mut [f32],
    out_stride: usize,
    mut log_sum_exp: Option<&mut [f32]>,
    scratch: &mut Vec<f32>,
) {
    assert!(head_dim >= LANES);
    let keys_max = first + count;
    assert!(pages.positions > 0 && pages.positions.is_multiple_of(PAGE_STEP));
    assert!(pages.pages.len() >= keys_max.div_ceil(pages.positions));
    let row = keys_max.div_ceil(KEY_BLOCK) * KEY_BLOCK;
    // Whatever is read of it was written before.
    if scratch.len() < QUERIES * row {
        scratch.resize(QUERIES * row, 0.0);
    }
    let mut start = 0;
    while start < count {
        let tile = Tile { start, first: first + start, head_dim, scale, row };
        let width = if count - start >= QUERIES { QUERIES } else { 1 };
        let lse = log_sum_exp.as_deref_mut().map(|l| &mut l[start..start + width]);
        if width == QUERIES {
            tile.run::<V, S, QUERIES>(q, q_stride, pages, out, out_stride, lse, scratch);
        } else {
            tile.run::<V, S, 1>(q, q_stride, pages, out, out_stride, lse, scratch);
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
    fn run<V: Vector, S: Stored, const N: usize>(
        &self,
        q: &[f32],
        q_stride: usize,
        pages: Pages<'_, S::Element>,
        out: &mut [f32],
        out_stride: usize,
        log_sum_exp: Option<&mut [f32]>,
        scores: &mut [f32],
    ) {
        let keys = self.first + N;
        let queries: [&[f32]; N] =
            std::array::from_fn(|i| &q[(self.start + i) * q_stride..][..self.head_dim]);
        // A lone query has few sums in flight, so it takes several key blocks side by side. No sum changes.
        let size = KEY_BLOCK * self.head_dim;
        for part in pages.parts(keys, self.head_dim) {
            let (blocks, at) = (part.k_transposed, part.first / KEY_BLOCK);
            let several = if N == 1 { blocks.len() / size / SIDE_BY_SIDE * SIDE_BY_SIDE } else { 0 };
            for b in (0..several).step_by(SIDE_BY_SIDE) {
                let four = std::array::from_fn(|j| &blocks[(b + j) * size..][..size]);
                self.store_scores(score_blocks::<V, S, N, SIDE_BY_SIDE>(queries, four), at + b, scores);
            }
            for b in several..blocks.len() / size {
                let one = [&blocks[b * size..][..size]];
                self.store_scores(score_blocks::<V, S, N, 1>(queries, one), at + b, scores);
            }
        }
        let mut sums = [0.0f32; N];
        let mut lse = [0.0f32; N];
        for i in 0..N {
            let visible = self.first + i + 1;
            let row = &mut scores[i * self.row..(i + 1) * self.row];
            (sums[i], lse[i]) = softmax_numerators::<V>(row, visible, keys);
        }
        if let Some(l) = log_sum_exp {
            l.copy_from_slice(&lse);
        }
        let mut d = 0;
        while d < self.head_dim {
            let rows: [&[f32]; N] = std::array::from_fn(|i| &scores[i * self.row..][..keys]);
            let left = (self.head_dim - d) / LANES;
            if N == 1 && left >= 8 {
                let acc = weigh_values::<V, S, N, 8>(rows, pages, self.head_dim, d);
                self.store(acc, sums, d, out, out_stride);
                d += 8 * LANES;
            } else if left >= 2 {
                let acc = weigh_values::<V, S, N, 2>(rows, pages, self.head_dim, d);
                self.store(acc, sums, d, out, out_stride);
                d += 2 * LANES;
            } else {
                // Fewer than a vector at the end come with some before them, which get the same sums once more.
                d = d.min(self.head_dim - LANES);
                let acc = weigh_values::<V, S, N, 1>(rows, pages, self.head_dim, d);
                self.store(acc, sums, d, out, out_stride);
                d += LANES;
            }
        }
    }

    /// Scaled scores of `B` key blocks from block `b` on.
    #[inline(always)]
    fn store_scores<V: Vector, const N: usize, const B: usize>(
        &self,
        s: [[[V; KEY_VECTORS]; B]; N],
        b: usize,
        scores: &mut [f32],
    ) {
        let scale = V::splat(self.scale);
        for i in 0..N {
            for j in 0..B {
                let row = &mut scores[i * self.row + (b + j) * KEY_BLOCK..][..KEY_BLOCK];
                for (row, s) in row.as_chunks_mut().0.iter_mut().zip(s[i][j]) {
                    s.mul(scale).store(row);
                }
            }
        }
    }

    /// Outputs from dimension `d` on, divided by the sums.
    #[inline(always)]
    fn store<V: Vector, const N: usize, const W: usize>(
        &self,
        acc: [[V; W]; N],
        sums: [f32; N],
        d: usize,
        out: &mut [f32],
        out_stride: usize,
    ) {
        for i in 0..N {
            let o = &mut out[(self.start + i) * out_stride + d..][..W * LANES];
            let sum = V::splat(sums[i]);
            for (o, acc) in o.as_chunks_mut().0.iter_mut().zip(acc[i]) {
                acc.div(sum).store(o);
            }
        }
    }
}

/// Dot products of `N` queries with `B` blocks of keys, each a chain of fused multiply-adds over the dimensions.
#[inline(always)]
fn score_blocks<V: Vector, S: Stored, const N: usize, const B: usize>(
    q: [&[f32]; N],
    blocks: [&[S::Element]; B],
) -> [[[V; KEY_VECTORS]; B]; N] {
    let mut acc = [[[V::zero(); KEY_VECTORS]; B]; N];
    let keys: [&[[[S::Element; LANES]; KEY_VECTORS]]; B] =
        blocks.map(|b| &b.as_chunks().0.as_chunks().0[..q[0].len()]);
    for d in 0..q[0].len() {
        for b in 0..B {
            let k: [V; KEY_VECTORS] = std::array::from_fn(|j| S::load(&keys[b][d][j]));
            for i in 0..N {
                let q = V::splat(q[i][d]);
                for j in 0..KEY_VECTORS {
                    acc[i][b][j] = q.mul_add(k[j], acc[i][b][j]);
                }
            }
        }
    }
    acc
}

/// Turns scores into `exp(score - max)`, zero beyond `visible`; returns their sum and `max + ln(sum)`.
#[inline(always)]
fn softmax_numerators<V: Vector>(row: &mut [f32], visible: usize, keys: usize) -> (f32, f32) {
    let (chunks, tail) = row[..visible].as_chunks::<LANES>();
    let lanes = chunks.iter().fold(V::splat(f32::NEG_INFINITY), |max, c| max.max(V::load(c)));
    let max = lanes.to_array().iter().chain(tail).fold(f32::NEG_INFINITY, |m, &v| m.max(v));
    for p in &mut row[..visible] {
        *p = exp(*p - max);
    }
    let (chunks, tail) = row[..visible].as_chunks::<LANES>();
    let mut lanes = chunks.iter().fold(V::zero(), |sum, c| sum.add(V::load(c))).to_array();
    for (lane, p) in lanes.iter_mut().zip(tail) {
        *lane += p;
    }
    row[visible..keys].fill(0.0);
    let sum = fold_lanes(lanes);
    (sum, max + sum.ln())
}

/// `sum_t p[t] v[t][d..]` over the keys in order, `W` vectors of dimensions.
#[inline(always)]
fn weigh_values<V: Vector, S: Stored, const N: usize, const W: usize>(
    p: [&[f32]; N],
    pages: Pages<'_, S::Element>,
    head_dim: usize,
    d: usize,
) -> [[V; W]; N] {
    let mut acc = [[V::zero(); W]; N];
    for part in pages.parts(p[0].len(), head_dim) {
        let p = p.map(|p| &p[part.first..]);
        for (t, row) in part.v.chunks_exact(head_dim).enumerate() {
            let v: &[[S::Element; LANES]; W] =
                row[d..d + W * LANES].as_chunks().0.try_into().expect("W vectors");
            let v: [V; W] = std::array::from_fn(|j| S::load(&v[j]));
            for i in 0..N {
                let p = V::splat(p[i][t]);
                for j in 0..W {
                    acc[i][j] = p.mul_add(v[j], acc[i][j]);
                }
            }
        }
    }
    acc
}
