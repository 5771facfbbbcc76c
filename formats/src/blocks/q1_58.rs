//! Q1_58, our ternary block: 128 weights, one f16 scale, 2.125 bits a weight. What the scale and the codes
//! of trained weights are, [`crate::ternary`] says; these bytes are also the `PQ2_0` of others.
//!
//! ```text
//! byte  0      1      2                  3                        33
//!     +------+------+------------------+------------------+ ... +---------------------+
//!     | scale, f16  | w3 w2 w1 w0      | w7 w6 w5 w4      |     | w127 w126 w125 w124 |
//!     +------+------+------------------+------------------+ ... +---------------------+
//!       low    high   bits 7-6 5-4 3-2 1-0: code = weight + 1, so 0, 1, 2; 3 is refused
//! ```

use half::f16;

use super::{Problem, TensorType, q2_0};
use crate::Result;
use crate::ternary::{GROUP, quantise_group};

/// Weights in a block.
pub const LEN: usize = GROUP;
/// Bytes of a block.
pub const BYTES: usize = 2 + LEN / 4;
const _: () = assert!(LEN == 128 && BYTES == 34);

const TY: TensorType = TensorType::Q1_58;

/// Appends one block: `codes` has [`LEN`] elements, each -1, 0 or 1 (asserted).
pub fn pack_group(scale: f16, codes: &[i8], out: &mut Vec<u8>) {
    assert_eq!(codes.len(), LEN);
    assert!(!codes.contains(&2), "a ternary weight is 2");
    q2_0::encode(scale, codes, out);
}

/// Reads one block: returns its scale and fills `codes` ([`LEN`] elements) with -1, 0 and 1.
///
/// An error means the code 3 or a scale that is not finite; it calls the block number 0.
pub fn unpack_group(block: &[u8; BYTES], codes: &mut [i8]) -> Result<f16> {
    let mut scale = [f16::ZERO];
    super::unpack_codes(TY, block, &mut scale, codes)?;
    Ok(scale[0])
}

/// Quantises latent weights; lengths are checked by [`super::pack`].
pub(super) fn pack(weights: &[f32], out: &mut Vec<u8>) -> std::result::Result<(), Problem> {
    let mut codes = [0i8; LEN];
    for (index, group) in weights.chunks_exact(LEN).enumerate() {
        let scale = quantise_group(group, &mut codes);
        if !scale.is_finite() || group.iter().any(|w| w.is_nan()) {
            return Err(Problem::Scale { ty: TY.name(), block: index, found: scale.to_f32() });
        }
        pack_group(scale, &codes, out);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{unpack, unpack_codes};

    /// -1, 0, 1, -1, 0, 1, ...
    fn codes() -> Vec<i8> {
        (0..LEN).map(|i| (i % 3) as i8 - 1).collect()
    }

    #[test]
    fn q1_58_layout_is_scale_then_codes_lowest_bits_first() {
        let mut bytes = Vec::new();
        pack_group(f16::from_f32(1.5), &codes(), &mut bytes);
        assert_eq!(bytes.len(), BYTES);
        assert_eq!(&bytes[..2], &[0x00, 0x3e]);
        // Weights -1 0 1 -1 are codes 0 1 2 0; then 0 1 -1 0 are 1 2 0 1.
        assert_eq!(&bytes[2..4], &[0b00_10_01_00, 0b01_00_10_01]);
        let mut back = vec![9i8; LEN];
        let scale = unpack_group(bytes.as_slice().try_into().unwrap(), &mut back).unwrap();
        assert_eq!((scale.to_f32(), back), (1.5, codes()));
    }

    #[test]
    fn q1_58_refuses_code_3_and_names_the_block() {
        let mut bytes = Vec::new();
        pack_group(f16::ONE, &codes(), &mut bytes);
        pack_group(f16::ONE, &codes(), &mut bytes);
        for at in 0..32 {
            let mut bad = bytes.clone();
            bad[34 + 2 + at] |= 0b11 << (2 * (at % 4));
            let error = unpack_codes(TY, &bad, &mut [f16::ZERO; 2], &mut [0; 256]).unwrap_err();
            assert!(matches!(error, crate::Error::Block(Problem::Code { block: 1, .. })), "{error}");
        }
    }

    #[test]
    fn q1_58_refuses_scales_that_are_not_finite() {
        let mut bytes = Vec::new();
        pack_group(f16::NAN, &codes(), &mut bytes);
        assert!(unpack(TY, &bytes, &mut [0.0; LEN]).is_err());
        bytes[..2].copy_from_slice(&f16::INFINITY.to_le_bytes());
        assert!(unpack(TY, &bytes, &mut [0.0; LEN]).is_err());
        assert!(pack(&[f32::MAX; LEN], &mut bytes).is_err());
        assert!(pack(&[f32::NAN; LEN], &mut bytes).is_err());
    }

    #[test]
    fn q1_58_pack_is_the_quantiser_bit_for_bit() {
        let weights: Vec<f32> = (0..LEN * 3).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
        let mut bytes = Vec::new();
        pack(&weights, &mut bytes).unwrap();
        let (mut scales, mut codes) = ([f16::ZERO; 3], vec![0; LEN * 3]);
        unpack_codes(TY, &bytes, &mut scales, &mut codes).unwrap();
        for g in 0..3 {
            let mut expected = [0i8; LEN];
            let scale = quantise_group(&weights[g * LEN..][..LEN], &mut expected);
            assert_eq!((scales[g], &codes[g * LEN..][..LEN]), (scale, &expected[..]));
        }
    }
}
