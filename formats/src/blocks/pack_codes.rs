//! Ternary weights that have their codes and scales already, into the blocks of a type: without changing a weight, or not at all.

use half::f16;

use super::{Problem, TensorType, ptq1_0, q2_0, tq1_0, tq2_0};
use crate::Result;

/// Appends the blocks of ternary weights to `out`: `codes` one a weight (-1, 0, 1, or 2 for Q2_0), `scales` one for each `codes.len() / scales.len()` of them.
///
/// No weight changes. A block of more weights than share a scale takes them only if all its scales but those of zeros are equal; a block of fewer repeats
/// the scale. What comes back from [`unpack_codes`](super::unpack_codes) is the same, but for the scales of weights that are all 0.
///
/// # Errors
/// A type that is not written, codes that are no whole number of blocks or that it has not, scales that differ or are not finite; `out` then holds the
/// blocks before.
///
/// # Panics
/// If `codes` is no whole number of scales, or if neither a block nor what shares a scale is a whole number of the other.
pub fn pack_codes(ty: TensorType, scales: &[f16], codes: &[i8], out: &mut Vec<u8>) -> Result<()> {
    let name = ty.name();
    let encode = match ty {
        TensorType::TQ1_0 => tq1_0::encode,
        TensorType::TQ2_0 => tq2_0::encode,
        TensorType::Q2_0 | TensorType::Q1_58 => q2_0::encode,
        TensorType::PTQ1_0 => ptq1_0::encode,
        _ => {
            let cure = if ty.is_ternary() { "write Q2_0 or Q1_58" } else { "its weights have no codes" };
            return Err(Problem::NotWritten { ty: name, cure }.into());
        }
    };
    let len = ty.block_len();
    if !codes.len().is_multiple_of(len) {
        return Err(Problem::RowLength { ty: name, weights: codes.len() as u64, block: len as u64 }.into());
    }
    if codes.is_empty() {
        return Ok(());
    }
    let group = codes.len() / scales.len();
    assert_eq!(codes.len(), group * scales.len(), "scales for {} weights", codes.len());
    assert!(group.is_multiple_of(len) || len.is_multiple_of(group), "{group} weights a scale, {len} a block");
    out.reserve(codes.len() / len * ty.block_bytes());
    for (index, block) in codes.chunks_exact(len).enumerate() {
        let first = index * len / group;
        let scale = shared_scale(&scales[first..], group, block)
            .map_err(|[first, second]| Problem::ScalesDiffer { ty: name, block: index, first, second })?;
        if !scale.is_finite() {
            return Err(Problem::Scale { ty: name, block: index, found: scale.to_f32() }.into());
        }
        if ty != TensorType::Q2_0 && block.contains(&2) {
            return Err(Problem::Two { ty: name, block: index }.into());
        }
        encode(scale, block, out);
    }
    Ok(())
}

