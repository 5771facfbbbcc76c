//! Sums over a row in a fixed order: element `i` goes to lane `i % 8`, and the lanes are folded at the end.
//! Multiply and add stay separate roundings, so every instruction set gives the same bits.

use formats::ternary::fold_lanes;

use crate::vector::Vector;

/// [`dot_in`] for code that is compiled for an instruction set already, and does not know which.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot_in::<[f32; 8]>(a, b)
}

/// `sum_i a_i b_i` in eight lanes.
#[inline(always)]
pub(super) fn dot_in<V: Vector>(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    dots::<V, 1>([a], b)[0]
}

/// [`dot_in`] of `N` rows with one vector: as many sums in flight, each with the bits it has alone.
#[inline(always)]
pub(super) fn dots<V: Vector, const N: usize>(rows: [&[f32]; N], x: &[f32]) -> [f32; N] {
    let (x8, x_tail) = x.as_chunks::<8>();
    let rows8: [&[[f32; 8]]; N] = rows.map(|row| &row[..x.len()].as_chunks::<8>().0[..x8.len()]);
    let mut sums = [V::zero(); N];
    for (k, x) in x8.iter().enumerate() {
        let x = V::load(x);
        for r in 0..N {
            sums[r] = sums[r].add(x.mul(V::load(&rows8[r][k])));
        }
    }
    let mut lanes = sums.map(V::to_array);
    for r in 0..N {
        for (i, (&x, &y)) in x_tail.iter().zip(&rows[r][x8.len() * 8..]).enumerate() {
            lanes[r][i] += x * y;
        }
    }
    lanes.map(fold_lanes)
}

/// `sum_i x_i^2` in eight lanes.
#[inline(always)]
pub(super) fn sum_of_squares<V: Vector>(x: &[f32]) -> f32 {
    dot_in::<V>(x, x)
}

/// `y += s * x`.
#[inline(always)]
pub(super) fn add_scaled(s: f32, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y += s * x;
    }
}
