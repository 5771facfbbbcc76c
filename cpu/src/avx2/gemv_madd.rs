//! Ternary product of one token by multiply-add, the decode kernel: `vpmaddubsw` multiplies codes (0, 1, 2) with
//! int8 activations, 16 rows at a time, rows in lanes.
//!
//! ```text
//! span of 16 columns = one cache line: rows 0..8, then rows 8..16, 4 bytes each (see RowLayout::Words)
//!
//!   w      & 0x03 -> codes of columns 0..4      times activations 0..4, broadcast to all lanes
//!   w      & 0x0c -> 4 x codes of columns 4..8
//!   w >> 4 & 0x03 -> codes of columns 8..12
//!   w >> 4 & 0x0c -> 4 x codes of columns 12..16
//! ```
//!
//! One shift serves four fields because the two fields left multiplied by four have an accumulator of their own.
//! `code = t + 1`, so the group's sum of activations is subtracted once, and is the same for all rows. The sums stay four
//! times too large until the end: scaling by four changes no rounding of f32, and one exact multiplication undoes it.
//!
//! Exactness: in a group of 128, a lane of the multiplied accumulator takes 8 spans x 2 fields x 2 products of at most 8 x 128 in
//! magnitude, negative only at -128: it stays in -32,768..=32,512, and i16 holds that for any activations whatever;
//! the other accumulator stays within a quarter of it. No single `vpmaddubsw` exceeds 2,048, so none saturates. In a group of 64 there are
//! half as many, so that codes may be 3 (a weight of 2) as well: at most 4 x 2 x 2 x 12 x 128 = 24,576.
//!
//! Cost: 26 vector instructions per 256 weights, 0.25 bytes a weight; from L2 it is bound by the former, from memory by the
//! latter, hence the one sequential stream and the prefetch.

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

use crate::{RowLayout, TernaryMatrix};

/// Rows of a block.
pub const BLOCK: usize = RowLayout::Words.block();

/// Bytes of a span of 16 columns of a block.
const SPAN_BYTES: usize = 4 * BLOCK;

/// Columns of a span.
const SPAN: usize = 16;

/// How far ahead to prefetch; less was slower from memory, more no faster (Zen 3).
const PREFETCH_BYTES: usize = 4096;

thread_local! {
    static GROUP_SUMS: RefCell<Vec<i32>> = const { RefCell::new(Vec::new()) };
}

/// `y[r - rows.start] = a * sum_G scale[r, G] * (f32) sum_k code[r, k] q[k]`; `rows` starts at a block. `G` columns share a scale, 64 or 128.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn gemv<const G: usize>(m: &TernaryMatrix, rows: Range<usize>, q: &[i8], a: f32, y: &mut [f32]) {
    assert_eq!(m.layout(), RowLayout::Words);
    assert!(rows.start.is_multiple_of(BLOCK) && rows.end <= m.rows());
    assert_eq!(y.len(), rows.len());
    assert_eq!((q.len(), m.group()), (m.cols(), G));
    let groups = m.cols() / G;
    let q = &q.as_chunks::<G>().0[..groups];
    GROUP_SUMS.with_borrow_mut(|sums| {
        sums.clear();
        sums.extend(q.iter().map(|q| group_sum(q)));
        let mut blocks = y.chunks_exact_mut(BLOCK);
        let mut first = rows.start;
        for y in &mut blocks {
            block::<G>(m, first, q, sums, a, y);
            first += BLOCK;
        }
        let last = blocks.into_remainder();
        if !last.is_empty() {
            let mut products = [0.0; BLOCK];
            block::<G>(m, first, q, sums, a, &mut products);
            last.copy_from_slice(&products[..last.len()]);
        }
    });
}

/// Sum of a group's activations.
#[target_feature(enable = "avx2")]
#[inline]
pub fn group_sum<const G: usize>(q: &[i8; G]) -> i32 {
    let ones8 = _mm256_set1_epi8(1);
    let mut sum = _mm256_setzero_si256();
    for part in q.as_chunks::<32>().0 {
        // SAFETY: 32 bytes.
        let q = unsafe { _mm256_loadu_si256(part.as_ptr().cast()) };
        // At most 4 x 256 in magnitude.
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(ones8, q));
    }
    let sum = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
    let half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
    _mm_cvtsi128_si32(_mm_add_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter)))
}

