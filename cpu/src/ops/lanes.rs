//! Sums over a row in a fixed order: element `i` goes to lane `i % 8`, and the lanes are folded at the end.
//! Multiply and add stay separate roundings, so every instruction set gives the same bits.

use formats::ternary::fold_lanes;

/// `sum_i f(a_i, b_i)` in eight lanes.
#[inline(always)]
fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    assert_eq!(a.len(), b.len());
    let mut lanes = [0.0f32; 8];
    let (a8, a_tail) = a.as_chunks::<8>();
    let (b8, b_tail) = b.as_chunks::<8>();
    for (x, y) in a8.iter().zip(b8) {
        for i in 0..8 {
            lanes[i] += f(x[i], y[i]);
        }
    }
    for (i, (&x, &y)) in a_tail.iter().zip(b_tail).enumerate() {
        lanes[i] += f(x, y);
    }
    fold_lanes(lanes)
}

/// `sum_i a_i b_i` in eight lanes.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum2(a, b, |x, y| x * y)
}

/// [`dot`] of `N` rows with one vector: as many sums in flight, each with the bits it has alone.
#[inline(always)]
pub(super) fn dots<const N: usize>(rows: [&[f32]; N], x: &[f32]) -> [f32; N] {
    let (x8, x_tail) = x.as_chunks::<8>();
    let rows8: [&[[f32; 8]]; N] = rows.map(|row| &row[..x.len()].as_chunks::<8>().0[..x8.len()]);
    let mut lanes = [[0.0f32; 8]; N];
    for (k, x) in x8.iter().enumerate() {
        for r in 0..N {
            for i in 0..8 {
                lanes[r][i] += x[i] * rows8[r][k][i];
            }
        }
    }
    for r in 0..N {
        for (i, (&x, &y)) in x_tail.iter().zip(&rows[r][x8.len() * 8..]).enumerate() {
            lanes[r][i] += x * y;
        }
    }
    lanes.map(fold_lanes)
}

/// `sum_i x_i^2` in eight lanes.
#[inline(always)]
pub(super) fn sum_of_squares(x: &[f32]) -> f32 {
    dot(x, x)
}

/// `y += s * x`.
#[inline(always)]
pub(super) fn add_scaled(s: f32, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y += s * x;
    }
}
