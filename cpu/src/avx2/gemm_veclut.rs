//! Ternary product of many tokens by table lookup, the prefill and training kernel: a table entry is one of the
//! 81 sums of four activations for 16 tokens at once, so one 32-byte add stands for 64 multiply-adds.
//!
//! ```text
//! for each tile of rows, for each 16 tokens, for each group of 128 columns, for each chunk of 32 columns:
//!     tables   8 x 81 x 16 tokens x i16 = 20.7 KB, in L1
//!     per row  one index word of 8 bytes -> 8 loads-and-adds into 16 x i16
//! after the fourth chunk of a group the i16 sums become f32, are scaled and added to 16 x f32
//! ```
//!
//! Exactness: an i16 sum covers one group, at most 128 products of magnitude at most 128, so it is at most 16,384
//! in magnitude for any activations whatever; f32 holds it exactly. Then one multiply and one add a group, in
//! group order, never fused: the order that all kernels share.
//!
//! Cost: per row and chunk 9 or 10 vector loads (two a cycle) for 512 multiply-adds; building the tables costs 648
//! stores per chunk, as much as 130 rows, so a call should have as many rows as possible. Sums take 96 bytes a
//! row; tiles of [`TILE_ROWS`] rows keep them in L2.

use std::arch::x86_64::*;
use std::cell::RefCell;

use formats::ternary::GROUP;

use super::vector::transpose;
use crate::veclut::{CHUNK, ROW_PAD, VecLutView};

/// Tokens of a table entry.
pub const TOKENS: usize = 16;

/// Rows whose sums are kept at once: 96 KiB, a fifth of the smallest L2 among AVX2 processors of this decade.
pub const TILE_ROWS: usize = 1024;

/// Bytes of a table of 81 entries.
const TABLE: usize = 81 * 32;

/// Eight tables, and room behind the last so that any byte at all is a valid index.
#[repr(C, align(64))]
struct Tables([u8; 7 * TABLE + 256 * 32]);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct RowSums {
    total: [f32; TOKENS],
}

#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct GroupSums([i16; TOKENS]);

/// Working memory of one thread.
struct Scratch {
    tables: Box<Tables>,
    totals: Vec<RowSums>,
    groups: Vec<GroupSums>,
    /// The last tokens, padded with zeros to 16.
    tail: Vec<i8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        tables: Box::new(Tables([0; _])),
        totals: Vec::new(),
        groups: Vec::new(),
        tail: Vec::new(),
    });
}

/// `y[t * y_stride + r] = a[t] * sum_G scale[r, G] * (f32) sum_k code[r, k] q[t, k]` for all tokens `t` of `a`.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn gemm(m: &VecLutView<'_>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize) {
    m.check();
    assert_eq!(q.len(), a.len() * m.cols);
    SCRATCH.with_borrow_mut(|s| {
        let tile_rows = m.rows.next_multiple_of(ROW_PAD).min(TILE_ROWS);
        if s.totals.len() < tile_rows {
            s.totals.resize(tile_rows, RowSums { total: [0.0; TOKENS] });
            s.groups.resize(tile_rows, GroupSums([0; TOKENS]));
        }
        for row in (0..m.rows).step_by(TILE_ROWS) {
            let rows = TILE_ROWS.min(m.rows - row);
            for t in (0..a.len()).step_by(TOKENS) {
                let tokens = TOKENS.min(a.len() - t);
                let mut scale = [0.0f32; TOKENS];
                scale[..tokens].copy_from_slice(&a[t..t + tokens]);
                let q = &q[t * m.cols..][..tokens * m.cols];
                let q = if tokens < TOKENS {
                    s.tail.clear();
                    s.tail.extend_from_slice(q);
                    s.tail.resize(TOKENS * m.cols, 0);
                    &s.tail
                } else {
                    q
                };
                for g in 0..m.cols / GROUP {
                    for c in 0..GROUP / CHUNK {
                        let chunk = g * (GROUP / CHUNK) + c;
                        build_tables(&mut s.tables, q, m.cols, chunk * CHUNK);
                        let words = &m.indices[chunk * m.stride + row..][..rows];
                        let scales = &m.scales[g * m.stride + row..][..rows];
                        let (groups, totals) = (&mut s.groups[..rows], &mut s.totals[..rows]);
                        match (c, g) {
                            (0, _) => lookups::<FIRST>(&s.tables, words, scales, groups, totals),
                            (1 | 2, _) => lookups::<MIDDLE>(&s.tables, words, scales, groups, totals),
                            (_, 0) => {
                                lookups::<LAST_OF_FIRST_GROUP>(&s.tables, words, scales, groups, totals)
                            }
                            _ => lookups::<LAST>(&s.tables, words, scales, groups, totals),
                        }
                    }
                }
                if m.cols == 0 {
                    s.totals.fill(RowSums { total: [0.0; TOKENS] });
                }
                write_out(&s.totals[..rows], &scale, tokens, &mut y[t * y_stride + row..], y_stride);
            }
        }
    });
}

