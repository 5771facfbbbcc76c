//! Ternary product of one token by table lookup: `vpshufb` looks up, for 32 rows at once, the sum of two
//! activations that a nibble of two codes selects.
//!
//! ```text
//! sum of a pair, x0 (u0 - 1) + x1 (u1 - 1), at nibble u0 + 4 u1, split into two tables of bytes:
//!
//!   low  = sum mod 32          0..=31
//!   high = floor(sum / 32) + 8   0..=16       (a sum lies in -256..=256)
//!
//! per span of 16 columns: 4 loads -> 8 nibbles -> 16 vpshufb, 8 to each of two byte accumulators
//! ```
//!
//! Exactness: eight low parts are at most 248 and eight high parts at most 128, so bytes hold a span for any
//! activations whatever. After each span they are widened to 16 bits, where a group's parts are at most
//! 8 x 248 and 8 x 128.
//!
//! Cost: 52 vector instructions per 512 weights, 22 of them on the two shuffle ports; the tables take 16 bytes per column
//! and about 5 instructions per column to build, so a call should have as many rows as possible. Columns are
//! taken [`TILE_GROUPS`] groups at a time to keep the tables in L1.

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

use formats::ternary::GROUP;
use half::f16;

use crate::{RowLayout, TernaryMatrix};

/// Rows of a block.
const BLOCK: usize = RowLayout::Bytes.block();

/// Groups whose tables are held at once: 16 KiB.
const TILE_GROUPS: usize = 8;

/// Spans of 16 columns of a group.
const SPANS: usize = GROUP / 16;

/// Bytes of a group of a block.
const GROUP_BYTES: usize = BLOCK * GROUP / 4;

/// Groups to prefetch ahead: as many bytes as for the multiply-add kernel. A tile of groups is a part of a block's bytes, so
/// what follows its end is the same part of the next block.
const PREFETCH_GROUPS: usize = 4;

/// Tables of a group: by span, by byte of the span, low nibble then high nibble; low parts then high parts.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct GroupTables([[[[u8; 32]; 2]; 4]; SPANS]);

const NO_TABLES: GroupTables = GroupTables([[[[0; 32]; 2]; 4]; SPANS]);

thread_local! {
    static TABLES: RefCell<Box<[GroupTables; TILE_GROUPS]>> = RefCell::new(Box::new([NO_TABLES; TILE_GROUPS]));
}

/// `y[r - rows.start] = a * sum_G scale[r, G] * (f32) sum_k code[r, k] q[k]`; `rows` starts at a block.
#[target_feature(enable = "avx2,fma,f16c")]
pub fn gemv(m: &TernaryMatrix, rows: Range<usize>, q: &[i8], a: f32, y: &mut [f32]) {
    assert_eq!(m.layout(), RowLayout::Bytes);
    assert!(rows.start.is_multiple_of(BLOCK) && rows.end <= m.rows());
    assert_eq!(y.len(), rows.len());
    assert_eq!(q.len(), m.cols());
    let groups = m.cols() / GROUP;
    y.fill(0.0);
    TABLES.with_borrow_mut(|tables| {
        for (tile, q) in q.as_chunks::<GROUP>().0.chunks(TILE_GROUPS).enumerate() {
            let first_group = tile * TILE_GROUPS;
            for (tables, q) in tables.iter_mut().zip(q) {
                build_tables(tables, q);
            }
            for (y, first) in y.chunks_mut(BLOCK).zip(rows.clone().step_by(BLOCK)) {
                let codes = &m.codes()[first * m.cols() / 4 + first_group * GROUP_BYTES..];
                let scales = &m.scales()[first * groups + first_group * BLOCK..];
                let next = codes.as_ptr().wrapping_add(BLOCK * m.cols() / 4);
                let mut sums = [0.0; BLOCK];
                sums[..y.len()].copy_from_slice(y);
                add_groups(
                    &codes.as_chunks().0[..q.len()],
                    next,
                    &scales.as_chunks().0[..q.len()],
                    &tables[..q.len()],
                    &mut sums,
                );
                y.copy_from_slice(&sums[..y.len()]);
            }
        }
    });
    for y in y {
        *y *= a;
    }
}

/// Builds the tables of one group of activations.
#[target_feature(enable = "avx2")]
fn build_tables(tables: &mut GroupTables, q: &[i8; GROUP]) {
    // The codes that entry n stands for; entries with a digit of 3 are never looked up.
    let c0 = _mm256_setr_epi16(-1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0);
    let c1 = _mm256_setr_epi16(-1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0);
    let (low_mask, eight) = (_mm256_set1_epi16(31), _mm256_set1_epi16(8));
    for (tables, q) in tables.0.iter_mut().zip(q.as_chunks::<16>().0) {
        for k in 0..4 {
            for n in 0..2 {
                let x0 = _mm256_set1_epi16(i16::from(q[k + 8 * n]));
                let x1 = _mm256_set1_epi16(i16::from(q[k + 8 * n + 4]));
                let sum = _mm256_add_epi16(_mm256_sign_epi16(x0, c0), _mm256_sign_epi16(x1, c1));
                let low = _mm256_and_si256(sum, low_mask);
                let high = _mm256_add_epi16(_mm256_srai_epi16::<5>(sum), eight);
                let both = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(low, high));
                // SAFETY: the 32 bytes of one pair of tables, 32-byte aligned.
                unsafe { _mm256_store_si256(tables[k][n].as_mut_ptr().cast(), both) };
            }
        }
    }
}

