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

use super::{Problem, TensorType, check_bytes};
use crate::Result;
use crate::ternary::{GROUP, SCALE_MIN, fold_lanes};

/// Weights in a block.
pub const LEN: usize = 2 * GROUP;
/// Bytes of a block.
pub const BYTES: usize = LEN / 4 + 2;
const _: () = assert!(LEN == 256 && BYTES == 66);

const TY: &str = TensorType::TQ2_0.name();

/// Appends blocks made of ternary groups: `scales` one a group of 128, `codes` one a weight, groups in pairs (asserted).
///
/// No weight changes: two groups share a block only if their scales are equal or one of them is all zeros.
/// Otherwise this is an error and `out` holds the blocks before it.
pub fn pack_lossless(scales: &[f16], codes: &[i8], out: &mut Vec<u8>) -> Result<()> {
    assert_eq!(codes.len(), GROUP * scales.len());
    assert!(scales.len().is_multiple_of(2), "{} groups do not pair up", scales.len());
    for (index, (pair, codes)) in scales.as_chunks::<2>().0.iter().zip(codes.chunks_exact(LEN)).enumerate() {
        let [first, second] = *pair;
        let (a, b) = codes.split_at(GROUP);
        let scale = if first.to_bits() == second.to_bits() || b.iter().all(|t| *t == 0) {
            first
        } else if a.iter().all(|t| *t == 0) {
            second
        } else {
            let (first, second) = (first.to_f32(), second.to_f32());
            return Err(Problem::ScalesDiffer { block: index, first, second }.into());
        };
        pack_block(scale, codes, out);
    }
    Ok(())
}

fn pack_block(scale: f16, codes: &[i8], out: &mut Vec<u8>) {
    for group in codes.chunks_exact(GROUP) {
        for m in 0..32 {
            let mut byte = 0;
            for k in 0..4 {
                let t = group[32 * k + m];
                assert!((-1..=1).contains(&t), "a ternary weight is {t}");
                byte |= ((t + 1) as u8) << (2 * k);
            }
            out.push(byte);
        }
    }
    out.extend(scale.to_le_bytes());
}

fn unpack_block(index: usize, block: &[u8; BYTES], codes: &mut [i8]) -> std::result::Result<f16, Problem> {
    let [packed @ .., low, high] = block;
    let scale = f16::from_le_bytes([*low, *high]);
    if !scale.is_finite() {
        return Err(Problem::Scale { ty: TY, block: index, found: scale.to_f32() });
    }
    for (half, group) in packed.chunks_exact(32).zip(codes.chunks_exact_mut(GROUP)) {
        for (m, byte) in half.iter().enumerate() {
            if byte & (byte >> 1) & 0x55 != 0 {
                return Err(Problem::Code { ty: TY, block: index });
            }
            for k in 0..4 {
                group[32 * k + m] = ((byte >> (2 * k)) & 3) as i8 - 1;
            }
        }
    }
    Ok(scale)
}

/// Reads whole blocks into codes (one a weight) and scales (one a group of 128, so each block's twice).
///
/// `codes.len()` must be `128 * scales.len()`; `bytes` that do not fit are an error.
pub fn unpack_codes(bytes: &[u8], scales: &mut [f16], codes: &mut [i8]) -> Result<()> {
    assert_eq!(codes.len(), GROUP * scales.len());
    check_bytes(TensorType::TQ2_0, bytes.len(), codes.len())?;
    let blocks = bytes.as_chunks::<BYTES>().0.iter();
    let outs = codes.chunks_exact_mut(LEN).zip(scales.as_chunks_mut::<2>().0);
    for (index, (block, (codes, pair))) in blocks.zip(outs).enumerate() {
        *pair = [unpack_block(index, block, codes)?; 2];
    }
    Ok(())
}

/// Lengths are checked by [`super::unpack`].
pub(super) fn unpack(bytes: &[u8], out: &mut [f32]) -> std::result::Result<(), Problem> {
    let mut codes = [0i8; LEN];
    for (index, (block, out)) in
        bytes.as_chunks::<BYTES>().0.iter().zip(out.chunks_exact_mut(LEN)).enumerate()
    {
        let scale = unpack_block(index, block, &mut codes)?.to_f32();
        for (w, t) in out.iter_mut().zip(codes) {
            *w = scale * f32::from(t);
        }
    }
    Ok(())
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
            return Err(Problem::Scale { ty: TY, block: index, found: mean });
        }
        let s = scale.to_f32();
        pack_block(scale, &block.map(|w| (w / s).clamp(-1.0, 1.0).round_ties_even() as i8), out);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> Vec<i8> {
        (0..LEN).map(|i| ((i * i + i / 7) % 3) as i8 - 1).collect()
    }

    #[test]
    fn tq2_0_layout_interleaves_by_32_and_ends_with_the_scale() {
        let mut c = vec![0i8; LEN];
        (c[0], c[32], c[64], c[96]) = (1, -1, 0, 1);
        (c[128 + 31], c[224 + 31]) = (-1, 1);
        let mut bytes = Vec::new();
        pack_lossless(&[f16::ONE; 2], &c, &mut bytes).unwrap();
        assert_eq!(bytes.len(), BYTES);
        assert_eq!(bytes[0], 0b10_01_00_10);
        assert_eq!(bytes[1], 0b01_01_01_01);
        assert_eq!(bytes[63], 0b10_01_01_00);
        assert_eq!(&bytes[64..], &[0x00, 0x3c]);
    }

    #[test]
    fn tq2_0_lossless_comes_back_or_refuses() {
        let (c, s) = (codes(), f16::from_f32(0.03));
        let mut bytes = Vec::new();
        pack_lossless(&[s, s], &c, &mut bytes).unwrap();
        let (mut scales, mut back) = ([f16::ZERO; 2], vec![0; LEN]);
        unpack_codes(&bytes, &mut scales, &mut back).unwrap();
        assert_eq!((scales, &back), ([s, s], &c));

        let other = f16::from_f32(0.031);
        assert!(pack_lossless(&[s, other], &c, &mut bytes).is_err());
        let mut half = c.clone();
        half[..GROUP].fill(0);
        bytes.clear();
        pack_lossless(&[s, other], &half, &mut bytes).unwrap();
        unpack_codes(&bytes, &mut scales, &mut back).unwrap();
        assert_eq!((scales[1], &back), (other, &half));
    }

    #[test]
    fn tq2_0_quantises_256_by_their_mean() {
        let weights: Vec<f32> = (0..LEN).map(|i| if i % 2 == 0 { 0.9 } else { -0.1 }).collect();
        let mut bytes = Vec::new();
        pack(&weights, &mut bytes).unwrap();
        let mut out = [0.0; LEN];
        unpack(&bytes, &mut out).unwrap();
        assert_eq!(out[0], f16::from_f32(0.5).to_f32());
        assert_eq!(out[1], 0.0);
        assert!(pack(&[f32::NAN; LEN], &mut bytes).is_err());
        assert!(pack(&[1e30; LEN], &mut bytes).is_err());
    }

    #[test]
    fn tq2_0_refuses_code_3_and_bad_scales() {
        let mut bytes = vec![0u8; BYTES];
        bytes[63] = 0b1100_0000;
        assert!(unpack(&bytes, &mut [0.0; LEN]).is_err());
        bytes[63] = 0;
        assert!(unpack(&bytes, &mut [0.0; LEN]).is_ok());
        bytes[64..].copy_from_slice(&f16::NEG_INFINITY.to_le_bytes());
        assert!(unpack(&bytes, &mut [0.0; LEN]).is_err());
    }
}
