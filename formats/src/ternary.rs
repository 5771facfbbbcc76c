//! The ternary quantiser of one group of weights: the one definition that the trainer, the
//! exporter and every test share. Packing the result into bytes is `blocks`' business.

use half::f16;

/// Weights that share one scale.
pub const GROUP: usize = 128;

/// Smallest scale: the smallest normal f16, so that dividing by it is safe.
pub const SCALE_MIN: f32 = 6.103_515_6e-5;

/// Adds 1.5 * 2^23: rounds a small f32 to an integer, ties to even, and leaves that integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Folds eight partial sums in the fixed order every backend uses: halves, then quarters, then eighths.
#[inline(always)]
pub fn fold_lanes(l: [f32; 8]) -> f32 {
    let h = [l[0] + l[4], l[1] + l[5], l[2] + l[6], l[3] + l[7]];
    (h[0] + h[2]) + (h[1] + h[3])
}

/// Quantises one group of [`GROUP`] weights, see [`absmean`].
#[inline(always)]
pub fn quantise_group(weights: &[f32], codes: &mut [i8]) -> f16 {
    assert_eq!(weights.len(), GROUP);
    absmean(weights, codes)
}

/// Quantises the weights of one scale: `s = f16(max(mean|w|, 2^-14))`, `t = clamp(round_half_even(w / s), -1, 1)`.
///
/// The scale is rounded to f16 before it divides, so that what trains is what ships. The sum of
/// |w| runs in eight lanes (weight `i` in lane `i % 8`), folded by [`fold_lanes`]; this order is part of the
/// definition. Source: BitNet b1.58 (arXiv 2402.17764), absmean per group.
///
/// `weights` and `codes` have the same number of elements, a multiple of 8. A non-finite weight gives an unspecified code.
#[inline(always)]
pub fn absmean(weights: &[f32], codes: &mut [i8]) -> f16 {
    assert!(weights.len().is_multiple_of(8), "{} weights", weights.len());
    assert_eq!(weights.len(), codes.len());
    let mut lanes = [0.0f32; 8];
    for chunk in weights.chunks_exact(8) {
        for (lane, w) in lanes.iter_mut().zip(chunk) {
            *lane += w.abs();
        }
    }
    let mean = fold_lanes(lanes) / weights.len() as f32;
    let scale = f16::from_f32(mean.max(SCALE_MIN));
    let s = scale.to_f32();
    for (t, w) in codes.iter_mut().zip(weights) {
        let r = (w / s).clamp(-1.0, 1.0) + ROUND;
        *t = r.to_bits() as i8;
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantise_group_rounds_half_to_even_and_clamps() {
        // All |w| = 1 but four probes: choose them so that the mean stays exactly 1.
        let mut w = [1.0f32; GROUP];
        w[0] = 0.5; // half: to even, 0
        w[1] = 1.5; // clamps to 1
        w[2] = -0.5; // to even, 0
        w[3] = -1.5; // clamps to -1
        let mut t = [9i8; GROUP];
        let s = quantise_group(&w, &mut t);
        assert_eq!(s.to_f32(), 1.0);
        assert_eq!(&t[..5], &[0, 1, 0, -1, 1]);
    }

    #[test]
    fn quantise_group_of_zeros_has_the_smallest_scale() {
        let mut t = [9i8; GROUP];
        let s = quantise_group(&[0.0; GROUP], &mut t);
        assert_eq!(s.to_f32(), SCALE_MIN);
        assert_eq!(t, [0i8; GROUP]);
    }
}
