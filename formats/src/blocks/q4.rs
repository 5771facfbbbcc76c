//! Q4_0 and Q4_1, llama.cpp's blocks of 32 weights of 4 bits, 4.5 and 5 bits a weight. Embeddings and heads of other people's models come so; they
//! are read, not written.
//!
//! ```text
//! Q4_0  scale f16 | 16 bytes      weight = scale * (q - 8)
//! Q4_1  scale f16 | minimum f16 | 16 bytes      weight = scale * q + minimum
//! byte m of the 16: bits 3-0 weight m, bits 7-4 weight 16 + m
//! ```

use half::f16;

use super::finite;

/// Weights in a block.
pub const LEN: usize = 32;
/// Bytes of a block of Q4_0.
pub const BYTES_Q4_0: usize = 2 + LEN / 2;
/// Bytes of a block of Q4_1.
pub const BYTES_Q4_1: usize = 4 + LEN / 2;
const _: () = assert!(BYTES_Q4_0 == 18 && BYTES_Q4_1 == 20);

/// The error is the scale that is not finite.
pub(super) fn unpack_q4_0(block: &[u8; BYTES_Q4_0], out: &mut [f32]) -> Result<(), f32> {
    let [a, b, packed @ ..] = block;
    let scale = finite(f16::from_le_bytes([*a, *b]))?;
    nibbles(packed, out, |q| scale * (f32::from(q) - 8.0));
    Ok(())
}

/// The error is the scale or minimum that is not finite.
pub(super) fn unpack_q4_1(block: &[u8; BYTES_Q4_1], out: &mut [f32]) -> Result<(), f32> {
    let [a, b, c, d, packed @ ..] = block;
    let (scale, minimum) = (finite(f16::from_le_bytes([*a, *b]))?, finite(f16::from_le_bytes([*c, *d]))?);
    nibbles(packed, out, |q| scale * f32::from(q) + minimum);
    Ok(())
}

/// The lower halves of all bytes, then the upper ones.
fn nibbles(packed: &[u8; LEN / 2], out: &mut [f32], weight: impl Fn(u8) -> f32) {
    let (low, high) = out.split_at_mut(LEN / 2);
    for ((byte, low), high) in packed.iter().zip(low).zip(high) {
        (*low, *high) = (weight(byte & 15), weight(byte >> 4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{TensorType, unpack};

    #[test]
    fn q4_halves_are_sixteen_weights_apart() {
        let mut block = vec![0x00, 0x38]; // 0.5
        block.extend([0x88; 16]);
        block[2 + 3] = 0xf1;
        let mut out = [9.0; LEN];
        unpack(TensorType::Q4_0, &block, &mut out).unwrap();
        assert_eq!((out[3], out[19]), (-3.5, 3.5));
        assert_eq!(out.iter().filter(|w| **w == 0.0).count(), 30);
        block.splice(2..2, [0x00, 0xc0]); // -2
        unpack(TensorType::Q4_1, &block, &mut out).unwrap();
        assert_eq!((out[3], out[19], out[0]), (-1.5, 5.5, 2.0));
    }

    #[test]
    fn q4_scales_and_minima_must_be_finite() {
        for (ty, at) in [(TensorType::Q4_0, 0), (TensorType::Q4_1, 0), (TensorType::Q4_1, 2)] {
            let mut blocks = vec![0; 2 * ty.block_bytes()];
            unpack(ty, &blocks, &mut [0.0; 2 * LEN]).unwrap();
            blocks[ty.block_bytes() + at..][..2].copy_from_slice(&f16::INFINITY.to_le_bytes());
            let error = unpack(ty, &blocks, &mut [0.0; 2 * LEN]).unwrap_err().to_string();
            assert!(error.contains(&format!("{ty} block 1 has the scale inf")), "{error}");
        }
    }
}
