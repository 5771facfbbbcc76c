//! Ternary product of several tokens: chooses between the kernels, and re-lays rows for table lookup on the way.

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

use formats::ternary::GROUP;

use super::{gemm_madd, gemm_veclut, gemv_madd, gemv_pshufb};
use crate::veclut::{CHUNK, VecLutView};
use crate::{RowLayout, TernaryMatrix};

/// From this many tokens of a tile of 16 on, tables are faster than multiply-add, even half empty (Zen 3).
const VECLUT_TOKENS_MIN: usize = 12;

/// The same against table lookup a token at a time.
const VECLUT_TOKENS_MIN_BYTES: usize = 8;

/// Rows that are re-laid at once, as many as share a building of the tables. Their words may leave L2, which does
/// not matter: they are read in order, 8 bytes per 512 multiply-adds.
const TILE_ROWS: usize = gemm_veclut::TILE_ROWS;

struct Tile {
    indices: Vec<u64>,
    scales: Vec<f32>,
}

thread_local! {
    static TILE: RefCell<Tile> = const { RefCell::new(Tile { indices: Vec::new(), scales: Vec::new() }) };
}

/// `y[t * y_stride + r - rows.start] = a[t] * sum_G scale[r, G] * (f32) sum_k code[r, k] q[t, k]`; `rows` starts
/// at a multiple of `ROW_BLOCK`.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn gemm(m: &TernaryMatrix, rows: Range<usize>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize) {
    assert_eq!(q.len(), a.len() * m.cols());
    let veclut_min = match m.layout() {
        RowLayout::Words => VECLUT_TOKENS_MIN,
        RowLayout::Bytes => VECLUT_TOKENS_MIN_BYTES,
    };
    let tail = a.len() % gemm_veclut::TOKENS;
    let by_table = if tail < veclut_min { a.len() - tail } else { a.len() };
    let (q_table, q_tail) = q.split_at(by_table * m.cols());
    let (a_table, a_tail) = a.split_at(by_table);
    if by_table > 0 {
        gemm_by_table(m, rows.clone(), q_table, a_table, y, y_stride);
    }
    if !a_tail.is_empty() {
        gemm_without_table(m, rows, q_tail, a_tail, &mut y[by_table * y_stride..], y_stride);
    }
}

/// The same, never through Vec-LUT tables.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn gemm_without_table(
    m: &TernaryMatrix,
    rows: Range<usize>,
    q: &[i8],
    a: &[f32],
    y: &mut [f32],
    y_stride: usize,
) {
    let len = rows.len();
    match (m.layout(), a) {
        (RowLayout::Words, &[a]) => gemv_madd::gemv::<GROUP>(m, rows, q, a, &mut y[..len]),
        (RowLayout::Words, _) => gemm_madd::gemm::<GROUP>(m, rows, q, a, y, y_stride),
        (RowLayout::Bytes, _) => {
            for (t, &a) in a.iter().enumerate() {
                let q = &q[t * m.cols()..][..m.cols()];
                gemv_pshufb::gemv(m, rows.clone(), q, a, &mut y[t * y_stride..][..len]);
            }
        }
    }
}

/// The same for groups of 64, whose codes may be 3 (a weight of 2).
#[target_feature(enable = "avx2,fma,f16c")]
pub fn gemm_groups_of_64(
    m: &TernaryMatrix,
    rows: Range<usize>,
    q: &[i8],
    a: &[f32],
    y: &mut [f32],
    y_stride: usize,
) {
    match *a {
        [a] => gemv_madd::gemv::<64>(m, rows.clone(), q, a, &mut y[..rows.len()]),
        _ => gemm_madd::gemm::<64>(m, rows, q, a, y, y_stride),
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn gemm_by_table(m: &TernaryMatrix, rows: Range<usize>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize) {
    let block = m.layout().block();
    assert!(rows.start.is_multiple_of(block) && rows.end <= m.rows());
    TILE.with_borrow_mut(|tile| {
        for first in rows.clone().step_by(TILE_ROWS) {
            let n = TILE_ROWS.min(rows.end - first);
            let stride = n.next_multiple_of(block);
            let (words, scales) = (m.cols() / CHUNK * stride, m.cols() / GROUP * stride);
            if tile.indices.len() < words {
                tile.indices.resize(words, 0);
            }
            if tile.scales.len() < scales {
                tile.scales.resize(scales, 0.0);
            }
            lay_out(m, first, stride, tile);
            let (indices, scales) = (&tile.indices[..words], &tile.scales[..scales]);
            let view = VecLutView { indices, scales, stride, rows: n, cols: m.cols() };
            gemm_veclut::gemm(&view, q, a, &mut y[first - rows.start..], y_stride);
        }
    });
}

/// Index words and scales of `n` rows, whole blocks, from row `first`.
#[target_feature(enable = "avx2,fma,f16c")]
fn lay_out(m: &TernaryMatrix, first: usize, n: usize, tile: &mut Tile) {
    let (block, groups) = (m.layout().block(), m.cols() / GROUP);
    for b in 0..n / block {
        let codes = &m.codes()[(first + b * block) * m.cols() / 4..][..block * m.cols() / 4];
        let scales = &m.scales()[(first + b * block) * groups..][..block * groups];
        match m.layout() {
            RowLayout::Words => {
                for (c, chunk) in codes.as_chunks().0.iter().enumerate() {
                    words_from_lanes(chunk, &mut tile.indices[c * n + b * block..][..16]);
                }
            }
            RowLayout::Bytes => {
                for (c, chunk) in codes.as_chunks().0.iter().enumerate() {
                    words_from_bytes(chunk, &mut tile.indices[c * n + b * block..][..32]);
                }
            }
        }
        for (g, scales) in scales.chunks_exact(block).enumerate() {
            for (to, s) in tile.scales[g * n + b * block..].iter_mut().zip(scales) {
                *to = s.to_f32();
            }
        }
    }
}

/// Base-3 indices from bytes of four two-bit codes: `sum_f 4^f u_f -> sum_f 3^f u_f`.
#[target_feature(enable = "avx2")]
#[inline]
fn base3_from_base4(w: __m256i) -> __m256i {
    let nibble = _mm256_set1_epi8(0x0f);
    let low = _mm256_setr_epi8(
        0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 0, 0, 0, 0, 0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 0, 0, 0, 0,
    );
    let high = _mm256_setr_epi8(
        0, 9, 18, 0, 27, 36, 45, 0, 54, 63, 72, 0, 0, 0, 0, 0, 0, 9, 18, 0, 27, 36, 45, 0, 54, 63, 72, 0, 0,
        0, 0, 0,
    );
    _mm256_add_epi8(
        _mm256_shuffle_epi8(low, _mm256_and_si256(w, nibble)),
        _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16::<4>(w), nibble)),
    )
}

