//! Weights stored as floats, little-endian: f32, f16, bf16. Lengths are the caller's business.

use half::{bf16, f16};

/// `bytes.len() == 4 * out.len()`.
pub(super) fn unpack_f32(bytes: &[u8], out: &mut [f32]) {
    for (w, b) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *w = f32::from_le_bytes(*b);
    }
}

/// `bytes.len() == 2 * out.len()`.
pub(super) fn unpack_f16(bytes: &[u8], out: &mut [f32]) {
    for (w, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *w = f16::from_le_bytes(*b).to_f32();
    }
}

/// `bytes.len() == 2 * out.len()`.
pub(super) fn unpack_bf16(bytes: &[u8], out: &mut [f32]) {
    for (w, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *w = bf16::from_le_bytes(*b).to_f32();
    }
}

pub(super) fn pack_f32(weights: &[f32], out: &mut Vec<u8>) {
    out.extend(weights.iter().flat_map(|w| w.to_le_bytes()));
}

/// Rounds half to even; a weight above 65504 becomes infinite, which loading refuses.
pub(super) fn pack_f16(weights: &[f32], out: &mut Vec<u8>) {
    out.extend(weights.iter().flat_map(|w| f16::from_f32(*w).to_le_bytes()));
}

pub(super) fn pack_bf16(weights: &[f32], out: &mut Vec<u8>) {
    out.extend(weights.iter().flat_map(|w| bf16::from_f32(*w).to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use crate::blocks::{TensorType, pack, unpack};

    #[test]
    fn dense_types_are_little_endian_and_come_back() {
        let values = [1.0f32, -2.5, 0.0, 65504.0, f32::NAN];
        for (ty, first) in [
            (TensorType::F32, &[0, 0, 0x80, 0x3f][..]),
            (TensorType::F16, &[0, 0x3c]),
            (TensorType::BF16, &[0x80, 0x3f]),
        ] {
            let mut bytes = Vec::new();
            pack(ty, &values, &mut bytes).unwrap();
            assert_eq!(&bytes[..first.len()], first, "{ty}");
            let mut out = [0.0; 5];
            unpack(ty, &bytes, &mut out).unwrap();
            assert_eq!(out[..3], values[..3]);
            assert!((out[3] - 65504.0).abs() < 65504.0 / 256.0);
            assert!(out[4].is_nan());
        }
    }
}
