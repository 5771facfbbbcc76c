//! Products of rows as they are stored with f32 activations, `y[t][r] = sum_i w[r][i] x[t][i]`: heads, and matrices that are not ternary.
//!
//! Four rows are unpacked to f32 once and read by every token. Each dot product runs in eight lanes (element `i` in
//! lane `i % 8`), folded at the end, whatever the number of rows, tokens or threads around it.

use formats::blocks::{self, TensorType};
use formats::ternary::fold_lanes;
use half::f16;

use super::half::widen;
use super::sums::dots;
use crate::memory::prefetch;
use crate::vector::Vector;

/// Rows that are unpacked together: as many independent sums as the adders can keep in flight.
const ROWS: usize = 4;

/// Integers multiplied together; divides every group of a scale.
const SPAN: usize = 32;

/// How far ahead of an 8-bit head to ask for memory. Left to itself the processor stops at every 4 KiB page, which costs
/// a fifth of the bandwidth (Zen 3).
const PREFETCH_BYTES: usize = 4096;

/// Consecutive rows of a matrix, as stored.
#[derive(Clone, Copy, Debug)]
pub enum HeadRows<'a> {
    /// Halves, row-major.
    F16(&'a [f16]),
    /// Small integers, row-major, and one scale for each `group` of a row.
    Scaled {
        /// `rows * cols` integers.
        codes: &'a [i8],
        /// `rows * cols / group` scales.
        scales: &'a [f32],
        /// Elements that share a scale; a multiple of 8 that divides `cols`.
        group: usize,
    },
    /// Blocks as in a file, of finite values.
    Blocks {
        /// How they lie there.
        ty: TensorType,
        /// Whole rows of them.
        bytes: &'a [u8],
    },
}

impl HeadRows<'_> {
    fn len(&self) -> usize {
        match self {
            HeadRows::F16(w) => w.len(),
            HeadRows::Scaled { codes, .. } => codes.len(),
            HeadRows::Blocks { ty, bytes } => bytes.len() / ty.block_bytes() * ty.block_len(),
        }
    }
}

#[inline(always)]
pub(super) fn unpack(w: HeadRows<'_>, start: usize, out: &mut [f32]) {
    match w {
        HeadRows::F16(w) => widen(&w[start..start + out.len()], out),
        HeadRows::Scaled { codes, scales, group } => {
            assert!(start.is_multiple_of(group) && out.len().is_multiple_of(group));
            let codes = &codes[start..start + out.len()];
            let scales = &scales[start / group..];
            for ((out, codes), &s) in out.chunks_exact_mut(group).zip(codes.chunks_exact(group)).zip(scales) {
                for (o, &c) in out.iter_mut().zip(codes) {
                    *o = s * f32::from(c);
                }
            }
        }
        HeadRows::Blocks { ty, bytes } => {
            let (len, size) = (ty.block_len(), ty.block_bytes());
            assert!(start.is_multiple_of(len));
            let bytes = &bytes[start / len * size..][..out.len() / len * size];
            blocks::unpack(ty, bytes, out).expect("values were checked when they were laid out");
        }
    }
}

/// `x`: tokens x cols. Writes `y[t * stride + r]` for every row `r` of `w`.
#[inline(always)]
pub(super) fn products<V: Vector>(
    w: HeadRows<'_>,
    cols: usize,
    x: &[f32],
    y: &mut [f32],
    stride: usize,
    scratch: &mut Vec<f32>,
) {
    let rows = w.len() / cols;
    assert!(cols.is_multiple_of(8) && rows * cols == w.len() && rows <= stride);
    if x.len() == cols && !matches!(w, HeadRows::Blocks { .. }) {
        one_token::<V>(w, cols, x, &mut y[..rows]);
        return;
    }
    scratch.resize(ROWS * cols, 0.0);
    let mut first = 0;
    while first < rows {
        // The last tile may repeat rows of the one before: same values, written twice.
        let tile = if rows >= ROWS { first.min(rows - ROWS) } else { first };
        let count = ROWS.min(rows - tile);
        unpack(w, tile * cols, &mut scratch[..count * cols]);
        let unpacked: [&[f32]; ROWS] = std::array::from_fn(|r| &scratch[r * cols..][..cols]);
        for (t, x) in x.chunks_exact(cols).enumerate() {
            let y = &mut y[t * stride + tile..][..count];
            if count == ROWS {
                y.copy_from_slice(&dots::<V, ROWS>(unpacked, x));
            } else {
                for (y, row) in y.iter_mut().zip(scratch.chunks_exact(cols)) {
                    *y = dots::<V, 1>([row], x)[0];
                }
            }
        }
        first = tile + count;
    }
}

