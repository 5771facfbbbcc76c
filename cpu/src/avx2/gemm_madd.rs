//! Ternary product of a few tokens by multiply-add: as [`gemv_madd`](super::gemv_madd), but the codes of eight
//! rows are decoded once for up to eight tokens.
//!
//! Exactness: with all four fields shifted down, a lane takes 8 spans x 4 fields x 2 products of at most 2 x 128:
//! at most 16,384 in magnitude, for any activations whatever. In groups of 64 codes may be 3 as well: at most 12,288.
//!
//! Cost: per 32 bytes of codes 7 instructions to decode, then per token 4 broadcasts, 4 multiply-adds and 4 adds.
//! From about ten tokens on the tables of [`gemm_veclut`](super::gemm_veclut) are faster.

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

use half::f16;

use super::gemv_madd::{BLOCK, group_sum};
use crate::{RowLayout, TernaryMatrix};

/// Tokens that share one decoding; their sums fill half of the registers.
const TILE_TOKENS: usize = 8;

/// Columns of a span.
const SPAN: usize = 16;
const SPAN_BYTES: usize = 4 * BLOCK;

/// One tile's activations, as the kernel reads them: `[cols/4][tokens]` words of four, then `[cols/group][tokens]`
/// sums.
struct Packed {
    words: Vec<i32>,
    sums: Vec<i32>,
}

thread_local! {
    static PACKED: RefCell<Packed> = const { RefCell::new(Packed { words: Vec::new(), sums: Vec::new() }) };
}