/// Two spans of 16 rows, four bytes a row each, to 16 words.
#[target_feature(enable = "avx2")]
#[inline]
fn words_from_lanes(spans: &[u8; 128], words: &mut [u64]) {
    assert!(words.len() == 16);
    for h in 0..2 {
        // SAFETY: 32 bytes from bytes 32 h and 64 + 32 h of 128; 64 bytes from word 8 h of 16.
        unsafe {
            let a = base3_from_base4(_mm256_loadu_si256(spans.as_ptr().add(32 * h).cast()));
            let b = base3_from_base4(_mm256_loadu_si256(spans.as_ptr().add(64 + 32 * h).cast()));
            // Rows 0, 1 | 4, 5 and 2, 3 | 6, 7 of the eight.
            let (low, high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let out: *mut __m256i = words.as_mut_ptr().add(8 * h).cast();
            _mm256_storeu_si256(out, _mm256_permute2x128_si256::<0x20>(low, high));
            _mm256_storeu_si256(out.add(1), _mm256_permute2x128_si256::<0x31>(low, high));
        }
    }
}

/// Eight bytes of 32 rows, rows side by side, to 32 words.
#[target_feature(enable = "avx2")]
#[inline]
fn words_from_bytes(bytes: &[u8; 256], words: &mut [u64]) {
    assert!(words.len() == 32);
    // SAFETY: 32 bytes from byte 32 i of 256.
    let b: [__m256i; 8] = std::array::from_fn(|i| unsafe {
        base3_from_base4(_mm256_loadu_si256(bytes.as_ptr().add(32 * i).cast()))
    });
    // Interleave bytes, then pairs, then fours; within halves: rows 0..16 below, 16..32 above.
    let pairs: [__m256i; 8] = std::array::from_fn(|i| {
        let (x, y) = (b[i / 2 * 2], b[i / 2 * 2 + 1]);
        if i % 2 == 0 { _mm256_unpacklo_epi8(x, y) } else { _mm256_unpackhi_epi8(x, y) }
    });
    for half in 0..2 {
        let (p01, p23) = (pairs[half], pairs[2 + half]);
        let (p45, p67) = (pairs[4 + half], pairs[6 + half]);
        let fours = [
            (_mm256_unpacklo_epi16(p01, p23), _mm256_unpacklo_epi16(p45, p67)),
            (_mm256_unpackhi_epi16(p01, p23), _mm256_unpackhi_epi16(p45, p67)),
        ];
        for (i, (x, y)) in fours.into_iter().enumerate() {
            for (j, two_rows) in
                [_mm256_unpacklo_epi32(x, y), _mm256_unpackhi_epi32(x, y)].into_iter().enumerate()
            {
                let row = 8 * half + 4 * i + 2 * j;
                // SAFETY: two words each from words `row` and `16 + row`, row <= 14, of 32.
                unsafe {
                    let out = words.as_mut_ptr();
                    _mm_storeu_si128(out.add(row).cast(), _mm256_castsi256_si128(two_rows));
                    _mm_storeu_si128(out.add(16 + row).cast(), _mm256_extracti128_si256::<1>(two_rows));
                }
            }
        }
    }
}
