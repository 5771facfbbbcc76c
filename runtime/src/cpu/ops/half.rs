//! Half-precision rows to f32 and back, in plain integer and float arithmetic so that it vectorises everywhere.

use half::f16;

/// The f32 of every finite f16, subnormals included. Infinities and NaN give large finite numbers; the
/// loader refuses them in weights.
#[inline(always)]
pub(super) fn widen_one(h: f16) -> f32 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Kernels;

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
