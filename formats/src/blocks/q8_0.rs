//! Q8_0: 32 weights of 8 bits share one f16 scale, 8.5 bits a weight. For embeddings and heads.
//!
//! ```text
//! byte  0      1      2    3          33
//!     +------+------+----+----+ ... +-----+
//!     | scale, f16  | q0 | q1 |     | q31 |   weight = scale * q, q a signed byte
//!     +------+------+----+----+ ... +-----+
//! ```

use half::f16;

use super::{Problem, TensorType, finite};

/// Weights in a block.
pub const LEN: usize = 32;
/// Bytes of a block.
pub const BYTES: usize = 2 + LEN;
const _: () = assert!(BYTES == 34);

const TY: &str = TensorType::Q8_0.name();

/// Adds 1.5 * 2^23: rounds a small f32 to an integer, ties to even, and leaves that integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Quantises one block: `d = f16(max|x| / 127)`, `q = clamp(round_half_even(x / d), -127, 127)`.
///
/// The scale is rounded before it divides, so that training can use the very numbers that are stored.
/// A block too small for an f16 scale becomes zeros. A weight that is not finite, or beyond `127 * 65504`, gives a
/// scale that is not finite or unspecified codes; [`super::pack`] refuses those.
#[inline]
pub fn quantise_block(x: &[f32; LEN]) -> (f16, [i8; LEN]) {
    let mut max = 0.0f32;
    for v in x {
        max = max.max(v.abs());
    }
    let scale = f16::from_f32(max / 127.0);
    let d = scale.to_f32();
    if d == 0.0 {
        return (scale, [0; LEN]);
    }
    let mut q = [0i8; LEN];
    for (q, v) in q.iter_mut().zip(x) {
        let r = (v / d).clamp(-127.0, 127.0) + ROUND;
        *q = r.to_bits() as i8;
    }
    (scale, q)
}

/// The error is the scale that is not finite.
pub(super) fn unpack(block: &[u8; BYTES], out: &mut [f32]) -> Result<(), f32> {
    let [low, high, q @ ..] = block;
    let scale = finite(f16::from_le_bytes([*low, *high]))?;
    for (w, q) in out.iter_mut().zip(q) {
        *w = scale * f32::from(*q as i8);
    }
    Ok(())
}

/// Lengths are checked by [`super::pack`].
pub(super) fn pack(weights: &[f32], out: &mut Vec<u8>) -> Result<(), Problem> {
    for (index, block) in weights.as_chunks::<LEN>().0.iter().enumerate() {
        let (scale, q) = quantise_block(block);
        if !scale.is_finite() || block.iter().any(|v| v.is_nan()) {
            return Err(Problem::Scale { ty: TY, block: index, found: scale.to_f32() });
        }
        out.extend(scale.to_le_bytes());
        out.extend(q.map(|q| q as u8));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::unpack;

    #[test]
    fn q8_0_rounds_half_to_even_after_rounding_the_scale() {
        let mut x = [0.0f32; LEN];
        x[0] = 127.0; // scale 1, exactly
        x[1] = 0.5;
        x[2] = 1.5;
        x[3] = -2.5;
        x[4] = -127.0;
        let (d, q) = quantise_block(&x);
        assert_eq!(d.to_f32(), 1.0);
        assert_eq!(&q[..5], &[127, 0, 2, -2, -127]);
        // 1.4 of the smallest f16 rounds down to one: the largest weight is then 178 steps, and must clamp.
        x = [0.0; LEN];
        x[0] = 127.0 * 1.4 * f16::MIN_POSITIVE_SUBNORMAL.to_f32();
        x[1] = -x[0];
        let (d, q) = quantise_block(&x);
        assert_eq!(d, f16::MIN_POSITIVE_SUBNORMAL);
        assert_eq!(&q[..2], &[127, -127]);
    }

    #[test]
    fn q8_0_of_zeros_and_of_dust_is_zeros() {
        assert_eq!(quantise_block(&[0.0; LEN]), (f16::ZERO, [0; LEN]));
        assert_eq!(quantise_block(&[1e-9; LEN]), (f16::ZERO, [0; LEN]));
    }

    #[test]
    fn q8_0_is_within_half_a_step_and_idempotent() {
        let x: [f32; LEN] = std::array::from_fn(|i| (i as f32 * 0.37).sin() * 0.1);
        let mut bytes = Vec::new();
        pack(&x, &mut bytes).unwrap();
        let mut y = [0.0; LEN];
        unpack(TensorType::Q8_0, &bytes, &mut y).unwrap();
        let d = f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
        for (x, y) in x.iter().zip(y) {
            assert!((x - y).abs() <= 0.51 * d);
        }
        let mut again = Vec::new();
        pack(&y, &mut again).unwrap();
        assert_eq!(bytes, again);
    }

    #[test]
    fn q8_0_refuses_what_is_not_finite() {
        let mut out = Vec::new();
        for bad in [f32::NAN, f32::INFINITY, f32::MAX] {
            let mut x = [1.0; LEN];
            x[7] = bad;
            assert!(pack(&x, &mut out).is_err());
        }
        let mut bytes = vec![1u8; BYTES];
        bytes[..2].copy_from_slice(&f16::NAN.to_le_bytes());
        assert!(unpack(TensorType::Q8_0, &bytes, &mut [0.0; LEN]).is_err());
    }
}
