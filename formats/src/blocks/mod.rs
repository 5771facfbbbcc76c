//! Weights in blocks: how a tensor type lays out its weights, and conversions to and from f32.
//! What a ternary scale is belongs to [`crate::ternary`]; where a tensor lies in a file, to [`crate::gguf`].

pub mod dense;
pub mod q1_58;
pub mod q8_0;
pub mod tq2_0;
mod type_id;

pub use type_id::{Foreign, TypeId};

use half::f16;

use crate::Result;

/// The tensor types whose weights this crate reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorType {
    /// 32-bit IEEE floats.
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// 32 weights of 8 bits share an f16 scale.
    Q8_0,
    /// The upper half of a 32-bit float.
    BF16,
    /// 256 ternary weights share an f16 scale (llama.cpp).
    TQ2_0,
    /// 128 ternary weights share an f16 scale: our own, the same bytes as `PQ2_0`.
    Q1_58,
}

impl TensorType {
    /// All of them, by id.
    pub const ALL: [TensorType; 6] = [
        TensorType::F32,
        TensorType::F16,
        TensorType::Q8_0,
        TensorType::BF16,
        TensorType::TQ2_0,
        TensorType::Q1_58,
    ];

    /// Whether its weights are -1, 0 and +1 times a scale.
    pub const fn is_ternary(self) -> bool {
        matches!(self, TensorType::TQ2_0 | TensorType::Q1_58)
    }

    /// The number that names this type in a GGUF file.
    pub const fn id(self) -> u32 {
        match self {
            TensorType::F32 => 0,
            TensorType::F16 => 1,
            TensorType::Q8_0 => 8,
            TensorType::BF16 => 30,
            TensorType::TQ2_0 => 35,
            TensorType::Q1_58 => 142,
        }
    }

    /// The type with this GGUF number, if it is one of ours.
    pub fn from_id(id: u32) -> Option<TensorType> {
        Self::ALL.into_iter().find(|ty| ty.id() == id)
    }

    /// The name people know it by.
    pub const fn name(self) -> &'static str {
        match self {
            TensorType::F32 => "F32",
            TensorType::F16 => "F16",
            TensorType::Q8_0 => "Q8_0",
            TensorType::BF16 => "BF16",
            TensorType::TQ2_0 => "TQ2_0",
            TensorType::Q1_58 => "Q1_58",
        }
    }

    /// Weights in one block.
    pub const fn block_len(self) -> usize {
        match self {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => 1,
            TensorType::Q8_0 => q8_0::LEN,
            TensorType::TQ2_0 => tq2_0::LEN,
            TensorType::Q1_58 => q1_58::LEN,
        }
    }

    /// Bytes of one block.
    pub const fn block_bytes(self) -> usize {
        match self {
            TensorType::F32 => 4,
            TensorType::F16 | TensorType::BF16 => 2,
            TensorType::Q8_0 => q8_0::BYTES,
            TensorType::TQ2_0 => tq2_0::BYTES,
            TensorType::Q1_58 => q1_58::BYTES,
        }
    }

    /// Bytes of a row of `ne0` weights. A row is a whole number of blocks, or an error.
    pub fn row_bytes(self, ne0: u64) -> Result<u64> {
        TypeId::Known(self).row_bytes(ne0).map(|b| b.expect("our own types have a size"))
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why weights cannot be packed or unpacked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// A row that ends inside a block.
    #[error("a row of {weights} weights is not a whole number of {ty} blocks of {block}")]
    RowLength {
        /// The tensor type.
        ty: &'static str,
        /// Weights in the row.
        weights: u64,
        /// Weights in a block.
        block: u64,
    },
    /// A row too long for any memory.
    #[error("a row of {weights} {ty} weights has more bytes than a file can")]
    RowTooLong {
        /// The tensor type.
        ty: &'static str,
        /// Weights in the row.
        weights: u64,
    },
    /// Fewer or more bytes than the weights need.
    #[error("{weights} {ty} weights take {expected} bytes, but there are {found}")]
    Bytes {
        /// The tensor type.
        ty: &'static str,
        /// How many weights were asked for.
        weights: usize,
        /// Bytes they take.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The fourth 2-bit code, which stands for no ternary weight.
    #[error("{ty} block {block} holds the code 3, but only 0, 1 and 2 (-1, 0 and +1) are weights")]
    Code {
        /// The tensor type.
        ty: &'static str,
        /// Which block of the tensor, from 0.
        block: usize,
    },
    /// A scale that would make every weight of its block NaN or infinite.
    #[error("{ty} block {block} has the scale {found}, which is not finite")]
    Scale {
        /// The tensor type.
        ty: &'static str,
        /// Which block of the tensor, from 0.
        block: usize,
        /// The scale, or what would have been the scale.
        found: f32,
    },
    /// Two groups of 128 that one block of 256 cannot hold without changing them.
    #[error(
        "TQ2_0 block {block} would need one scale for groups scaled {first} and {second}; requantise, or keep Q1_58"
    )]
    ScalesDiffer {
        /// Which block of the tensor, from 0.
        block: usize,
        /// Scale of weights 0 to 127.
        first: f32,
        /// Scale of weights 128 to 255.
        second: f32,
    },
}