/// `y[t * y_stride + r - rows.start] = a[t] * sum_G scale[r, G] * (f32) sum_k code[r, k] q[t, k]`; `rows` starts
/// at a block. `G` columns share a scale, 64 or 128.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn gemm<const G: usize>(
    m: &TernaryMatrix,
    rows: Range<usize>,
    q: &[i8],
    a: &[f32],
    y: &mut [f32],
    y_stride: usize,
) {
    assert_eq!(q.len(), a.len() * m.cols());
    if a.is_empty() {
        return;
    }
    // Tiles of nearly equal size: nine tokens as five and four, not eight and one.
    let tiles = a.len().div_ceil(TILE_TOKENS);
    let mut first = 0;
    for i in 0..tiles {
        let n = (a.len() - first).div_ceil(tiles - i);
        let (a, q) = (&a[first..first + n], &q[first * m.cols()..(first + n) * m.cols()]);
        let y = &mut y[first * y_stride..];
        match n {
            1 => tile::<G, 1>(m, rows.clone(), q, a, y, y_stride),
            2 => tile::<G, 2>(m, rows.clone(), q, a, y, y_stride),
            3 => tile::<G, 3>(m, rows.clone(), q, a, y, y_stride),
            4 => tile::<G, 4>(m, rows.clone(), q, a, y, y_stride),
            5 => tile::<G, 5>(m, rows.clone(), q, a, y, y_stride),
            6 => tile::<G, 6>(m, rows.clone(), q, a, y, y_stride),
            7 => tile::<G, 7>(m, rows.clone(), q, a, y, y_stride),
            _ => tile::<G, 8>(m, rows.clone(), q, a, y, y_stride),
        }
        first += n;
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn tile<const G: usize, const T: usize>(
    m: &TernaryMatrix,
    rows: Range<usize>,
    q: &[i8],
    a: &[f32],
    y: &mut [f32],
    y_stride: usize,
) {
    assert_eq!((m.layout(), m.group()), (RowLayout::Words, G));
    assert!(rows.start.is_multiple_of(BLOCK) && rows.end <= m.rows());
    assert!(a.len() == T && q.len() == T * m.cols());
    assert!(rows.is_empty() || (T - 1) * y_stride + rows.len() <= y.len());
    let groups = m.cols() / G;
    PACKED.with_borrow_mut(|packed| {
        let Packed { words, sums } = packed;
        if words.len() < m.cols() / 4 * T {
            words.resize(m.cols() / 4 * T, 0);
        }
        if sums.len() < groups * T {
            sums.resize(groups * T, 0);
        }
        let (words, sums) = (&mut words[..m.cols() / 4 * T], &mut sums[..groups * T]);
        for (t, q) in q.chunks_exact(m.cols().max(1)).enumerate() {
            for (i, four) in q.as_chunks::<4>().0.iter().enumerate() {
                words[i * T + t] = i32::from_le_bytes(four.map(|q| q as u8));
            }
            for (g, q) in q.as_chunks::<G>().0.iter().enumerate() {
                sums[g * T + t] = group_sum(q);
            }
        }
        for first in rows.clone().step_by(BLOCK) {
            let codes = &m.codes()[first * m.cols() / 4..][..BLOCK * m.cols() / 4];
            let scales = &m.scales()[first * groups..][..BLOCK * groups];
            let at = first - rows.start;
            for half in 0..2 {
                let at = at + 8 * half;
                let n = rows.len().saturating_sub(at).min(8);
                let products = half_block::<G, T>(codes, scales, half, words, sums);
                for t in 0..T {
                    let mut row = [0.0f32; 8];
                    // SAFETY: eight f32.
                    unsafe {
                        _mm256_storeu_ps(row.as_mut_ptr(), _mm256_mul_ps(_mm256_set1_ps(a[t]), products[t]));
                    }
                    if n == 8 {
                        y[t * y_stride + at..][..8].copy_from_slice(&row);
                    } else if n > 0 {
                        y[t * y_stride + at..][..n].copy_from_slice(&row[..n]);
                    }
                }
            }
        }
    });
}

/// Eight rows, the lower or upper half of a block: their products with each token.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn half_block<const G: usize, const T: usize>(
    codes: &[u8],
    scales: &[f16],
    half: usize,
    words: &[i32],
    sums: &[i32],
) -> [__m256; T] {
    let (three, one) = (_mm256_set1_epi8(3), _mm256_set1_epi16(1));
    let mut acc = [_mm256_setzero_ps(); T];
    let spans = const { G / SPAN };
    let groups = codes.chunks_exact(spans * SPAN_BYTES);
    assert!(half < 2 && scales.len() == groups.len() * BLOCK);
    assert!(words.len() == groups.len() * spans * 4 * T && sums.len() == groups.len() * T);
    for (g, codes) in groups.enumerate() {
        let mut sum = [_mm256_setzero_si256(); T];
        for (v, codes) in codes.as_chunks::<SPAN_BYTES>().0.iter().enumerate() {
            // SAFETY: 32 bytes from byte 32 half of 64.
            let w = unsafe { _mm256_loadu_si256(codes.as_ptr().add(32 * half).cast()) };
            let fields = [
                _mm256_and_si256(w, three),
                _mm256_and_si256(_mm256_srli_epi16::<2>(w), three),
                _mm256_and_si256(_mm256_srli_epi16::<4>(w), three),
                _mm256_and_si256(_mm256_srli_epi16::<6>(w), three),
            ];
            for f in 0..4 {
                let words = &words[((g * spans + v) * 4 + f) * T..][..T];
                for t in 0..T {
                    let x = _mm256_set1_epi32(words[t]);
                    sum[t] = _mm256_add_epi16(sum[t], _mm256_maddubs_epi16(fields[f], x));
                }
            }
        }
        // SAFETY: eight f16 from element 16 g + 8 half.
        let s = unsafe { _mm256_cvtph_ps(_mm_loadu_si128(scales.as_ptr().add(BLOCK * g + 8 * half).cast())) };
        for t in 0..T {
            let sum = _mm256_sub_epi32(_mm256_madd_epi16(sum[t], one), _mm256_set1_epi32(sums[g * T + t]));
            acc[t] = _mm256_add_ps(acc[t], _mm256_mul_ps(s, _mm256_cvtepi32_ps(sum)));
        }
    }
    acc
}
