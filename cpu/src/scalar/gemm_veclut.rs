//! Product of a table-index matrix with many tokens, without tables: each row is decoded once and multiplied
//! with every token.

use formats::ternary::GROUP;

use super::row_product;
use crate::veclut::{CHUNK, VecLutView, ZERO_WORD};

/// Writes the index words of `codes` (whole rows of `cols`) to `indices[chunk * stride + first + row]`.
pub fn index_codes(codes: &[i8], cols: usize, first: usize, stride: usize, indices: &mut [u64]) {
    for (r, row) in codes.chunks_exact(cols).enumerate() {
        for (c, chunk) in row.chunks_exact(CHUNK).enumerate() {
            let mut word = ZERO_WORD;
            for (j, &t) in chunk.iter().enumerate() {
                let (h, f, k) = (j / 16, j % 16 / 4, j % 4);
                let digit = i64::from(t) * [1, 3, 9, 27][f];
                // No byte borrows from its neighbour in the end: each ends up in 0..=80.
                word = word.wrapping_add_signed(digit << (8 * (4 * h + k)));
            }
            indices[c * stride + first + r] = word;
        }
    }
}

/// The codes of one index word, by column.
fn decode(word: u64) -> [i8; CHUNK] {
    let mut codes = [0; CHUNK];
    for (g, mut index) in word.to_le_bytes().into_iter().enumerate() {
        for f in 0..4 {
            codes[g / 4 * 16 + g % 4 + 4 * f] = (index % 3) as i8 - 1;
            index /= 3;
        }
    }
    codes
}

/// `y[t * y_stride + r] = a[t] * sum_G scale[r, G] * (f32) sum_k code[r, k] q[t, k]`.
pub fn gemm(m: &VecLutView<'_>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize) {
    let mut codes = vec![0i8; m.cols];
    for r in 0..m.rows {
        for (c, chunk) in codes.chunks_exact_mut(CHUNK).enumerate() {
            chunk.copy_from_slice(&decode(m.indices[c * m.stride + r]));
        }
        for (t, &a) in a.iter().enumerate() {
            let scale = |g: usize| m.scales[g * m.stride + r];
            y[t * y_stride + r] = a * row_product(&codes, GROUP, scale, &q[t * m.cols..][..m.cols]);
        }
    }
}