impl Problem {
    /// The same problem, where `blocks` blocks come before the part that was looked at.
    fn after_blocks(mut self, blocks: usize) -> Problem {
        match &mut self {
            Problem::Code { block, .. }
            | Problem::Scale { block, .. }
            | Problem::ScalesDiffer { block, .. } => *block += blocks,
            Problem::RowLength { .. } | Problem::RowTooLong { .. } | Problem::Bytes { .. } => {}
        }
        self
    }
}

impl crate::Error {
    /// The same error, where `blocks` blocks of a tensor come before the part that was unpacked.
    pub fn after_blocks(self, blocks: usize) -> Self {
        match self {
            crate::Error::Block(problem) => problem.after_blocks(blocks).into(),
            other => other,
        }
    }
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

/// Unpacks weights to f32. `out` has one element a weight; `bytes` are exactly their blocks.
///
/// Scales must be finite and ternary codes defined. Weights stored as floats come as they are, NaN included.
pub fn unpack(ty: TensorType, bytes: &[u8], out: &mut [f32]) -> Result<()> {
    check_bytes(ty, bytes.len(), out.len())?;
    match ty {
        TensorType::F32 => dense::unpack_f32(bytes, out),
        TensorType::F16 => dense::unpack_f16(bytes, out),
        TensorType::BF16 => dense::unpack_bf16(bytes, out),
        TensorType::Q8_0 => q8_0::unpack(bytes, out)?,
        TensorType::TQ2_0 => tq2_0::unpack(bytes, out)?,
        TensorType::Q1_58 => q1_58::unpack(bytes, out)?,
    }
    Ok(())
}

/// Unpacks ternary weights into codes (one a weight) and scales (one a group of 128).
///
/// `codes.len()` must be `128 * scales.len()`, and `ty` a ternary type (asserted); `bytes` that do not fit are an error.
pub fn unpack_codes(ty: TensorType, bytes: &[u8], scales: &mut [f16], codes: &mut [i8]) -> Result<()> {
    match ty {
        TensorType::Q1_58 => q1_58::unpack_codes(bytes, scales, codes),
        TensorType::TQ2_0 => tq2_0::unpack_codes(bytes, scales, codes),
        _ => panic!("{ty} weights have no codes"),
    }
}

/// Rounds `weights` to `ty` and appends the blocks to `out`.
///
/// The ternary types quantise here, so they must be given latent weights: a second quantisation of ternary
/// weights gives other scales. Codes and scales that exist already go through [`q1_58::pack_group`] or
/// [`tq2_0::pack_lossless`].
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
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensor_type_ids_and_names_are_distinct_and_come_back() {
        for ty in TensorType::ALL {
            assert_eq!(TensorType::from_id(ty.id()), Some(ty));
            assert_eq!(TypeId::from_id(ty.id()), Some(TypeId::Known(ty)));
        }
        assert_eq!(TensorType::from_id(2), None);
    }

    #[test]
    fn row_bytes_wants_whole_blocks() {
        assert_eq!(TensorType::Q1_58.row_bytes(256).unwrap(), 68);
        assert_eq!(TensorType::F16.row_bytes(3).unwrap(), 6);
        assert!(TensorType::Q1_58.row_bytes(129).is_err());
        assert!(TensorType::F32.row_bytes(u64::MAX).is_err());
        assert!(TensorType::Q8_0.row_bytes(u64::MAX - 31).is_err());
    }

    #[test]
    fn pack_and_unpack_refuse_wrong_lengths() {
        for ty in TensorType::ALL {
            let len = ty.block_len();
            let mut bytes = Vec::new();
            pack(ty, &vec![0.5; 2 * len], &mut bytes).unwrap();
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
    }
}