/// [`products`] for one token: rows are read once, so they are widened on the way and never stored.
#[inline(always)]
fn one_token<V: Vector>(w: HeadRows<'_>, cols: usize, x: &[f32], y: &mut [f32]) {
    let rows = y.len();
    let mut first = 0;
    while first < rows {
        let tile = if rows >= ROWS { first.min(rows - ROWS) } else { first };
        if rows - tile >= ROWS {
            y[tile..tile + ROWS].copy_from_slice(&widen_and_dot::<V, ROWS>(w, tile, cols, x));
            first = tile + ROWS;
        } else {
            y[tile] = widen_and_dot::<V, 1>(w, tile, cols, x)[0];
            first = tile + 1;
        }
    }
}

/// Dot products of `N` adjacent rows, as stored, with one vector.
#[inline(always)]
fn widen_and_dot<V: Vector, const N: usize>(w: HeadRows<'_>, row: usize, cols: usize, x: &[f32]) -> [f32; N] {
    match w {
        HeadRows::F16(w) => {
            let mut sums = [V::zero(); N];
            let rows: [&[[f16; 8]]; N] =
                std::array::from_fn(|r| &w[(row + r) * cols..][..cols].as_chunks::<8>().0[..cols / 8]);
            for (i, x) in x[..cols].as_chunks::<8>().0.iter().enumerate() {
                let x = V::load(x);
                for r in 0..N {
                    sums[r] = sums[r].add(V::load_f16(&rows[r][i]).mul(x));
                }
            }
            sums.map(V::sum)
        }
        HeadRows::Scaled { codes, scales, group } => {
            // Plain loops: the compiler widens more integers at a time than a vector has, and is an eighth faster (Zen 3).
            let mut lanes = [[0.0f32; 8]; N];
            let rows: [&[i8]; N] = std::array::from_fn(|r| &codes[(row + r) * cols..][..cols]);
            for (g, x) in x.chunks_exact(group).enumerate() {
                for r in 0..N {
                    let s = scales[((row + r) * cols + g * group) / group];
                    let w = rows[r][g * group..][..group].as_chunks::<8>().0;
                    for (w, x) in w.iter().zip(x.as_chunks::<8>().0) {
                        for j in 0..8 {
                            lanes[r][j] += s * f32::from(w[j]) * x[j];
                        }
                    }
                }
            }
            lanes.map(fold_lanes)
        }
        HeadRows::Blocks { .. } => unreachable!("blocks are unpacked whole"),
    }
}

/// One token's product with quantised activations: `y[r] = a * sum over groups in order (s[r,G] * (f32) sum_k c[r,k] q[k])`.
/// The inner sums are exact; `q` has as many elements as a row.
#[inline(always)]
pub(super) fn products_int8(codes: &[i8], scales: &[f32], group: usize, q: &[i8], a: f32, y: &mut [f32]) {
    let cols = q.len();
    assert!(cols.is_multiple_of(group) && group.is_multiple_of(SPAN));
    assert_eq!(codes.len(), y.len() * cols);
    assert_eq!(scales.len() * group, codes.len());
    // The size that matters is a constant within the loop, which then is straight vector code.
    if group == SPAN {
        rows_int8(codes, scales, SPAN, q, a, y);
    } else {
        rows_int8(codes, scales, group, q, a, y);
    }
}

