//! Ternary weights in base 3, five or four a byte. The digits of a byte are not those of its value: the value `v` of 0 to 242 is stored as
//! `ceil(v * 256 / 243)`, so that digit `n` is what 3 times the byte's last 8 bits, after `n` multiplications by 3, carries beyond 8 bits.
//!
//! ```text
//! stage of w bytes: byte m holds the weights m, w + m, 2w + m, ..., most significant digit first; digit = weight + 1
//! ```
//!
//! A byte of four digits has a fifth behind them, 0. Bytes that no value is stored as decode too; the digits are then those of the value below.

/// Digits of a byte that holds five.
const FIVE: usize = 5;

/// The weights of a byte, -1 to 1, most significant digit first.
static WEIGHTS: [[i8; FIVE]; 256] = {
    let mut table = [[0; FIVE]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut rest, mut n) = (byte, 0);
        while n < FIVE {
            table[byte][n] = ((rest * 3) >> 8) as i8 - 1;
            rest = (rest * 3) & 0xff;
            n += 1;
        }
        byte += 1;
    }
    table
};

/// Takes one stage apart: `bytes` of `codes.len() / bytes.len()` weights each, which are 5 or 4.
pub(super) fn unpack_stage(bytes: &[u8], codes: &mut [i8]) {
    for (n, run) in codes.chunks_exact_mut(bytes.len()).enumerate() {
        for (code, byte) in run.iter_mut().zip(bytes) {
            *code = WEIGHTS[usize::from(*byte)][n];
        }
    }
}

/// Appends one stage of `width` bytes of `codes.len() / width` weights each, which are 5 or 4; each is -1, 0 or 1 (asserted).
pub(super) fn pack_stage(codes: &[i8], width: usize, out: &mut Vec<u8>) {
    let digits = codes.len() / width;
    out.extend((0..width).map(|m| {
        let mut value = 0u32;
        for n in 0..FIVE {
            let t = if n < digits { codes[n * width + m] } else { -1 };
            assert!((-1..=1).contains(&t), "a ternary weight is {t}");
            value = 3 * value + (t + 1) as u32;
        }
        (value * 256).div_ceil(243) as u8
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trits_come_back_whatever_the_five_digits() {
        for value in 0..243u32 {
            let codes: Vec<i8> = (0..5).map(|n| (value / 3u32.pow(4 - n) % 3) as i8 - 1).collect();
            let mut bytes = Vec::new();
            pack_stage(&codes, 1, &mut bytes);
            let mut back = [9; 5];
            unpack_stage(&bytes, &mut back);
            assert_eq!((bytes.len(), &back[..]), (1, &codes[..]), "{value}");
            if value < 81 {
                bytes.clear();
                pack_stage(&codes[1..], 1, &mut bytes);
                unpack_stage(&bytes, &mut back[..4]);
                assert_eq!(back[..4], codes[1..], "four digits of {value}");
            }
        }
    }

    #[test]
    fn trits_of_a_stage_are_a_width_apart() {
        // Byte 0: weights 0, 2, 4, 6, 8, as digits 2 1 1 1 1 of the value 2 * 81 + 40; byte 1: 0 1 1 1 2, the value 41.
        let codes = [1, -1, 0, 0, 0, 0, 0, 0, 0, 1];
        let mut bytes = Vec::new();
        pack_stage(&codes, 2, &mut bytes);
        assert_eq!(bytes, [213, 44]);
        let mut back = [9; 10];
        unpack_stage(&bytes, &mut back);
        assert_eq!(back, codes);
    }
}
