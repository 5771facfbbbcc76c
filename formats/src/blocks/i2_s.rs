//! I2_S, bitnet.cpp's ternary weights: 2 bits each, and one f32 scale for the whole tensor, 32 bytes with its padding, behind all blocks.
//!
//! ```text
//! byte  0                        31
//!     +----------------------+ ... +-----------------------+
//!     | w0 w32 w64 w96       |     | w31 w63 w95 w127      |   bits 7-6 5-4 3-2 1-0: code = weight + 1; 3 is refused
//!     +----------------------+ ... +-----------------------+
//! ... and behind the last block:  scale, f32 | 28 bytes that mean nothing
//! ```
//!
//! This is the order of its x86 converter, which the published files have. The ARM one makes blocks of 64 in 16 bytes, of the same length and under the
//! same number; nothing in a file tells the two apart, so those are read as what they are not.

use half::f16;

use super::{Decoded, Problem, TensorType, two_bits};
use crate::Result;

/// Weights in a block.
pub const LEN: usize = 128;
/// Bytes of a block.
pub const BYTES: usize = LEN / 4;
/// Bytes behind the blocks: the scale and its padding.
pub const TAIL_BYTES: usize = 32;

/// Where in a byte the four weights stand that are 32 apart.
const SHIFTS: [u32; 4] = [6, 4, 2, 0];

/// What all weights of a tensor are multiplied by: the scale in the tail, the last [`TAIL_BYTES`] of the tensor (asserted). It is finite, or an error.
pub fn factor(tail: &[u8]) -> Result<f32> {
    assert_eq!(tail.len(), TAIL_BYTES);
    let (scale, _) = tail.split_first_chunk().expect("the tail is longer than a scale");
    let found = f32::from_le_bytes(*scale);
    if !found.is_finite() {
        return Err(Problem::Factor { ty: TensorType::I2_S.name(), found }.into());
    }
    Ok(found)
}

/// Of a tensor whose scale stands elsewhere: each block's is 1.
#[inline]
pub(super) fn decode(block: &[u8; BYTES], codes: &mut [i8]) -> Decoded {
    Decoded { scale: f16::ONE, fourth: two_bits::unpack_planes(block, SHIFTS, codes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{unpack, unpack_codes};

    #[test]
    fn i2_s_layout_interleaves_by_32_highest_bits_first() {
        let mut block = [0b01_01_01_01; BYTES];
        block[0] = 0b10_00_01_10; // weights 0, 32, 64, 96
        block[31] = 0b01_10_10_00; // weights 31, 63, 95, 127
        let mut codes = [9; LEN];
        unpack_codes(TensorType::I2_S, &block, &mut [], &mut codes).unwrap();
        assert_eq!([0, 32, 64, 96].map(|i| codes[i]), [1, -1, 0, 1]);
        assert_eq!([31, 63, 95, 127].map(|i| codes[i]), [0, 1, 1, -1]);
        assert_eq!(codes.iter().filter(|t| **t != 0).count(), 6);
        let (mut scales, mut weights) = ([f16::ZERO; 2], [0.0; LEN]);
        unpack_codes(TensorType::I2_S, &block, &mut scales, &mut codes).unwrap();
        unpack(TensorType::I2_S, &block, &mut weights).unwrap();
        assert_eq!((scales, weights[32]), ([f16::ONE; 2], -1.0));
        block[17] |= 0b00_11_00_00;
        assert!(unpack(TensorType::I2_S, &block, &mut weights).is_err());
    }

    #[test]
    fn i2_s_factor_is_exact_and_finite() {
        let mut tail = [0xaa; TAIL_BYTES];
        tail[..4].copy_from_slice(&1.234_567_8f32.to_le_bytes());
        assert_eq!(factor(&tail).unwrap(), 1.234_567_8);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            tail[..4].copy_from_slice(&bad.to_le_bytes());
            let error = factor(&tail).unwrap_err().to_string();
            assert!(error.contains("I2_S") && error.contains("not finite"), "{error}");
        }
    }
}
