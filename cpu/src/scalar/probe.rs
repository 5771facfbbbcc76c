//! Sequential reading in plain loops.

use std::hint::black_box;

use crate::probe::BLOCK;

/// Exclusive or of the words of eight bytes.
pub fn read(blocks: &[[u8; BLOCK]], passes: usize) -> u64 {
    let mut sums = [0u64; 8];
    for _ in 0..passes {
        for words in black_box(blocks).iter().flat_map(|block| block.as_chunks::<64>().0) {
            for (sum, word) in sums.iter_mut().zip(words.as_chunks::<8>().0) {
                *sum ^= u64::from_le_bytes(*word);
            }
        }
    }
    sums.iter().fold(0, |a, b| a ^ b)
}
