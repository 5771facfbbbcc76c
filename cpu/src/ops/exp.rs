//! The exponential and what is built on it, written with adds, multiplies and integer shifts alone,
//! so that a vector of them and a single one give the same bits everywhere.

/// Adds 1.5 * 2^23: rounds to an integer, ties to even, and leaves it in the low bits of the float.
const ROUND: f32 = 12_582_912.0;

/// `e^x`, relative error below 2e-7 for -87.3 <= x <= 88; beyond, the value at the bound. NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.3, 88.0);
    let z = x * std::f32::consts::LOG2_E + ROUND;
    let n = z - ROUND;
    // ln 2 in two parts, the first with trailing zeros so that n times it is exact.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    // Taylor to r^6: the next term is below 1.3e-7 relative for |r| <= ln(2) / 2.
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    p * f32::from_bits((z.to_bits() << 23).wrapping_add(127 << 23))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}
