//! Weights in blocks: how a tensor type lays out its weights, and conversions to and from f32 and ternary codes.
//! What a ternary scale is belongs to [`crate::ternary`]; where a tensor lies in a file, to [`crate::gguf`].

pub mod dense;
pub mod i2_s;
pub mod k_quants;
mod pack_codes;
mod problem;
pub mod ptq1_0;
pub mod q1_58;
pub mod q2_0;
pub mod q4;
pub mod q8_0;
mod tensor_type;
pub mod tq1_0;
pub mod tq2_0;
mod trits;
mod two_bits;
mod type_id;

pub use pack_codes::pack_codes;
pub use problem::Problem;
pub use tensor_type::TensorType;
pub use type_id::{Foreign, TypeId};

use half::f16;

use crate::Result;

/// Weights that share a scale, whatever the ternary type: [the group](TensorType::group) of each is a multiple of it.
pub const GROUP_MIN: usize = q2_0::LEN;

/// What a ternary block says besides its codes.
struct Decoded {
    scale: f16,
    /// Whether the fourth code, weight 2, is among them.
    fourth: bool,
}

/// Checks that `bytes` are exactly `weights` weights of `ty`.
fn check_bytes(ty: TensorType, bytes: usize, weights: usize) -> std::result::Result<(), Problem> {
    let (len, size) = (ty.block_len(), ty.block_bytes());
    if !weights.is_multiple_of(len) {
        return Err(Problem::RowLength { ty: ty.name(), weights: weights as u64, block: len as u64 });
    }
    let expected = (weights / len).saturating_mul(size);
    if bytes != expected {
        return Err(Problem::Bytes { ty: ty.name(), weights, expected, found: bytes });
    }
    Ok(())
}

/// A scale or minimum as f32, or what it is instead.
fn finite(scale: f16) -> std::result::Result<f32, f32> {
    if scale.is_finite() { Ok(scale.to_f32()) } else { Err(scale.to_f32()) }
}

/// Unpacks weights to f32. `out` has one element a weight; `bytes` are exactly their blocks, any number of them.
///
/// Scales must be finite and ternary codes defined. Weights stored as floats come as they are, NaN included. Weights of I2_S come as -1, 0 and 1: what
/// they are multiplied by stands behind the tensor's blocks, see [`i2_s::factor`].
pub fn unpack(ty: TensorType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    check_bytes(ty, bytes.len(), out.len())?;
    match ty {
        TensorType::F32 => dense::unpack_f32(bytes, out),
        TensorType::F16 => dense::unpack_f16(bytes, out),
        TensorType::BF16 => dense::unpack_bf16(bytes, out),
        TensorType::Q4_0 => each_dense(ty, bytes, out, q4::unpack_q4_0)?,
        TensorType::Q4_1 => each_dense(ty, bytes, out, q4::unpack_q4_1)?,
        TensorType::Q8_0 => each_dense(ty, bytes, out, q8_0::unpack)?,
        TensorType::Q4_K => each_dense(ty, bytes, out, k_quants::unpack_q4_k)?,
        TensorType::Q5_K => each_dense(ty, bytes, out, k_quants::unpack_q5_k)?,
        TensorType::Q6_K => each_dense(ty, bytes, out, k_quants::unpack_q6_k)?,
        _ => {
            // The longest block, so that whatever fits it is whole.
            let mut codes = [0; tq2_0::LEN];
            let codes = &mut codes[..ty.block_len()];
            let blocks = bytes.chunks_exact(ty.block_bytes()).zip(out.chunks_exact_mut(ty.block_len()));
            for (index, (block, out)) in blocks.enumerate() {
                let mut scale = [f16::ZERO];
                unpack_codes(ty, block, &mut scale, codes).map_err(|e| e.after_blocks(index))?;
                let scale = scale[0].to_f32();
                for (w, t) in out.iter_mut().zip(codes.iter()) {
                    *w = scale * f32::from(*t);
                }
            }
        }
    }
    Ok(())
}

/// Unpacks block by block with `unpack`, whose error is a scale that is not finite.
fn each_dense<const BYTES: usize>(
    ty: TensorType,
    bytes: &[u8],
    out: &mut [f32],
    unpack: impl Fn(&[u8; BYTES], &mut [f32]) -> std::result::Result<(), f32>,
) -> std::result::Result<(), Problem> {
    let outs = out.chunks_exact_mut(ty.block_len());
    for (index, (block, out)) in bytes.as_chunks::<BYTES>().0.iter().zip(outs).enumerate() {
        unpack(block, out).map_err(|found| Problem::Scale { ty: ty.name(), block: index, found })?;
    }
    Ok(())
}