/// Sixteen rows from row `first`: their products with one token.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn block<const G: usize>(
    m: &TernaryMatrix,
    first: usize,
    q: &[[i8; G]],
    sums: &[i32],
    a: f32,
    y: &mut [f32],
) {
    let groups = q.len();
    let codes = &m.codes()[first * m.cols() / 4..][..BLOCK * m.cols() / 4];
    let scales = &m.scales()[first * groups..][..BLOCK * groups];
    let (four, one) = (_mm256_set1_epi16(4), _mm256_set1_epi16(1));
    let mut acc = [_mm256_setzero_ps(); 2];
    assert!(sums.len() == q.len() && y.len() == BLOCK);
    let groups = codes.chunks_exact(G / SPAN * SPAN_BYTES).zip(scales.as_chunks::<BLOCK>().0);
    for ((codes, scales), (q, &sum)) in groups.zip(q.iter().zip(sums)) {
        // plain[h]: fields 0 and 2 of rows 8h..8h+8, times4[h]: fields 1 and 3.
        let (mut plain, mut times4) = ([_mm256_setzero_si256(); 2], [_mm256_setzero_si256(); 2]);
        let codes = codes.as_chunks::<SPAN_BYTES>().0;
        let q = q.as_chunks::<SPAN>().0;
        // All spans in a row, not a loop: its branches would crowd the one that ends the block out of the predictor.
        add_span(&codes[0], &q[0], &mut plain, &mut times4);
        add_span(&codes[1], &q[1], &mut plain, &mut times4);
        add_span(&codes[2], &q[2], &mut plain, &mut times4);
        add_span(&codes[3], &q[3], &mut plain, &mut times4);
        if G == 128 {
            add_span(&codes[4], &q[4], &mut plain, &mut times4);
            add_span(&codes[5], &q[5], &mut plain, &mut times4);
            add_span(&codes[6], &q[6], &mut plain, &mut times4);
            add_span(&codes[7], &q[7], &mut plain, &mut times4);
        }
        let sum = _mm256_set1_epi32(4 * sum);
        for h in 0..2 {
            let times4 =
                _mm256_add_epi32(_mm256_madd_epi16(plain[h], four), _mm256_madd_epi16(times4[h], one));
            let times4 = _mm256_sub_epi32(times4, sum);
            // SAFETY: eight f16 from element 8 h of 16.
            let s = unsafe { _mm256_cvtph_ps(_mm_loadu_si128(scales.as_ptr().add(8 * h).cast())) };
            acc[h] = _mm256_add_ps(acc[h], _mm256_mul_ps(s, _mm256_cvtepi32_ps(times4)));
        }
    }
    let (a, quarter) = (_mm256_set1_ps(a), _mm256_set1_ps(0.25));
    // SAFETY: twice eight of 16 elements.
    unsafe {
        _mm256_storeu_ps(y.as_mut_ptr(), _mm256_mul_ps(a, _mm256_mul_ps(quarter, acc[0])));
        _mm256_storeu_ps(y.as_mut_ptr().add(8), _mm256_mul_ps(a, _mm256_mul_ps(quarter, acc[1])));
    }
}

/// Products of a span, added to the sums of both halves of the rows.
#[target_feature(enable = "avx2")]
#[inline]
fn add_span(codes: &[u8; SPAN_BYTES], q: &[i8; SPAN], plain: &mut [__m256i; 2], times4: &mut [__m256i; 2]) {
    let (m3, m12) = (_mm256_set1_epi8(0x03), _mm256_set1_epi8(0x0c));
    // SAFETY: 16 bytes, unaligned reads of four each.
    let x: [__m256i; 4] = std::array::from_fn(|f| unsafe {
        _mm256_set1_epi32(q.as_ptr().add(4 * f).cast::<i32>().read_unaligned())
    });
    _mm_prefetch::<_MM_HINT_T0>(codes.as_ptr().wrapping_add(PREFETCH_BYTES).cast());
    for h in 0..2 {
        // SAFETY: 32 bytes from byte 32 h of 64.
        let w = unsafe { _mm256_loadu_si256(codes.as_ptr().add(32 * h).cast()) };
        let w4 = _mm256_srli_epi16::<4>(w);
        plain[h] = _mm256_add_epi16(
            plain[h],
            _mm256_add_epi16(
                _mm256_maddubs_epi16(_mm256_and_si256(w, m3), x[0]),
                _mm256_maddubs_epi16(_mm256_and_si256(w4, m3), x[2]),
            ),
        );
        times4[h] = _mm256_add_epi16(
            times4[h],
            _mm256_add_epi16(
                _mm256_maddubs_epi16(_mm256_and_si256(w, m12), x[1]),
                _mm256_maddubs_epi16(_mm256_and_si256(w4, m12), x[3]),
            ),
        );
    }
}
