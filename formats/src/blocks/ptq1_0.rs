//! PTQ1_0, PrismML's ternary block in base 3: 128 weights, one f16 scale at the end, 1.75 bits a weight. TQ1_0's layout with shorter stages; a digit is
//! found as [`super::trits`] says.
//!
//! ```text
//! byte  0             15 16            23 24           25 26     27
//!     +-----------------+----------------+---------------+------+------+
//!     | w0 to w79,      | w80 to w119,   | w120 to w127, | scale, f16  |
//!     | 5 a byte        | 5 a byte       | 4 a byte      |             |
//!     +-----------------+----------------+---------------+------+------+
//!       byte m of a stage of w bytes holds its weights m, w + m, 2w + m, ...
//! ```

use half::f16;

use super::{Decoded, trits};

/// Weights in a block.
pub const LEN: usize = 128;
/// Bytes of a block.
pub const BYTES: usize = 16 + 8 + 2 + 2;
const _: () = assert!(5 * (16 + 8) + 4 * 2 == LEN && BYTES == 28);

#[inline]
pub(super) fn decode(block: &[u8; BYTES], codes: &mut [i8]) -> Decoded {
    let (long, rest) = codes.split_at_mut(80);
    let (short, four) = rest.split_at_mut(40);
    trits::unpack_stage(&block[..16], long);
    trits::unpack_stage(&block[16..24], short);
    trits::unpack_stage(&block[24..26], four);
    Decoded { scale: f16::from_le_bytes([block[26], block[27]]), fourth: false }
}

pub(super) fn encode(scale: f16, codes: &[i8], out: &mut Vec<u8>) {
    trits::pack_stage(&codes[..80], 16, out);
    trits::pack_stage(&codes[80..120], 8, out);
    trits::pack_stage(&codes[120..], 2, out);
    out.extend(scale.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ptq1_0_stages_are_where_the_layout_says() {
        // One weight that is not 0 at a time: its byte differs from that of zeros, no other does.
        let byte_of = |i: usize| match i {
            0..80 => i % 16,
            80..120 => 16 + (i - 80) % 8,
            _ => 24 + (i - 120) % 2,
        };
        let bytes = |codes: &[i8]| {
            let mut out = Vec::new();
            encode(f16::ONE, codes, &mut out);
            out
        };
        let zeros = bytes(&[0; LEN]);
        assert_eq!((zeros.len(), &zeros[26..]), (BYTES, &[0x00, 0x3c][..]));
        for i in 0..LEN {
            let mut codes = [0; LEN];
            codes[i] = -1;
            let block = bytes(&codes);
            let differ: Vec<usize> = (0..BYTES).filter(|k| block[*k] != zeros[*k]).collect();
            assert_eq!(differ, [byte_of(i)], "weight {i}");
            let mut back = [9; LEN];
            let scale = decode(block.as_slice().try_into().unwrap(), &mut back).scale;
            assert_eq!((scale, back), (f16::ONE, codes));
        }
    }
}
