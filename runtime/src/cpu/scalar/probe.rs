//! Sequential reading in plain loops.

/// Exclusive or of the words of eight bytes, the last one filled up with zeros.
pub fn read(bytes: &[u8]) -> u64 {
    let (blocks, tail) = bytes.as_chunks::<64>();
    let mut sums = [0u64; 8];
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum ^= u64::from_le_bytes(*word);
        }
    }
    tail.chunks(8).fold(sums.iter().fold(0, |a, b| a ^ b), |sum, word| {
        let mut whole = [0; 8];
        whole[..word.len()].copy_from_slice(word);
        sum ^ u64::from_le_bytes(whole)
    })
}
