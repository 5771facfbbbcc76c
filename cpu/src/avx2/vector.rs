//! Eight f32 in a register. Every method is one instruction or two, inlined into code that is compiled for AVX2, FMA and F16C, where alone
//! [`Isa`](crate::isa) uses this type.

use std::arch::x86_64::*;
use std::mem::transmute;

use half::f16;

use crate::vector::{LANES, Vector};

/// A register.
#[derive(Clone, Copy)]
pub struct F32x8(__m256);

impl Vector for F32x8 {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: values of this type are made only where `Isa` has found AVX2, FMA and F16C, here and in every method below.
        F32x8(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        // Not the load instruction's own function, whose pointer is checked once more in every build with assertions.
        // SAFETY: eight f32 either way.
        F32x8(unsafe { transmute::<[f32; LANES], __m256>(*x) })
    }

    #[inline(always)]
    fn load_f16(x: &[f16; LANES]) -> Self {
        // SAFETY: sixteen bytes either way; the instruction as in `splat`.
        F32x8(unsafe { _mm256_cvtph_ps(transmute::<[f16; LANES], __m128i>(*x)) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        // SAFETY: as in `load`.
        *to = unsafe { transmute::<__m256, [f32; LANES]>(self.0) };
    }

    #[inline(always)]
    fn add(self, b: Self) -> Self {
        // SAFETY: as in `splat`.
        F32x8(unsafe { _mm256_add_ps(self.0, b.0) })
    }

    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        // SAFETY: as in `splat`.
        F32x8(unsafe { _mm256_mul_ps(self.0, b.0) })
    }

    #[inline(always)]
    fn div(self, b: Self) -> Self {
        // SAFETY: as in `splat`.
        F32x8(unsafe { _mm256_div_ps(self.0, b.0) })
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: as in `splat`.
        F32x8(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: as in `splat`.
        F32x8(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn max(self, x: Self) -> Self {
        // The instruction gives its second operand unless the first is larger.
        // SAFETY: as in `splat`.
        F32x8(unsafe { _mm256_max_ps(x.0, self.0) })
    }

    #[inline(always)]
    fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        // SAFETY: as in `splat`.
        unsafe { transpose(rows.map(|r| r.0)) }.map(F32x8)
    }
}

/// Element `j` of register `i` becomes element `i` of register `j`. Plain loops become scalar moves, which cost a tenth of the product that
/// the trainer needs it for.
#[target_feature(enable = "avx2")]
#[inline]
pub fn transpose(r: [__m256; 8]) -> [__m256; 8] {
    // Pairs of rows interleaved: even places the low halves of each 128 bits, odd places the high ones.
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
    std::array::from_fn(|i| {
        let (x, y) = (quads[i % 4], quads[i % 4 + 4]);
        if i < 4 { _mm256_permute2f128_ps::<0x20>(x, y) } else { _mm256_permute2f128_ps::<0x31>(x, y) }
    })
}