#[inline(always)]
fn rows_int8(codes: &[i8], scales: &[f32], group: usize, q: &[i8], a: f32, y: &mut [f32]) {
    let cols = q.len();
    for ((y, row), s) in y.iter_mut().zip(codes.chunks_exact(cols)).zip(scales.chunks_exact(cols / group)) {
        let mut acc = 0.0f32;
        for ((row, q), &s) in row.chunks_exact(group).zip(q.chunks_exact(group)).zip(s) {
            prefetch(row.as_ptr().wrapping_add(PREFETCH_BYTES));
            let mut sum = 0i32;
            for (c, q) in row.as_chunks::<SPAN>().0.iter().zip(q.as_chunks::<SPAN>().0) {
                for i in 0..SPAN {
                    sum += i32::from(c[i]) * i32::from(q[i]);
                }
            }
            acc += s * sum as f32;
        }
        *y = a * acc;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernels;
    use model::xoshiro::Xoshiro256;

    fn noise(seed: u64, n: usize) -> Vec<f32> {
        let mut rng = Xoshiro256::from_seed(seed);
        (0..n).map(|_| (rng.next_f64() * 2.0 - 1.0) as f32).collect()
    }

    fn codes(seed: u64, n: usize, max: f32) -> Vec<i8> {
        noise(seed, n).iter().map(|x| (x * (max + 0.49)).round() as i8).collect()
    }

    #[test]
    fn head_products_match_the_formula_on_every_row_and_tiling() {
        let (cols, group) = (64, 32);
        for rows in [1usize, 3, 4, 7, 33] {
            let halves: Vec<f16> = noise(1, rows * cols).iter().map(|&x| f16::from_f32(x)).collect();
            let codes = codes(2, rows * cols, 127.0);
            let scales = noise(3, rows * cols / group);
            let x = noise(4, 5 * cols);
            let mut bytes = Vec::new();
            blocks::pack(TensorType::Q8_0, &noise(8, rows * cols), &mut bytes).unwrap();
            for w in [
                HeadRows::F16(&halves),
                HeadRows::Scaled { codes: &codes, scales: &scales, group },
                HeadRows::Blocks { ty: TensorType::Q8_0, bytes: &bytes },
            ] {
                let mut plain = vec![0.0; rows * cols];
                unpack(w, 0, &mut plain);
                let mut first: Option<Vec<f32>> = None;
                for kernels in Kernels::available() {
                    let mut y = vec![0.0; 5 * rows];
                    kernels.head_products(w, cols, &x, &mut y, rows, &mut Vec::new());
                    for t in 0..5 {
                        let mut one = vec![0.0; rows];
                        kernels.head_products(
                            w,
                            cols,
                            &x[t * cols..][..cols],
                            &mut one,
                            rows,
                            &mut Vec::new(),
                        );
                        assert_eq!(one, y[t * rows..][..rows], "{}: token {t} alone", kernels.name);
                        for r in 0..rows {
                            let terms = plain[r * cols..][..cols].iter().zip(&x[t * cols..]);
                            let want: f64 = terms.map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                            let got = f64::from(one[r]);
                            assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "{got} for {want}");
                        }
                    }
                    assert_eq!(*first.get_or_insert_with(|| y.clone()), y, "{}", kernels.name);
                }
            }
        }
    }

    #[test]
    fn head_int8_products_are_exact_within_groups() {
        let (rows, cols) = (5, 256);
        let random = (codes(5, rows * cols, 127.0), codes(6, cols, 127.0));
        let lowest = (vec![i8::MIN; rows * cols], vec![i8::MIN; cols]);
        let opposite = (vec![i8::MIN; rows * cols], vec![i8::MAX; cols]);
        for (codes, q) in [random, lowest, opposite] {
            for group in [32, 128] {
                for kernels in Kernels::available() {
                    let scales = noise(7, rows * cols / group);
                    let mut y = vec![0.0; rows];
                    kernels.head_products_int8(&codes, &scales, group, &q, 0.5, &mut y);
                    for r in 0..rows {
                        let mut acc = 0.0f32;
                        for g in 0..cols / group {
                            let at = r * cols + g * group;
                            let sum: i32 = (0..group)
                                .map(|k| i32::from(codes[at + k]) * i32::from(q[g * group + k]))
                                .sum();
                            acc += scales[at / group] * sum as f32;
                        }
                        assert_eq!(y[r], 0.5 * acc, "{} row {r}", kernels.name);
                    }
                }
            }
        }
    }
}
