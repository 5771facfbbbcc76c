//! Portable kernels: the exact quantised arithmetic in plain loops, the oracle of every other row of the table.

pub(super) mod gemm_ternary;
pub(super) mod gemm_veclut;
pub(super) mod probe;

use formats::ternary::GROUP;

/// One row times one token: `sum over groups in order (scale[G] * (f32) sum_k codes[k] q[k])`.
fn row_product(codes: &[i8], scale: impl Fn(usize) -> f32, q: &[i8]) -> f32 {
    let mut acc = 0.0f32;
    for (g, (codes, q)) in codes.chunks_exact(GROUP).zip(q.chunks_exact(GROUP)).enumerate() {
        let sum: i32 = codes.iter().zip(q).map(|(&c, &q)| i32::from(c) * i32::from(q)).sum();
        acc += scale(g) * sum as f32;
    }
    acc
}
