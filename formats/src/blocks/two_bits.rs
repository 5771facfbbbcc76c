//! Codes of 2 bits, four a byte, each one more than its weight. Blocks differ in the order of their codes; what the fourth code means, and
//! where the scale stands, is theirs to say.

use crate::ternary::GROUP;

/// Bytes whose codes [`unpack_planes`] takes apart together.
const PLANE: usize = 32;

/// Four codes a byte, the first in the lowest bits. Gives whether the fourth code, weight 2, is among them. `codes.len() == 4 * bytes.len()`.
#[inline]
pub(super) fn unpack_in_order(bytes: &[u8], codes: &mut [i8]) -> bool {
    let mut threes = 0;
    for (four, byte) in codes.as_chunks_mut::<4>().0.iter_mut().zip(bytes) {
        threes |= byte & (byte >> 1) & 0x55;
        // The four codes, lowest first, each alone in a byte; then one less, where bit 7 takes the borrow and loses it again.
        let byte = u32::from(*byte);
        let codes = (byte | byte << 6 | byte << 12 | byte << 18) & 0x0303_0303;
        let less_one = ((codes | 0x8080_8080) - 0x0101_0101) ^ 0x8080_8080;
        *four = less_one.to_le_bytes().map(|t| t as i8);
    }
    threes != 0
}

/// The opposite of [`unpack_in_order`]; each code is -1 to 2 (asserted).
pub(super) fn pack_in_order(codes: &[i8], out: &mut Vec<u8>) {
    for four in codes.as_chunks::<4>().0 {
        out.push(four.iter().enumerate().fold(0, |byte, (k, t)| byte | code(*t) << (2 * k)));
    }
}

/// Runs of 128 weights in 32 bytes: byte `m` holds the weights `m`, `32 + m`, `64 + m` and `96 + m`, shifted so far. Gives whether the fourth
/// code is among them. `codes.len() == 4 * bytes.len()`.
#[inline]
pub(super) fn unpack_planes(bytes: &[u8], shifts: [u32; 4], codes: &mut [i8]) -> bool {
    let mut threes = 0;
    for (bytes, group) in bytes.as_chunks::<PLANE>().0.iter().zip(codes.as_chunks_mut::<GROUP>().0) {
        for (shift, plane) in shifts.into_iter().zip(group.as_chunks_mut::<PLANE>().0) {
            for (code, byte) in plane.iter_mut().zip(bytes) {
                *code = ((byte >> shift) & 3) as i8 - 1;
            }
        }
        bytes.iter().for_each(|byte| threes |= byte & (byte >> 1) & 0x55);
    }
    threes != 0
}

/// The opposite of [`unpack_planes`]; each code is -1 to 2 (asserted).
pub(super) fn pack_planes(codes: &[i8], shifts: [u32; 4], out: &mut Vec<u8>) {
    for group in codes.as_chunks::<GROUP>().0 {
        let planes = group.as_chunks::<PLANE>().0;
        out.extend((0..PLANE).map(|m| {
            shifts.into_iter().zip(planes).fold(0, |byte, (shift, plane)| byte | code(plane[m]) << shift)
        }));
    }
}

fn code(t: i8) -> u8 {
    assert!((-1..=2).contains(&t), "a weight of 2 bits is {t}");
    (t + 1) as u8
}