/// Fills the tables of one chunk from 16 tokens of `q`, each `cols` long, columns `col..col + 32`.
#[target_feature(enable = "avx2")]
fn build_tables(tables: &mut Tables, q: &[i8], cols: usize, col: usize) {
    assert!(q.len() >= TOKENS * cols && col + CHUNK <= cols);
    // x[j]: bytes of all 16 tokens, column col + j in the low half, col + 16 + j in the high half.
    let x = transpose_16x16(std::array::from_fn(|t| {
        // SAFETY: token t's row is `cols` long and `col + 32 <= cols`.
        unsafe { _mm256_loadu_si256(q.as_ptr().add(t * cols + col).cast()) }
    }));
    let base: *mut u8 = tables.0.as_mut_ptr();
    for k in 0..4 {
        let low = |f: usize| _mm256_cvtepi8_epi16(_mm256_castsi256_si128(x[k + 4 * f]));
        let high = |f: usize| _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(x[k + 4 * f]));
        // SAFETY: tables k and 4 + k lie within the eight; their starts are multiples of 32 from a 64-byte
        // aligned base.
        unsafe {
            build_table(base.add(k * TABLE).cast(), [low(0), low(1), low(2), low(3)]);
            build_table(base.add((4 + k) * TABLE).cast(), [high(0), high(1), high(2), high(3)]);
        }
    }
}

/// The 81 sums `sum_f (d_f - 1) x_f`, at index `d_0 + 3 d_1 + 9 d_2 + 27 d_3`.
///
/// # Safety
/// `out` points to 81 vectors, aligned to 32 bytes.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn build_table(out: *mut __m256i, x: [__m256i; 4]) {
    let mut out = out;
    let zero = _mm256_setzero_si256();
    let mut s3 = _mm256_sub_epi16(_mm256_sub_epi16(_mm256_sub_epi16(zero, x[3]), x[2]), x[1]);
    for _ in 0..3 {
        let mut s2 = s3;
        for _ in 0..3 {
            let mut s1 = s2;
            for _ in 0..3 {
                // SAFETY: 27 times three vectors are the 81 the caller promises.
                unsafe {
                    _mm256_store_si256(out, _mm256_sub_epi16(s1, x[0]));
                    _mm256_store_si256(out.add(1), s1);
                    _mm256_store_si256(out.add(2), _mm256_add_epi16(s1, x[0]));
                    out = out.add(3);
                }
                s1 = _mm256_add_epi16(s1, x[1]);
            }
            s2 = _mm256_add_epi16(s2, x[2]);
        }
        s3 = _mm256_add_epi16(s3, x[3]);
    }
}

/// Transposes two 16 x 16 byte matrices, one in the low halves and one in the high halves.
#[target_feature(enable = "avx2")]
#[inline]
fn transpose_16x16(r: [__m256i; 16]) -> [__m256i; 16] {
    // Four rounds of the same perfect shuffle: rows i and i + 8 interleave into 2i and 2i + 1.
    let mut a = r;
    for _ in 0..4 {
        let b = a;
        for i in 0..8 {
            a[2 * i] = _mm256_unpacklo_epi8(b[i], b[i + 8]);
            a[2 * i + 1] = _mm256_unpackhi_epi8(b[i], b[i + 8]);
        }
    }
    a
}

/// First chunk of a group: the sums start.
const FIRST: u8 = 0;
/// Neither the first nor the last.
const MIDDLE: u8 = 1;
/// Last chunk of a group: the sums are scaled and added to the totals.
const LAST: u8 = 2;
/// Last chunk of the first group: the totals start.
const LAST_OF_FIRST_GROUP: u8 = 3;

