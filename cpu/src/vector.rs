//! The vectors that ops are written with: eight f32, whatever an instruction set makes of them. Which set a body is compiled for is
//! [`Isa`](crate::isa)'s business.
//!
//! Every method rounds as IEEE 754 says, or not at all, and says what it does with a NaN where that could differ; so a body gives the same bits
//! with any implementation. The idea is that of the `Vector` trait of the memchr crate.

use formats::ternary::fold_lanes;
use half::f16;

/// Elements of a vector.
pub const LANES: usize = 8;

/// Eight f32.
///
/// [`Kernels::run`](crate::Kernels::run) alone hands implementations out, inside code that is compiled for their instruction set.
pub trait Vector: Copy {
    /// Eight times `x`.
    fn splat(x: f32) -> Self;
    /// Eight numbers as they lie in memory.
    fn load(x: &[f32; LANES]) -> Self;
    /// Eight halves, exactly. What infinities and NaN become is unspecified: they are refused in weights.
    fn load_f16(x: &[f16; LANES]) -> Self;
    /// Writes them to memory.
    fn store(self, to: &mut [f32; LANES]);
    /// `self + b`.
    fn add(self, b: Self) -> Self;
    /// `self * b`.
    fn mul(self, b: Self) -> Self;
    /// `self / b`.
    fn div(self, b: Self) -> Self;
    /// `self * b + c`, rounded once.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// Without their signs.
    fn abs(self) -> Self;
    /// `x` where it is larger, else `self`: also where `x` is a NaN.
    fn max(self, x: Self) -> Self;
    /// Element `j` of vector `i` becomes element `i` of vector `j`.
    fn transpose(rows: [Self; LANES]) -> [Self; LANES];

    /// Eight times +0.
    #[inline(always)]
    fn zero() -> Self {
        Self::splat(0.0)
    }

    /// The eight numbers.
    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        let mut to = [0.0; LANES];
        self.store(&mut to);
        to
    }

    /// Their sum: halves, quarters, eighths, the order of all sums over a row.
    #[inline(always)]
    fn sum(self) -> f32 {
        fold_lanes(self.to_array())
    }
}

/// Plain counted loops, which the compiler turns into vectors of whatever processor it compiles for; of `map` it often makes none.
impl Vector for [f32; LANES] {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        [x; LANES]
    }

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        *x
    }

    #[inline(always)]
    fn load_f16(x: &[f16; LANES]) -> Self {
        let mut to = [0.0; LANES];
        for i in 0..LANES {
            to[i] = crate::ops::widen_one(x[i]);
        }
        to
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        *to = self;
    }

    #[inline(always)]
    fn add(mut self, b: Self) -> Self {
        for i in 0..LANES {
            self[i] += b[i];
        }
        self
    }

    #[inline(always)]
    fn mul(mut self, b: Self) -> Self {
        for i in 0..LANES {
            self[i] *= b[i];
        }
        self
    }

    #[inline(always)]
    fn div(mut self, b: Self) -> Self {
        for i in 0..LANES {
            self[i] /= b[i];
        }
        self
    }

    #[inline(always)]
    fn mul_add(mut self, b: Self, c: Self) -> Self {
        for i in 0..LANES {
            self[i] = self[i].mul_add(b[i], c[i]);
        }
        self
    }

    #[inline(always)]
    fn abs(mut self) -> Self {
        for i in 0..LANES {
            self[i] = self[i].abs();
        }
        self
    }

    #[inline(always)]
    fn max(mut self, x: Self) -> Self {
        for i in 0..LANES {
            self[i] = if x[i] > self[i] { x[i] } else { self[i] };
        }
        self
    }

    #[inline(always)]
    fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        std::array::from_fn(|i| std::array::from_fn(|j| rows[j][i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compiled, Kernels};

    /// Numbers that show how a sum or a maximum is made: signs of zero, NaN, infinities, rounding.
    const NUMBERS: [f32; 16] = [
        0.0,
        -0.0,
        1.5,
        -2.25,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MIN_POSITIVE,
        1e-45,
        16_777_216.0,
        1.0,
        0.1,
        f32::MAX,
        -0.1,
        3.0,
        -7.0,
    ];

    /// Every method on every pair of the numbers, in any vector: the bits of all results, a NaN being a NaN.
    struct Everything;

    impl Compiled for Everything {
        type Output = Vec<u32>;

        fn run<V: Vector>(self) -> Vec<u32> {
            let mut out: Vec<V> = Vec::new();
            for shift in 0..NUMBERS.len() {
                let numbers = |from: usize| -> [f32; LANES] {
                    std::array::from_fn(|i| NUMBERS[(i * 5 + from) % NUMBERS.len()])
                };
                for from in [0, 3, 9] {
                    let (a, b) = (V::load(&numbers(from)), V::load(&numbers(from + shift)));
                    out.extend([a.add(b), a.mul(b), a.div(b), a.mul_add(b, a), a.abs(), a.max(b)]);
                    out.push(V::splat(a.add(b).sum()));
                }
            }
            let halves = std::array::from_fn(|i| f16::from_f32(NUMBERS[i + 8].clamp(-6e4, 6e4)));
            out.extend([V::load_f16(&halves), V::zero()]);
            out.extend(V::transpose(std::array::from_fn(|i| {
                V::load(&std::array::from_fn(|j| (8 * i + j) as f32))
            })));
            let bits = |x: f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
            out.iter().flat_map(|v| v.to_array().map(bits)).collect()
        }
    }

    #[test]
    fn vectors_of_every_instruction_set_have_the_same_bits() {
        let plain = Everything.run::<[f32; LANES]>();
        for kernels in Kernels::available() {
            assert_eq!(kernels.run(Everything), plain, "{}", kernels.name);
        }
        let last: Vec<u32> = (0..64).map(|i| ((i % 8 * 8 + i / 8) as f32).to_bits()).collect();
        assert_eq!(plain[plain.len() - 64..], last, "transposed");
    }

    #[test]
    fn vectors_keep_what_a_nan_is_compared_with() {
        let (one, nan) = ([1.0; LANES], [f32::NAN; LANES]);
        assert_eq!(Vector::max(one, nan), one);
        assert_eq!(Vector::max([-0.0f32; LANES], [0.0; LANES])[0].to_bits(), (-0.0f32).to_bits());
    }
}
