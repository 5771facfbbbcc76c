//! Product of a two-bit matrix with any number of tokens, in any layout and group: each row is decoded once and
//! multiplied with every token.

use std::ops::Range;

use super::row_product;
use crate::TernaryMatrix;

/// `y[t * y_stride + r - rows.start] = a[t] * sum_G scale[r, G] * (f32) sum_k code[r, k] q[t, k]`.
pub fn gemm(m: &TernaryMatrix, rows: Range<usize>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize) {
    let mut codes = vec![0i8; m.cols()];
    for (i, r) in rows.enumerate() {
        m.unpack_row(r, &mut codes);
        for (t, &a) in a.iter().enumerate() {
            y[t * y_stride + i] = a * row_product(
                &codes,
                m.group(),
                |g| m.scale(r, g).to_f32(),
                &q[t * m.cols()..][..m.cols()],
            );
        }
    }
}