/// Adds the looked-up entries of one chunk to every row's sums.
#[target_feature(enable = "avx2")]
fn lookups<const STAGE: u8>(
    tables: &Tables,
    words: &[u64],
    scales: &[f32],
    groups: &mut [GroupSums],
    totals: &mut [RowSums],
) {
    let n = words.len();
    assert!(scales.len() == n && groups.len() == n && totals.len() == n);
    // Two rows at a time: their chains of adds are independent.
    let (pairs, last) = words.as_chunks::<2>();
    for (i, &[w0, w1]) in pairs.iter().enumerate() {
        let r = 2 * i;
        let (start0, start1) = (start::<STAGE>(&groups[r]), start::<STAGE>(&groups[r + 1]));
        let (sum0, sum1) = add_entries(tables, [w0, w1], [start0, start1]).into();
        finish::<STAGE>(sum0, scales[r], &mut groups[r], &mut totals[r]);
        finish::<STAGE>(sum1, scales[r + 1], &mut groups[r + 1], &mut totals[r + 1]);
    }
    if let [w] = *last {
        let r = n - 1;
        let [sum, _] = add_entries(tables, [w, 0], [start::<STAGE>(&groups[r]), _mm256_setzero_si256()]);
        finish::<STAGE>(sum, scales[r], &mut groups[r], &mut totals[r]);
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn start<const STAGE: u8>(g: &GroupSums) -> __m256i {
    if STAGE == FIRST {
        _mm256_setzero_si256()
    } else {
        // SAFETY: 32 bytes, 32-byte aligned.
        unsafe { _mm256_load_si256(g.0.as_ptr().cast()) }
    }
}

/// The eight entries of each of two index words, added to two vectors of sums.
#[target_feature(enable = "avx2")]
#[inline]
fn add_entries(tables: &Tables, w: [u64; 2], s: [__m256i; 2]) -> [__m256i; 2] {
    let base = tables.0.as_ptr();
    // Byte g of a word, times 32: the shift leaves it in bits 5 to 12.
    let entry = |w: u64, g: usize| {
        let byte_times_32 = if g == 0 { w << 5 } else { w >> (8 * g - 5) } as usize & 0x1fe0;
        // SAFETY: at most 7 * TABLE + 255 * 32, where 32 bytes of `Tables` follow, 32-byte aligned.
        unsafe { _mm256_load_si256(base.add(g * TABLE + byte_times_32).cast()) }
    };
    let [mut p, mut q] = s;
    p = _mm256_add_epi16(p, entry(w[0], 0));
    q = _mm256_add_epi16(q, entry(w[1], 0));
    p = _mm256_add_epi16(p, entry(w[0], 1));
    q = _mm256_add_epi16(q, entry(w[1], 1));
    p = _mm256_add_epi16(p, entry(w[0], 2));
    q = _mm256_add_epi16(q, entry(w[1], 2));
    p = _mm256_add_epi16(p, entry(w[0], 3));
    q = _mm256_add_epi16(q, entry(w[1], 3));
    p = _mm256_add_epi16(p, entry(w[0], 4));
    q = _mm256_add_epi16(q, entry(w[1], 4));
    p = _mm256_add_epi16(p, entry(w[0], 5));
    q = _mm256_add_epi16(q, entry(w[1], 5));
    p = _mm256_add_epi16(p, entry(w[0], 6));
    q = _mm256_add_epi16(q, entry(w[1], 6));
    p = _mm256_add_epi16(p, entry(w[0], 7));
    q = _mm256_add_epi16(q, entry(w[1], 7));
    [p, q]
}

#[target_feature(enable = "avx2")]
#[inline]
fn finish<const STAGE: u8>(sum: __m256i, scale: f32, g: &mut GroupSums, total: &mut RowSums) {
    if STAGE == FIRST || STAGE == MIDDLE {
        // SAFETY: 32 bytes, 32-byte aligned.
        unsafe { _mm256_store_si256(g.0.as_mut_ptr().cast(), sum) };
        return;
    }
    let s = _mm256_set1_ps(scale);
    let low = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(sum)));
    let high = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(sum)));
    let out = total.total.as_mut_ptr();
    // SAFETY: two vectors of 8 f32, 32-byte aligned.
    unsafe {
        // Adding to zero is not the identity for -0.0, and every kernel starts from zero.
        let (low0, high0) = if STAGE == LAST_OF_FIRST_GROUP {
            (_mm256_setzero_ps(), _mm256_setzero_ps())
        } else {
            (_mm256_load_ps(out), _mm256_load_ps(out.add(8)))
        };
        _mm256_store_ps(out, _mm256_add_ps(low0, _mm256_mul_ps(s, low)));
        _mm256_store_ps(out.add(8), _mm256_add_ps(high0, _mm256_mul_ps(s, high)));
    }
}

