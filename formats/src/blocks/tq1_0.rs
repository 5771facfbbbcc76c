//! TQ1_0, llama.cpp's ternary block in base 3: 256 weights, one f16 scale at the end, 1.6875 bits a weight. A digit is found as [`super::trits`] says.
//!
//! ```text
//! byte  0             31 32            47 48           51 52     53
//!     +-----------------+----------------+---------------+------+------+
//!     | w0 to w159,     | w160 to w239,  | w240 to w255, | scale, f16  |
//!     | 5 a byte        | 5 a byte       | 4 a byte      |             |
//!     +-----------------+----------------+---------------+------+------+
//!       byte m of a stage of w bytes holds its weights m, w + m, 2w + m, ...
//! ```

use half::f16;

use super::{Decoded, trits};

/// Weights in a block.
pub const LEN: usize = 256;
/// Bytes of a block.
pub const BYTES: usize = 32 + 16 + 4 + 2;
const _: () = assert!(5 * (32 + 16) + 4 * 4 == LEN && BYTES == 54);

#[inline]
pub(super) fn decode(block: &[u8; BYTES], codes: &mut [i8]) -> Decoded {
    let (long, rest) = codes.split_at_mut(160);
    let (short, four) = rest.split_at_mut(80);
    trits::unpack_stage(&block[..32], long);
    trits::unpack_stage(&block[32..48], short);
    trits::unpack_stage(&block[48..52], four);
    Decoded { scale: f16::from_le_bytes([block[52], block[53]]), fourth: false }
}

pub(super) fn encode(scale: f16, codes: &[i8], out: &mut Vec<u8>) {
    trits::pack_stage(&codes[..160], 32, out);
    trits::pack_stage(&codes[160..240], 16, out);
    trits::pack_stage(&codes[240..], 4, out);
    out.extend(scale.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tq1_0_stages_are_where_the_layout_says() {
        // One weight that is not 0 at a time: its byte differs from that of zeros, no other does.
        let byte_of = |i: usize| match i {
            0..160 => i % 32,
            160..240 => 32 + (i - 160) % 16,
            _ => 48 + (i - 240) % 4,
        };
        let bytes = |codes: &[i8]| {
            let mut out = Vec::new();
            encode(f16::ONE, codes, &mut out);
            out
        };
        let zeros = bytes(&[0; LEN]);
        assert_eq!((zeros.len(), &zeros[52..]), (BYTES, &[0x00, 0x3c][..]));
        for i in 0..LEN {
            let mut codes = [0; LEN];
            codes[i] = 1;
            let block = bytes(&codes);
            let differ: Vec<usize> = (0..BYTES).filter(|k| block[*k] != zeros[*k]).collect();
            assert_eq!(differ, [byte_of(i)], "weight {i}");
            let mut back = [9; LEN];
            let scale = decode(block.as_slice().try_into().unwrap(), &mut back).scale;
            assert_eq!((scale, back), (f16::ONE, codes));
        }
    }
}
