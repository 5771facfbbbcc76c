//! Q2_0, llama.cpp's block of 2-bit weights: 64 of them, one f16 scale, 2.25 bits a weight. Ternary models use three of the four codes; where
//! a file has the fourth, it is the weight +2.
//!
//! ```text
//! byte  0      1      2                  3                        17
//!     +------+------+------------------+------------------+ ... +------------------+
//!     | scale, f16  | w3 w2 w1 w0      | w7 w6 w5 w4      |     | w63 w62 w61 w60  |
//!     +------+------+------------------+------------------+ ... +------------------+
//!       low    high   bits 7-6 5-4 3-2 1-0: code = weight + 1
//! ```
//!
//! Q2_0_128 is the same for 128 weights in 34 bytes, the bytes of [`super::q1_58`], as PrismML published them under Q2_0's number.

use half::f16;

use super::{Decoded, two_bits};

/// Weights in a block.
pub const LEN: usize = 64;
/// Bytes of a block.
pub const BYTES: usize = 2 + LEN / 4;
/// Weights in a block of Q2_0_128.
pub const LEN_128: usize = 128;
/// Bytes of a block of Q2_0_128.
pub const BYTES_128: usize = 2 + LEN_128 / 4;
const _: () = assert!(BYTES == 18 && BYTES_128 == 34);

/// Whether any of these whole blocks of `BLOCK` bytes ([`BYTES`] or [`BYTES_128`]) has the weight +2, so that the matrix is not ternary.
pub fn has_twos<const BLOCK: usize>(bytes: &[u8]) -> bool {
    bytes
        .as_chunks::<BLOCK>()
        .0
        .iter()
        .any(|block| block[2..].iter().fold(0, |threes, byte| threes | (byte & (byte >> 1) & 0x55)) != 0)
}

/// `codes` has as many elements as the block weights.
#[inline]
pub(super) fn decode<const BLOCK: usize>(block: &[u8; BLOCK], codes: &mut [i8]) -> Decoded {
    let (scale, packed) = block.split_first_chunk::<2>().expect("a block begins with a scale");
    Decoded { scale: f16::from_le_bytes(*scale), fourth: two_bits::unpack_in_order(packed, codes) }
}

pub(super) fn encode(scale: f16, codes: &[i8], out: &mut Vec<u8>) {
    out.extend(scale.to_le_bytes());
    two_bits::pack_in_order(codes, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{TensorType, pack_codes, unpack, unpack_codes};

    #[test]
    fn q2_0_layout_is_scale_then_codes_lowest_bits_first() {
        let codes: Vec<i8> = (0..LEN).map(|i| (i % 4) as i8 - 1).collect();
        let mut bytes = Vec::new();
        pack_codes(TensorType::Q2_0, &[f16::from_f32(1.5)], &codes, &mut bytes).unwrap();
        assert_eq!((bytes.len(), &bytes[..3]), (BYTES, &[0x00, 0x3e, 0b11_10_01_00][..]));
        let (mut scales, mut back) = ([f16::ZERO], vec![9; LEN]);
        unpack_codes(TensorType::Q2_0, &bytes, &mut scales, &mut back).unwrap();
        assert_eq!((scales[0].to_f32(), &back), (1.5, &codes));
        let mut weights = [0.0; LEN];
        unpack(TensorType::Q2_0, &bytes, &mut weights).unwrap();
        assert_eq!(weights[..4], [-1.5, 0.0, 1.5, 3.0]);
    }

    #[test]
    fn q2_0_twos_are_found_wherever_they_are_and_only_among_codes() {
        let block = |scale: [u8; 2], packed: u8| [&scale[..], &[packed; 16]].concat();
        // A scale of four ones in its bits is no code.
        let none = [block([0xff, 0x3b], 0b10_01_00_10), block([0, 0x3c], 0b01_10_01_10)].concat();
        assert!(!has_twos::<BYTES>(&none));
        for at in (2..18).chain(20..36) {
            for k in 0..4 {
                let mut one = none.clone();
                one[at] |= 3 << (2 * k);
                assert!(has_twos::<BYTES>(&one), "byte {at}, code {k}");
            }
        }
        let long = [&[0xff, 0x3b][..], &[0b01_10_00_01; 32]].concat();
        assert!(!has_twos::<BYTES_128>(&long));
        assert!(has_twos::<BYTES_128>(&[&long[..33], &[0b11_00_00_00]].concat()));
    }
}