/// Scales the totals by each token's `a` and writes them token by token.
#[target_feature(enable = "avx2")]
fn write_out(totals: &[RowSums], a: &[f32; TOKENS], tokens: usize, y: &mut [f32], y_stride: usize) {
    let rows = totals.len();
    assert!((tokens - 1) * y_stride + rows <= y.len());
    let mut r = 0;
    while r + 8 <= rows {
        for half in 0..2 {
            // SAFETY: eight f32 from element 8 * half of 16.
            let a8 = unsafe { _mm256_loadu_ps(a.as_ptr().add(8 * half)) };
            let by_row = std::array::from_fn(|i| {
                // SAFETY: eight f32 from element 8 * half of 16, 32-byte aligned.
                let v = unsafe { _mm256_load_ps(totals[r + i].total.as_ptr().add(8 * half)) };
                _mm256_mul_ps(a8, v)
            });
            let by_token = transpose(by_row);
            for t in 8 * half..tokens.min(8 * half + 8) {
                // SAFETY: t < tokens and r + 8 <= rows, so this ends within `y` by the assertion above.
                unsafe { _mm256_storeu_ps(y.as_mut_ptr().add(t * y_stride + r), by_token[t - 8 * half]) };
            }
        }
        r += 8;
    }
    for r in r..rows {
        for t in 0..tokens {
            y[t * y_stride + r] = a[t] * totals[r].total[t];
        }
    }
}

/// Writes the index words of `codes` (whole rows of `cols`) to `indices[chunk * stride + first + row]`.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn index_codes(codes: &[i8], cols: usize, first: usize, stride: usize, indices: &mut [u64]) {
    // Within 16 columns, byte 4f + k goes to 4k + f, so that the four digits of an index become neighbours.
    let gather = _mm256_setr_epi8(
        0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7,
        11, 15,
    );
    let weights = _mm256_set1_epi32(i32::from_le_bytes([1, 3, 9, 27]));
    let (ones, zero_index) = (_mm256_set1_epi16(1), _mm256_set1_epi8(40));
    // Eight rows together fill whole cache lines of words: a row at a time would touch a line a word.
    for (b, rows) in codes.chunks(8 * cols).enumerate() {
        for g in 0..cols / GROUP {
            for (r, row) in rows.chunks_exact(cols).enumerate() {
                let group = &row[g * GROUP..][..GROUP];
                // One i32 an index: byte b of chunk c's word in lane b of sums[c].
                let sums: [__m256i; 4] = std::array::from_fn(|c| {
                    // SAFETY: 32 bytes from byte 32 c of 128.
                    let t = unsafe { _mm256_loadu_si256(group.as_ptr().add(CHUNK * c).cast()) };
                    let pairs = _mm256_maddubs_epi16(weights, _mm256_shuffle_epi8(t, gather));
                    _mm256_madd_epi16(pairs, ones)
                });
                // Packing works within 128-bit halves: each 32-bit piece is half a word, low halves first.
                let bytes = _mm256_packs_epi16(
                    _mm256_packs_epi32(sums[0], sums[1]),
                    _mm256_packs_epi32(sums[2], sums[3]),
                );
                let words = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
                let words = _mm256_add_epi8(words, zero_index);
                let words = [
                    _mm256_extract_epi64::<0>(words),
                    _mm256_extract_epi64::<1>(words),
                    _mm256_extract_epi64::<2>(words),
                    _mm256_extract_epi64::<3>(words),
                ];
                for (c, word) in words.into_iter().enumerate() {
                    indices[(4 * g + c) * stride + first + 8 * b + r] = word as u64;
                }
            }
        }
    }
}
