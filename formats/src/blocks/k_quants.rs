//! Q4_K, Q5_K and Q6_K, llama.cpp's blocks of 256 weights whose scales are small integers times an f16: 4.5, 5.5 and 6.5625 bits a weight. Embeddings
//! and heads of other people's models come so; they are read, not written.
//!
//! ```text
//! Q4_K  scale f16 | scale of minima f16 | 12 bytes of scales and minima | 128 bytes
//! Q5_K  scale f16 | scale of minima f16 | 12 bytes of scales and minima | 32 bytes of fifth bits | 128 bytes
//!       weight = scale * s[i / 32] * q - minima * m[i / 32]
//!       128 bytes: of each 32, bits 3-0 are 32 weights and bits 7-4 the next 32; bit k of fifth byte m belongs to weight 32k + m
//!       12 bytes b: for j < 4: s[j] = b[j] bits 5-0, m[j] = b[4 + j] bits 5-0,
//!                   s[4 + j] = b[8 + j] bits 3-0 and above them b[j] bits 7-6, m[4 + j] = b[8 + j] bits 7-4 and above them b[4 + j] bits 7-6
//! Q6_K  128 bytes | 64 bytes | 16 signed bytes of scales | scale f16
//!       weight = scale * s[i / 16] * (q - 32); each half of 128 weights has 64 + 32 bytes:
//!       low byte m, bits 3-0 and 7-4: weights m and 64 + m; high byte m, bits 1-0 3-2 5-4 7-6: weights m, 32 + m, 64 + m, 96 + m
//! ```

use half::f16;

use super::finite;

/// Weights in a block.
pub const LEN: usize = 256;
/// Bytes of a block of Q4_K.
pub const BYTES_Q4_K: usize = 4 + SCALES + LEN / 2;
/// Bytes of a block of Q5_K.
pub const BYTES_Q5_K: usize = BYTES_Q4_K + LEN / 8;
/// Bytes of a block of Q6_K.
pub const BYTES_Q6_K: usize = LEN / 2 + LEN / 4 + LEN / 16 + 2;
const _: () = assert!(BYTES_Q4_K == 144 && BYTES_Q5_K == 176 && BYTES_Q6_K == 210);

/// Bytes of eight scales and eight minima of 6 bits.
const SCALES: usize = 12;

/// The error is the scale that is not finite.
pub(super) fn unpack_q4_k(block: &[u8; BYTES_Q4_K], out: &mut [f32]) -> Result<(), f32> {
    let (head, packed) = block.split_first_chunk().expect("a block is longer than its head");
    unpack_with_minima(head, &[0; LEN / 8], packed, out)
}

/// The error is the scale that is not finite.
pub(super) fn unpack_q5_k(block: &[u8; BYTES_Q5_K], out: &mut [f32]) -> Result<(), f32> {
    let (head, rest) = block.split_first_chunk().expect("a block is longer than its head");
    let (fifth, packed) = rest.split_at(LEN / 8);
    unpack_with_minima(head, fifth, packed, out)
}

/// The head is the two scales and the 12 bytes; a fifth bit is worth 16.
fn unpack_with_minima(
    head: &[u8; 4 + SCALES],
    fifth: &[u8],
    packed: &[u8],
    out: &mut [f32],
) -> Result<(), f32> {
    let [a, b, c, d, small @ ..] = head;
    let (scale, minima) = (finite(f16::from_le_bytes([*a, *b]))?, finite(f16::from_le_bytes([*c, *d]))?);
    for (j, run) in out.chunks_exact_mut(32).enumerate() {
        let (s, m) = scale_and_minimum(small, j);
        let (step, minimum) = (scale * f32::from(s), minima * f32::from(m));
        let bytes = &packed[j / 2 * 32..][..32];
        for ((w, byte), fifth) in run.iter_mut().zip(bytes).zip(fifth) {
            let q = (byte >> (4 * (j % 2))) & 15 | (fifth >> j & 1) << 4;
            *w = step * f32::from(q) - minimum;
        }
    }
    Ok(())
}

/// Scale and minimum of the `j`th 32 weights, 6 bits each.
fn scale_and_minimum(b: &[u8; SCALES], j: usize) -> (u8, u8) {
    if j < 4 {
        return (b[j] & 63, b[4 + j] & 63);
    }
    let rest = b[4 + j];
    (rest & 15 | b[j - 4] >> 6 << 4, rest >> 4 | b[j] >> 6 << 4)
}

/// The error is the scale that is not finite.
pub(super) fn unpack_q6_k(block: &[u8; BYTES_Q6_K], out: &mut [f32]) -> Result<(), f32> {
    let [packed @ .., a, b] = block;
    let scale = finite(f16::from_le_bytes([*a, *b]))?;
    let (low, rest) = packed.split_at(LEN / 2);
    let (high, scales) = rest.split_at(LEN / 4);
    for (i, w) in out.iter_mut().enumerate() {
        let (half, in_half) = (i / 128, i % 128);
        let low = low[half * 64 + in_half % 64] >> (4 * (in_half / 64)) & 15;
        let high = high[half * 32 + in_half % 32] >> (2 * (in_half / 32)) & 3;
        let step = scale * f32::from(scales[i / 16] as i8);
        *w = step * f32::from((low | high << 4) as i8 - 32);
    }
    Ok(())
}