/// Unpacks ternary weights into codes (one a weight: -1, 0, 1, and from Q2_0 and Q2_0_128 also 2) and scales (finite).
///
/// `bytes` that do not fit are an error. `scales` are for `codes.len() / scales.len()` weights each, which is [the type's group](TensorType::group) or a part
/// of it; then each of its parts has its scale. Those of I2_S are 1, and may be none: see [`i2_s::factor`] for what all its weights are multiplied by.
///
/// # Panics
/// If `ty` is not [ternary](TensorType::is_ternary), or the scales are for other numbers of weights.
pub fn unpack_codes(ty: TensorType, bytes: &[u8], scales: &mut [f16], codes: &mut [i8]) -> Result<()> {
    check_bytes(ty, bytes.len(), codes.len())?;
    Ok(match ty {
        TensorType::TQ1_0 => each_ternary(ty, bytes, scales, codes, tq1_0::decode),
        TensorType::TQ2_0 => each_ternary(ty, bytes, scales, codes, tq2_0::decode),
        TensorType::I2_S => each_ternary(ty, bytes, scales, codes, i2_s::decode),
        TensorType::Q2_0 => each_ternary::<{ q2_0::BYTES }>(ty, bytes, scales, codes, q2_0::decode),
        TensorType::Q2_0_128 | TensorType::Q1_58 => {
            each_ternary::<{ q1_58::BYTES }>(ty, bytes, scales, codes, q2_0::decode)
        }
        TensorType::PTQ1_0 => each_ternary(ty, bytes, scales, codes, ptq1_0::decode),
        _ => panic!("{ty} weights have no codes"),
    }?)
}

/// Unpacks block by block with `decode`.
fn each_ternary<const BYTES: usize>(
    ty: TensorType,
    bytes: &[u8],
    scales: &mut [f16],
    codes: &mut [i8],
    decode: impl Fn(&[u8; BYTES], &mut [i8]) -> Decoded,
) -> std::result::Result<(), Problem> {
    let blocks = bytes.as_chunks::<BYTES>().0;
    let each = scales.len() / blocks.len().max(1);
    let fits = scales.len() == each * blocks.len() && (each == 0 || ty.block_len().is_multiple_of(each));
    let needed = each > 0 || blocks.is_empty() || ty.group().is_none();
    assert!(fits && needed, "{} scales for {} blocks of {ty}", scales.len(), blocks.len());
    let fourth_is_weight = matches!(ty, TensorType::Q2_0 | TensorType::Q2_0_128);
    for (index, (block, codes)) in blocks.iter().zip(codes.chunks_exact_mut(ty.block_len())).enumerate() {
        let Decoded { scale, fourth } = decode(block, codes);
        finite(scale).map_err(|found| Problem::Scale { ty: ty.name(), block: index, found })?;
        if fourth && !fourth_is_weight {
            return Err(Problem::Code { ty: ty.name(), block: index });
        }
        scales[index * each..][..each].fill(scale);
    }
    Ok(())
}