/// The scale that all weights of a block have, other than zeros, of which each `group` has its own; or two that differ. A block of zeros has its first.
fn shared_scale(scales: &[f16], group: usize, block: &[i8]) -> std::result::Result<f16, [f32; 2]> {
    let mut needed = block.chunks(group).zip(scales).filter(|(run, _)| run.iter().any(|t| *t != 0));
    let Some((_, first)) = needed.next() else { return Ok(scales[0]) };
    match needed.find(|(_, scale)| scale.to_bits() != first.to_bits()) {
        Some((_, second)) => Err([first.to_f32(), second.to_f32()]),
        None => Ok(*first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{pack, unpack, unpack_codes};
    use crate::ternary::GROUP;

    const WRITTEN: [TensorType; 5] =
        [TensorType::Q1_58, TensorType::TQ1_0, TensorType::TQ2_0, TensorType::Q2_0, TensorType::PTQ1_0];

    /// Q1_58 of eight groups, those of each pair with one scale.
    fn q1_58() -> Vec<u8> {
        let codes: Vec<i8> = (0..8 * GROUP).map(|i| ((i * i + i / 7) % 3) as i8 - 1).collect();
        let scales: Vec<f16> = (0..8).map(|g| f16::from_f32(0.01 + (g / 2) as f32)).collect();
        let mut bytes = Vec::new();
        pack_codes(TensorType::Q1_58, &scales, &codes, &mut bytes).unwrap();
        bytes
    }

    fn codes_of(ty: TensorType, bytes: &[u8]) -> (Vec<f16>, Vec<i8>) {
        let blocks = bytes.len() / ty.block_bytes();
        let (mut scales, mut codes) = (vec![f16::ZERO; blocks], vec![0; blocks * ty.block_len()]);
        unpack_codes(ty, bytes, &mut scales, &mut codes).unwrap();
        (scales, codes)
    }

    #[test]
    fn q1_58_comes_back_from_every_type_bit_for_bit() {
        let original = q1_58();
        let (scales, codes) = codes_of(TensorType::Q1_58, &original);
        let mut weights = vec![0.0; codes.len()];
        unpack(TensorType::Q1_58, &original, &mut weights).unwrap();
        for ty in WRITTEN {
            let mut bytes = Vec::new();
            pack_codes(ty, &scales, &codes, &mut bytes).unwrap();
            assert_eq!(bytes.len(), codes.len() / ty.block_len() * ty.block_bytes());
            let mut same = vec![0.0; codes.len()];
            unpack(ty, &bytes, &mut same).unwrap();
            assert_eq!(same, weights, "{ty}");
            let (scales, codes) = codes_of(ty, &bytes);
            let mut back = Vec::new();
            pack_codes(TensorType::Q1_58, &scales, &codes, &mut back).unwrap();
            assert_eq!(back, original, "{ty}");
        }
    }

    #[test]
    fn scales_that_differ_in_a_block_are_refused_but_for_those_of_zeros() {
        let (a, b) = (f16::from_f32(0.5), f16::from_f32(0.25));
        let mut codes = vec![1i8; 4 * GROUP];
        for ty in [TensorType::TQ1_0, TensorType::TQ2_0] {
            let refused = pack_codes(ty, &[a, a, a, b], &codes, &mut Vec::new()).unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!(
                    "{ty} block 1 would need one scale for weights scaled 0.5 and 0.25"
                ))
            );
            for zeros in [GROUP * 2..GROUP * 3, GROUP * 3..GROUP * 4] {
                let mut codes = codes.clone();
                codes[zeros.clone()].fill(0);
                let mut bytes = Vec::new();
                pack_codes(ty, &[a, a, a, b], &codes, &mut bytes).unwrap();
                let (scales, back) = codes_of(ty, &bytes);
                assert_eq!((scales[1], back), (if zeros.start == GROUP * 2 { b } else { a }, codes));
            }
        }
        // A scale for 64 weights, as Q2_0 has them.
        codes.truncate(GROUP);
        for ty in [TensorType::Q1_58, TensorType::PTQ1_0] {
            let refused = pack_codes(ty, &[a, b], &codes, &mut Vec::new()).unwrap_err();
            assert!(
                matches!(refused, crate::Error::Block(Problem::ScalesDiffer { block: 0, .. })),
                "{refused}"
            );
        }
        pack_codes(TensorType::Q2_0, &[a, b], &codes, &mut Vec::new()).unwrap();
    }

    #[test]
    fn what_no_block_can_hold_is_refused_by_name() {
        let refusal = |ty, scales: &[f16], codes: &[i8]| {
            let mut out = Vec::new();
            let error = pack_codes(ty, scales, codes, &mut out).unwrap_err().to_string();
            (error, out.len())
        };
        let mut codes = vec![0i8; 4 * GROUP];
        codes[2 * GROUP] = 2;
        let ones = [f16::ONE; 4];
        for ty in WRITTEN.into_iter().filter(|ty| *ty != TensorType::Q2_0) {
            let block = 2 * GROUP / ty.block_len();
            let (error, written) = refusal(ty, &ones, &codes);
            assert!(error.starts_with(&format!("{ty} block {block} would need the weight +2")), "{error}");
            assert_eq!(written, block * ty.block_bytes());
        }
        let mut bytes = Vec::new();
        pack_codes(TensorType::Q2_0, &ones, &codes, &mut bytes).unwrap();
        assert!(q2_0::has_twos::<{ q2_0::BYTES }>(&bytes));
        let (error, _) = refusal(TensorType::Q1_58, &[f16::ONE, f16::NAN], &[1; 2 * GROUP]);
        assert_eq!(error, "Q1_58 block 1 has the scale NaN, which is not finite");
        let (error, _) = refusal(TensorType::TQ1_0, &[f16::ONE], &[1; GROUP]);
        assert_eq!(error, "a row of 128 weights is not a whole number of TQ1_0 blocks of 256");
        for ty in TensorType::ALL.into_iter().filter(|ty| !WRITTEN.contains(ty)) {
            let (error, _) = refusal(ty, &ones, &codes);
            assert!(error.starts_with(&format!("{ty} is read, but not written; ")), "{error}");
        }
        pack_codes(TensorType::Q1_58, &[], &[], &mut bytes).unwrap();
    }

    #[test]
    fn packing_codes_is_what_rounding_gives() {
        let weights: Vec<f32> = (0..4 * GROUP).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
        for ty in [TensorType::Q1_58, TensorType::TQ2_0] {
            let (mut rounded, mut again) = (Vec::new(), Vec::new());
            pack(ty, &weights, &mut rounded).unwrap();
            let (scales, codes) = codes_of(ty, &rounded);
            pack_codes(ty, &scales, &codes, &mut again).unwrap();
            assert_eq!(rounded, again, "{ty}");
        }
    }
}
