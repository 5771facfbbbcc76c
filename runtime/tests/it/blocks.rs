//! Random tensors in the types that others write: whatever has no writer here is put together from its published layout.

use formats::blocks::{self, TensorType};
use half::f16;
use model::xoshiro::Xoshiro256;

/// Weights as blocks of `ty`, or, where floats are not rounded to it, random blocks of weights of about their size. Of Q2_0 every other
/// tensor, by `odd`, has scales of its own for each 64 and now and then the weight 2.
pub fn random(ty: TensorType, values: &[f32], odd: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if blocks::pack(ty, values, &mut bytes).is_ok() {
        return bytes;
    }
    bytes.clear();
    let mut rng = Xoshiro256::from_seed(values.len() as u64);
    if !ty.is_ternary() {
        let halves: &[(usize, f32)] = match ty {
            TensorType::Q4_0 => &[(0, 0.01)],
            TensorType::Q4_1 => &[(0, 0.01), (2, -0.07)],
            TensorType::Q4_K | TensorType::Q5_K => &[(0, 0.0003), (2, 0.002)],
            TensorType::Q6_K => &[(208, 0.00007)],
            _ => panic!("{ty} is new"),
        };
        for _ in 0..values.len() / ty.block_len() {
            let first = bytes.len();
            bytes.extend((0..ty.block_bytes()).map(|_| rng.next_u64() as u8));
            for &(at, scale) in halves {
                bytes[first + at..][..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
            }
        }
        return bytes;
    }
    let mut codes: Vec<i8> = (0..values.len()).map(|_| (rng.next_u64() % 3) as i8 - 1).collect();
    let mut scales = |group: usize| -> Vec<f16> {
        let one = |_| f16::from_f32(0.1 + 0.02 * rng.next_f64() as f32);
        (0..values.len() / group).map(one).collect()
    };
    match ty {
        TensorType::TQ1_0 => blocks::pack_codes(ty, &scales(256), &codes, &mut bytes).unwrap(),
        TensorType::Q2_0 if odd => {
            codes.iter_mut().step_by(97).for_each(|t| *t = 2);
            blocks::pack_codes(ty, &scales(64), &codes, &mut bytes).unwrap();
        }
        TensorType::Q2_0 | TensorType::PTQ1_0 => {
            blocks::pack_codes(ty, &scales(128), &codes, &mut bytes).unwrap();
        }
        TensorType::Q2_0_128 => {
            blocks::pack_codes(TensorType::Q1_58, &scales(128), &codes, &mut bytes).unwrap();
            // The first weight of the last block.
            let last = bytes.len() - 32;
            bytes[last] |= 3;
        }
        TensorType::I2_S => {
            for block in codes.chunks_exact(128) {
                let byte = |m: usize| (0..4).fold(0, |byte, k| byte << 2 | (block[32 * k + m] + 1) as u8);
                bytes.extend((0..32).map(byte));
            }
            bytes.extend(0.108f32.to_le_bytes());
            bytes.extend([0xaa; 28]);
        }
        _ => panic!("{ty} is new"),
    }
    bytes
}