/// Rounds `weights` to `ty` and appends the blocks to `out`.
///
/// The ternary types quantise here, so they must be given latent weights: a second quantisation of ternary
/// weights gives other scales. Codes and scales that exist already go through [`pack_codes`].
///
/// # Errors
/// A type that nothing is rounded to, weights that are no whole number of blocks or cannot be scaled.
pub fn pack(ty: TensorType, weights: &[f32], out: &mut Vec<u8>) -> Result<()> {
    if !weights.len().is_multiple_of(ty.block_len()) {
        let (weights, block) = (weights.len() as u64, ty.block_len() as u64);
        return Err(Problem::RowLength { ty: ty.name(), weights, block }.into());
    }
    out.reserve(weights.len() / ty.block_len() * ty.block_bytes());
    match ty {
        TensorType::F32 => dense::pack_f32(weights, out),
        TensorType::F16 => dense::pack_f16(weights, out),
        TensorType::BF16 => dense::pack_bf16(weights, out),
        TensorType::Q8_0 => q8_0::pack(weights, out)?,
        TensorType::TQ2_0 => tq2_0::pack(weights, out)?,
        TensorType::Q1_58 => q1_58::pack(weights, out)?,
        ty if ty.is_ternary() => {
            let cure = "round to Q1_58 first, and convert its codes and scales";
            return Err(Problem::NotWritten { ty: ty.name(), cure }.into());
        }
        ty => return Err(Problem::NotWritten { ty: ty.name(), cure: "write Q8_0 or F16" }.into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pack_and_unpack_refuse_wrong_lengths() {
        let mut packed = 0;
        for ty in TensorType::ALL {
            let len = ty.block_len();
            let mut bytes = Vec::new();
            if let Err(refusal) = pack(ty, &vec![0.5; 2 * len], &mut bytes) {
                assert!(refusal.to_string().contains(&format!("{ty} is read, but not written")));
                bytes.resize(2 * ty.block_bytes(), 0);
                unpack(ty, &bytes, &mut vec![0.0; 2 * len]).unwrap();
                assert!(unpack(ty, &bytes[1..], &mut vec![0.0; 2 * len]).is_err());
                continue;
            }
            packed += 1;
            assert_eq!(bytes.len(), 2 * ty.block_bytes());
            let mut out = vec![0.0; 2 * len];
            unpack(ty, &bytes, &mut out).unwrap();
            assert!(out.iter().all(|w| (w - 0.5).abs() < 1e-3), "{ty}: {out:?}");
            assert!(unpack(ty, &bytes[1..], &mut out).is_err());
            assert!(unpack(ty, &bytes, &mut out[..len]).is_err());
            if len > 1 {
                assert!(pack(ty, &out[1..], &mut bytes).is_err());
            }
        }
        assert_eq!(packed, 6);
    }

    #[test]
    fn unpacked_scales_are_for_the_group_or_a_part_of_it() {
        for ty in TensorType::ALL.into_iter().filter(|ty| ty.group().is_some()) {
            let (len, size) = (ty.block_len(), ty.block_bytes());
            let mut blocks = vec![0; 2 * size];
            // The scale stands first or last.
            for (block, scale) in blocks.chunks_exact_mut(size).zip([1.0, 2.0]) {
                let scale = f16::from_f32(scale).to_le_bytes();
                let last = matches!(ty, TensorType::TQ1_0 | TensorType::TQ2_0 | TensorType::PTQ1_0);
                block[if last { size - 2 } else { 0 }..][..2].copy_from_slice(&scale);
            }
            let mut codes = vec![0; 2 * len];
            for parts in [1, 2, len / 32] {
                let mut scales = vec![f16::ZERO; 2 * parts];
                unpack_codes(ty, &blocks, &mut scales, &mut codes).unwrap();
                let (first, second) = scales.split_at(parts);
                assert!(
                    first.iter().all(|s| *s == f16::ONE) && second.iter().all(|s| s.to_f32() == 2.0),
                    "{ty}"
                );
            }
        }
    }

    #[test]
    fn ternary_blocks_refuse_the_fourth_code_and_scales_that_are_not_finite() {
        for ty in TensorType::ALL.into_iter().filter(|ty| ty.is_ternary()) {
            let (len, size) = (ty.block_len(), ty.block_bytes());
            let mut out = vec![0.0; 3 * len];
            let error = |bytes: &[u8], out: &mut [f32]| unpack(ty, bytes, out).err().map(|e| e.to_string());
            assert_eq!(error(&vec![0; 3 * size], &mut out), None);
            if ty.group().is_some() {
                let mut scale = vec![0; 3 * size];
                let last = matches!(ty, TensorType::TQ1_0 | TensorType::TQ2_0 | TensorType::PTQ1_0);
                scale[size + if last { size - 2 } else { 0 }..][..2].copy_from_slice(&f16::NAN.to_le_bytes());
                let found = error(&scale, &mut out).unwrap();
                assert_eq!(found, format!("{ty} block 1 has the scale NaN, which is not finite"));
            }
            let mut fourth = vec![0; 3 * size];
            fourth[2 * size + 5] = 0b1100;
            let found = error(&fourth, &mut out);
            if matches!(ty, TensorType::TQ2_0 | TensorType::I2_S | TensorType::Q1_58) {
                assert!(found.unwrap().starts_with(&format!("{ty} block 2 holds the code 3")));
            } else {
                assert_eq!(found, None, "{ty}");
            }
        }
    }
}
