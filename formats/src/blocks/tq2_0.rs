//! TQ2_0, llama.cpp's ternary block: 256 weights, one f16 scale at the end, 2.0625 bits a weight.
//! For export to stock llama.cpp; our own files use [`super::q1_58`].
//!
//! ```text
//! byte  0                        31                       63     64     65
//!     +----------------------+ ... +----------------------+ ... +------+------+
//!     | w96 w64 w32 w0       |     | w224 w192 w160 w128  |     | scale, f16  |
//!     +----------------------+ ... +----------------------+ ... +------+------+
//!       byte m of the first 32: bits 1-0 weight m, 3-2 weight 32+m, 5-4 weight 64+m, 7-6 weight 96+m;
//!       the next 32 bytes the same for weights 128 to 255; code = weight + 1
//! ```

use half::f16;

use super::{Decoded, Problem, TensorType, two_bits};
use crate::ternary::{GROUP, SCALE_MIN, fold_lanes};

/// Weights in a block.
pub const LEN: usize = 2 * GROUP;
/// Bytes of a block.
pub const BYTES: usize = LEN / 4 + 2;
const _: () = assert!(LEN == 256 && BYTES == 66);

/// Where in a byte the four weights stand that are 32 apart.
const SHIFTS: [u32; 4] = [0, 2, 4, 6];

#[inline]
pub(super) fn decode(block: &[u8; BYTES], codes: &mut [i8]) -> Decoded {
    let [packed @ .., low, high] = block;
    Decoded {
        scale: f16::from_le_bytes([*low, *high]),
        fourth: two_bits::unpack_planes(packed, SHIFTS, codes),
    }
}

pub(super) fn encode(scale: f16, codes: &[i8], out: &mut Vec<u8>) {
    two_bits::pack_planes(codes, SHIFTS, out);
    out.extend(scale.to_le_bytes());
}

/// Quantises latent weights as [`crate::ternary::quantise_group`] does, over 256 at a time: absmean scale,
/// ties to even. (llama.cpp's own quantiser takes the largest weight as the scale, which suits only weights that
/// are ternary already.) Lengths are checked by [`super::pack`].
pub(super) fn pack(weights: &[f32], out: &mut Vec<u8>) -> std::result::Result<(), Problem> {
    for (index, block) in weights.as_chunks::<LEN>().0.iter().enumerate() {
        let mut lanes = [0.0f32; 8];
        for eight in block.as_chunks::<8>().0 {
            for (lane, w) in lanes.iter_mut().zip(eight) {
                *lane += w.abs();
            }
        }
        let mean = fold_lanes(lanes) / LEN as f32;
        let scale = f16::from_f32(mean.max(SCALE_MIN));
        if !scale.is_finite() || mean.is_nan() {
            return Err(Problem::Scale { ty: TensorType::TQ2_0.name(), block: index, found: mean });
        }
        let s = scale.to_f32();
        encode(scale, &block.map(|w| (w / s).clamp(-1.0, 1.0).round_ties_even() as i8), out);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{pack_codes, unpack};

    const TY: TensorType = TensorType::TQ2_0;

    #[test]
    fn tq2_0_layout_interleaves_by_32_and_ends_with_the_scale() {
        let mut c = vec![0i8; LEN];
        (c[0], c[32], c[64], c[96]) = (1, -1, 0, 1);
        (c[128 + 31], c[224 + 31]) = (-1, 1);
        let mut bytes = Vec::new();
        pack_codes(TY, &[f16::ONE; 2], &c, &mut bytes).unwrap();
        assert_eq!(bytes.len(), BYTES);
        assert_eq!(bytes[0], 0b10_01_00_10);
        assert_eq!(bytes[1], 0b01_01_01_01);
        assert_eq!(bytes[63], 0b10_01_01_00);
        assert_eq!(&bytes[64..], &[0x00, 0x3c]);
    }

    #[test]
    fn tq2_0_quantises_256_by_their_mean() {
        let weights: Vec<f32> = (0..LEN).map(|i| if i % 2 == 0 { 0.9 } else { -0.1 }).collect();
        let mut bytes = Vec::new();
        pack(&weights, &mut bytes).unwrap();
        let mut out = [0.0; LEN];
        unpack(TY, &bytes, &mut out).unwrap();
        assert_eq!(out[0], f16::from_f32(0.5).to_f32());
        assert_eq!(out[1], 0.0);
        assert!(pack(&[f32::NAN; LEN], &mut bytes).is_err());
        assert!(pack(&[1e30; LEN], &mut bytes).is_err());
    }
}