/// Adds the scaled sums of some groups, in order, to the sums of 32 rows. `next` is where the next call's codes are, if there is one.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn add_groups(
    codes: &[[u8; GROUP_BYTES]],
    next: *const u8,
    scales: &[[f16; BLOCK]],
    tables: &[GroupTables],
    sums: &mut [f32; BLOCK],
) {
    assert!(codes.len() == tables.len() && scales.len() == tables.len());
    let nibble = _mm256_set1_epi8(0x0f);
    // The high parts' offset, for 64 pairs of a group.
    let offset = _mm256_set1_epi16(64 * 8 * 32);
    // Rows 0..8, 8..16, 16..24, 24..32.
    // SAFETY: eight f32 from element 8 i of 32.
    let mut acc: [__m256; 4] = std::array::from_fn(|i| unsafe { _mm256_loadu_ps(sums.as_ptr().add(8 * i)) });
    for (g, ((group, scales), tables)) in codes.iter().zip(scales).zip(tables).enumerate() {
        let ahead = match codes.get(g + PREFETCH_GROUPS) {
            Some(group) => group.as_ptr(),
            None => next.wrapping_add((g + PREFETCH_GROUPS).saturating_sub(codes.len()) * GROUP_BYTES),
        };
        // 16-bit sums of byte pairs as they are (even row + 256 odd row) and of the odd rows alone.
        let zero = _mm256_setzero_si256();
        let (mut low_pairs, mut low_odd, mut high_pairs, mut high_odd) = (zero, zero, zero, zero);
        for v in 0..SPANS {
            let (mut low, mut high) = (zero, zero);
            for k in 0..4 {
                let at = (4 * v + k) * BLOCK;
                if k % 2 == 0 {
                    _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(at).cast());
                }
                // SAFETY: 32 bytes from byte 32 (4 v + k) of 1,024.
                let w = unsafe { _mm256_loadu_si256(group.as_ptr().add(at).cast()) };
                let nibbles =
                    [_mm256_and_si256(w, nibble), _mm256_and_si256(_mm256_srli_epi16::<4>(w), nibble)];
                for n in 0..2 {
                    let table = tables.0[v][k][n].as_ptr();
                    // SAFETY: twice 16 of 32 bytes.
                    let (t_low, t_high) = unsafe {
                        (
                            _mm256_broadcastsi128_si256(_mm_load_si128(table.cast())),
                            _mm256_broadcastsi128_si256(_mm_load_si128(table.add(16).cast())),
                        )
                    };
                    low = _mm256_add_epi8(low, _mm256_shuffle_epi8(t_low, nibbles[n]));
                    high = _mm256_add_epi8(high, _mm256_shuffle_epi8(t_high, nibbles[n]));
                }
            }
            low_pairs = _mm256_add_epi16(low_pairs, low);
            low_odd = _mm256_add_epi16(low_odd, _mm256_srli_epi16::<8>(low));
            high_pairs = _mm256_add_epi16(high_pairs, high);
            high_odd = _mm256_add_epi16(high_odd, _mm256_srli_epi16::<8>(high));
        }
        // Modulo 2^16 throughout; the sums themselves fit.
        let even = |pairs, odd| _mm256_sub_epi16(pairs, _mm256_slli_epi16::<8>(odd));
        let join = |low, high| _mm256_sub_epi16(_mm256_add_epi16(low, _mm256_slli_epi16::<5>(high)), offset);
        let even_rows = join(even(low_pairs, low_odd), even(high_pairs, high_odd));
        let odd_rows = join(low_odd, high_odd);
        // Back to row order; unpacking works within halves: rows 0..8 | 16..24 and 8..16 | 24..32.
        let a = _mm256_unpacklo_epi16(even_rows, odd_rows);
        let b = _mm256_unpackhi_epi16(even_rows, odd_rows);
        let rows = [
            _mm256_castsi256_si128(a),
            _mm256_castsi256_si128(b),
            _mm256_extracti128_si256::<1>(a),
            _mm256_extracti128_si256::<1>(b),
        ];
        for i in 0..4 {
            // SAFETY: eight f16 from element 8 i of 32.
            let s = unsafe { _mm256_cvtph_ps(_mm_loadu_si128(scales.as_ptr().add(8 * i).cast())) };
            let sum = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(rows[i]));
            acc[i] = _mm256_add_ps(acc[i], _mm256_mul_ps(s, sum));
        }
    }
    for i in 0..4 {
        // SAFETY: eight f32 from element 8 i of 32.
        unsafe { _mm256_storeu_ps(sums.as_mut_ptr().add(8 * i), acc[i]) };
    }
}
