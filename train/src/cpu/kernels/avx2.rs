//! What the kernels need of AVX2 beyond what the compiler makes of plain loops. Called only after the table of kernels has seen the CPU
//! offer it.
#![expect(unsafe_code, reason = "vector loads and stores of whole arrays")]

use std::arch::x86_64::*;

use super::dx_ternary::Block;

/// The transposed block. The compiler turns the plain loops into scalar moves, which cost a tenth of the whole product.
#[target_feature(enable = "avx2")]
#[inline]
pub fn transpose(block: &Block) -> Block {
    // SAFETY: each row of the block is eight floats.
    let r: [__m256; 8] = std::array::from_fn(|i| unsafe { _mm256_loadu_ps(block[i].as_ptr()) });
    // Pairs of rows interleaved, even places the low halves of each 128 bits, odd places the high ones.
    let pairs: [__m256; 8] = std::array::from_fn(|i| {
        let (x, y) = (r[i / 2 * 2], r[i / 2 * 2 + 1]);
        if i % 2 == 0 { _mm256_unpacklo_ps(x, y) } else { _mm256_unpackhi_ps(x, y) }
    });
    // Columns i and i + 4 of four rows: rows 0..4 in the first four places, rows 4..8 in the others.
    let quads: [__m256; 8] = std::array::from_fn(|i| {
        let at = i / 4 * 4 + i % 4 / 2;
        let (x, y) = (pairs[at], pairs[at + 2]);
        if i % 2 == 0 { _mm256_shuffle_ps::<0x44>(x, y) } else { _mm256_shuffle_ps::<0xee>(x, y) }
    });
    let mut out = [[0.0; 8]; 8];
    for i in 0..4 {
        let (x, y) = (quads[i], quads[i + 4]);
        // SAFETY: each row of the block is eight floats.
        unsafe {
            _mm256_storeu_ps(out[i].as_mut_ptr(), _mm256_permute2f128_ps::<0x20>(x, y));
            _mm256_storeu_ps(out[i + 4].as_mut_ptr(), _mm256_permute2f128_ps::<0x31>(x, y));
        }
    }
    out
}
