//! Portable kernels: the exact quantised arithmetic in plain loops, the oracle of every other row of the table.

pub(super) mod gemm_ternary;
pub(super) mod gemm_veclut;
mod probe;

use crate::RowLayout;
use crate::isa::Isa;
use crate::kernels::{Kernels, Limits};

/// These kernels' row of the table. They take matrices of any layout and group.
pub(super) static KERNELS: &[Kernels] = &[Kernels {
    name: "scalar",
    about: "portable loops, the oracle",
    isa: Isa::Portable,
    layout: RowLayout::Words,
    ternary: &[],
    gemm_veclut: gemm_veclut::gemm,
    index_codes: gemm_veclut::index_codes,
    limits: Limits { multiply_add: None, read: probe::read },
}];

/// One row times one token: `sum over groups in order (scale[G] * (f32) sum_k codes[k] q[k])`, `group` columns sharing a scale.
///
/// The inner sum is exact in i32 for groups up to [`GROUP_MAX`](crate::GROUP_MAX), any `q`; f32 holds it exactly up to 131,072 columns, and
/// takes the nearest number, ties to even, beyond.
fn row_product(codes: &[i8], group: usize, scale: impl Fn(usize) -> f32, q: &[i8]) -> f32 {
    let mut acc = 0.0f32;
    for (g, (codes, q)) in codes.chunks_exact(group).zip(q.chunks_exact(group)).enumerate() {
        let sum: i32 = codes.iter().zip(q).map(|(&c, &q)| i32::from(c) * i32::from(q)).sum();
        acc += scale(g) * sum as f32;
    }
    acc
}
