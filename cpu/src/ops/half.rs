//! Half-precision rows to f32 and back, in plain integer and float arithmetic so that it vectorises everywhere.

use half::f16;

/// The f32 of every finite f16, subnormals included. Infinities and NaN give large finite numbers; the
/// loader refuses them in weights.
#[inline(always)]
pub(crate) fn widen_one(h: f16) -> f32 {
    // Sign-extending puts the sign where f32 has it, and the mask clears its copies below. The
    // exponent is then 112 too small, which one exact multiplication repairs for normals and subnormals alike.
    let bits = (i32::from(h.to_bits() as i16) << 13) as u32 & 0x8fff_e000;
    f32::from_bits(bits) * f32::from_bits((127 + 112) << 23)
}

#[inline(always)]
pub(super) fn widen(x: &[f16], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y = widen_one(x);
    }
}

/// The nearest f16 of a finite f32, ties to even; what would overflow is kept finite.
#[inline(always)]
fn narrow_one(v: f32) -> f16 {
    let max = f16::MAX.to_f32();
    let v = v.clamp(-max, max);
    let (sign, bits) = ((v.to_bits() >> 16) & 0x8000, v.to_bits() & 0x7fff_ffff);
    // Below the normal range, adding 0.5 shifts the mantissa to where f16 has it and rounds on the way.
    let small = (f32::from_bits(bits) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    // Elsewhere the exponent is 112 too large; half of the last place, less one where it is even, rounds.
    let normal = bits.wrapping_add((bits >> 13) & 1).wrapping_add(0x0fff).wrapping_sub(112 << 23) >> 13;
    let magnitude = if bits < (113 << 23) { small } else { normal };
    f16::from_bits((sign | magnitude) as u16)
}

#[inline(always)]
pub(super) fn narrow(x: &[f32], y: &mut [f16]) {
    assert_eq!(x.len(), y.len());
    for (y, &x) in y.iter_mut().zip(x) {
        *y = narrow_one(x);
    }
}

#[inline(always)]
pub(super) fn round(x: &mut [f32]) {
    for v in x {
        let rounded = widen_one(narrow_one(*v));
        *v = if v.is_nan() { *v } else { rounded };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernels;

    #[test]
    fn narrow_rounds_as_the_standard_says() {
        // Every half, the middle to the next one, and the floats around both.
        let halves = (0..0x7c00u16).map(|h| f16::from_bits(h).to_f32());
        let middles =
            (0..0x7bffu16).map(|h| (f16::from_bits(h).to_f32() + f16::from_bits(h + 1).to_f32()) / 2.0);
        let around = |v: f32| [-1, 0, 1].map(|step: i32| v.to_bits().saturating_add_signed(step));
        let all: Vec<f32> = halves
            .chain(middles)
            .flat_map(around)
            .flat_map(|b| [f32::from_bits(b), -f32::from_bits(b)])
            .filter(|v| v.is_finite())
            .chain([f32::MAX, f32::MIN, 1e6, -65_520.0, f32::MIN_POSITIVE, 1e-45])
            .collect();
        let max = f16::MAX.to_f32();
        for kernels in Kernels::available() {
            let mut y = vec![f16::ZERO; all.len()];
            kernels.narrow_f16(&all, &mut y);
            for (x, y) in all.iter().zip(&y) {
                let want = f16::from_f32(x.clamp(-max, max));
                assert_eq!(want.to_bits(), y.to_bits(), "{x:e} on {}", kernels.name);
            }
            // Training rounds as serving stores.
            let (mut rounded, mut stored) = (all.clone(), vec![0.0; all.len()]);
            kernels.round_f16(&mut rounded);
            kernels.widen_f16(&y, &mut stored);
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!(bits(&rounded) == bits(&stored), "on {}", kernels.name);
            let mut odd = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
            kernels.round_f16(&mut odd);
            assert!(odd[..2] == [max, -max] && odd[2].is_nan(), "{odd:?} on {}", kernels.name);
        }
    }

    #[test]
    fn widen_is_exact_for_every_finite_half() {
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|h| h.is_finite()).collect();
        for kernels in Kernels::available() {
            let mut y = vec![0.0; all.len()];
            kernels.widen_f16(&all, &mut y);
            for (h, y) in all.iter().zip(&y) {
                assert_eq!(h.to_f32().to_bits(), y.to_bits(), "{h} on {}", kernels.name);
            }
        }
    }
}
