//! Per-token int8 quantisation of activations, as every ternary product reads them.

use crate::vector::Vector;

/// Adds 1.5 * 2^23: rounds to an integer, ties to even, and leaves it in the low bits of the float.
const ROUND: f32 = 12_582_912.0;

#[inline(always)]
pub(super) fn body<V: Vector>(x: &[f32], q: &mut [i8]) -> f32 {
    assert_eq!(x.len(), q.len());
    let (x8, tail) = x.as_chunks::<8>();
    let lanes = x8.iter().fold(V::zero(), |max, x| max.max(V::load(x).abs())).to_array();
    let absmax = lanes.into_iter().chain(tail.iter().map(|v| v.abs())).fold(0.0f32, f32::max);
    let a = absmax / 127.0;
    // A subnormal scale could divide to infinity; such a row is zero for every purpose.
    if a < f32::MIN_POSITIVE {
        q.fill(0);
        return 0.0;
    }
    for (q, &x) in q.iter_mut().zip(x) {
        *q = ((x / a).clamp(-127.0, 127.0) + ROUND).to_bits() as i8;
    }
    a
}
