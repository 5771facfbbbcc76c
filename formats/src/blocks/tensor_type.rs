//! The tensor types whose weights this crate reads: their numbers, names and sizes. How a block holds its weights is the business of the type's own file.

use super::type_id::bytes_of_rows;
use super::{Problem, i2_s, k_quants, ptq1_0, q1_58, q2_0, q4, q8_0, tq1_0, tq2_0};
use crate::Result;

/// A tensor type whose weights this crate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(non_camel_case_types, reason = "the names people know them by")]
pub enum TensorType {
    /// 32-bit IEEE floats.
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// The upper half of a 32-bit float.
    BF16,
    /// 32 weights of 4 bits share an f16 scale.
    Q4_0,
    /// 32 weights of 4 bits share an f16 scale and an f16 minimum.
    Q4_1,
    /// 32 weights of 8 bits share an f16 scale.
    Q8_0,
    /// 256 weights of 4 bits, a scale and a minimum of 6 bits for every 32.
    Q4_K,
    /// 256 weights of 5 bits, a scale and a minimum of 6 bits for every 32.
    Q5_K,
    /// 256 weights of 6 bits, a scale of 8 bits for every 16.
    Q6_K,
    /// 256 ternary weights in base 3 share an f16 scale (llama.cpp).
    TQ1_0,
    /// 256 ternary weights of 2 bits share an f16 scale (llama.cpp).
    TQ2_0,
    /// Ternary weights of 2 bits; one f32 scale, behind the blocks, is the whole tensor's (bitnet.cpp).
    I2_S,
    /// 64 weights of 2 bits share an f16 scale; the fourth code is +2 (llama.cpp).
    Q2_0,
    /// As [`Q2_0`](Self::Q2_0), for 128 weights: what had its number in PrismML's earlier files.
    Q2_0_128,
    /// 128 ternary weights of 2 bits share an f16 scale: our own, the same bytes as `PQ2_0`.
    Q1_58,
    /// 128 ternary weights in base 3 share an f16 scale (PrismML).
    PTQ1_0,
}

impl TensorType {
    /// All of them.
    pub const ALL: [TensorType; 16] = [
        TensorType::F32,
        TensorType::F16,
        TensorType::BF16,
        TensorType::Q4_0,
        TensorType::Q4_1,
        TensorType::Q8_0,
        TensorType::Q4_K,
        TensorType::Q5_K,
        TensorType::Q6_K,
        TensorType::TQ1_0,
        TensorType::TQ2_0,
        TensorType::I2_S,
        TensorType::Q2_0,
        TensorType::Q2_0_128,
        TensorType::Q1_58,
        TensorType::PTQ1_0,
    ];

    /// The number that names this type in a GGUF file. [`Q2_0`](Self::Q2_0) and [`Q2_0_128`](Self::Q2_0_128) have the same.
    pub const fn id(self) -> u32 {
        self.facts().0
    }

    /// The name people know it by.
    pub const fn name(self) -> &'static str {
        self.facts().1
    }

    /// Weights in one block.
    pub const fn block_len(self) -> usize {
        self.facts().2
    }

    /// Bytes of one block.
    pub const fn block_bytes(self) -> usize {
        self.facts().3
    }

    /// Number, name, weights and bytes of a block.
    const fn facts(self) -> (u32, &'static str, usize, usize) {
        match self {
            TensorType::F32 => (0, "F32", 1, 4),
            TensorType::F16 => (1, "F16", 1, 2),
            TensorType::BF16 => (30, "BF16", 1, 2),
            TensorType::Q4_0 => (2, "Q4_0", q4::LEN, q4::BYTES_Q4_0),
            TensorType::Q4_1 => (3, "Q4_1", q4::LEN, q4::BYTES_Q4_1),
            TensorType::Q8_0 => (8, "Q8_0", q8_0::LEN, q8_0::BYTES),
            TensorType::Q4_K => (12, "Q4_K", k_quants::LEN, k_quants::BYTES_Q4_K),
            TensorType::Q5_K => (13, "Q5_K", k_quants::LEN, k_quants::BYTES_Q5_K),
            TensorType::Q6_K => (14, "Q6_K", k_quants::LEN, k_quants::BYTES_Q6_K),
            TensorType::TQ1_0 => (34, "TQ1_0", tq1_0::LEN, tq1_0::BYTES),
            TensorType::TQ2_0 => (35, "TQ2_0", tq2_0::LEN, tq2_0::BYTES),
            TensorType::I2_S => (36, "I2_S", i2_s::LEN, i2_s::BYTES),
            TensorType::Q2_0 => (42, "Q2_0", q2_0::LEN, q2_0::BYTES),
            TensorType::Q2_0_128 => (42, "Q2_0_128", q2_0::LEN_128, q2_0::BYTES_128),
            TensorType::Q1_58 => (142, "Q1_58", q1_58::LEN, q1_58::BYTES),
            TensorType::PTQ1_0 => (143, "PTQ1_0", ptq1_0::LEN, ptq1_0::BYTES),
        }
    }

    /// The type with this number, if one of these alone has it.
    pub fn from_id(id: u32) -> Option<TensorType> {
        let mut found = Self::ALL.into_iter().filter(|ty| ty.id() == id);
        found.next().filter(|_| found.next().is_none())
    }

    /// Whether its weights are codes times a scale: -1, 0 and +1, in Q2_0 also +2 (see [`q2_0::has_twos`]).
    pub const fn is_ternary(self) -> bool {
        matches!(
            self,
            TensorType::TQ1_0
                | TensorType::TQ2_0
                | TensorType::I2_S
                | TensorType::Q2_0
                | TensorType::Q2_0_128
                | TensorType::Q1_58
                | TensorType::PTQ1_0
        )
    }

    /// Weights that share a scale in its blocks, if it is ternary; not for I2_S, whose scale is the whole tensor's.
    pub const fn group(self) -> Option<usize> {
        match self {
            TensorType::I2_S => None,
            ty if ty.is_ternary() => Some(ty.block_len()),
            _ => None,
        }
    }

    /// Bytes behind the blocks of a tensor that has weights: [`i2_s::TAIL_BYTES`] of I2_S, none of all others.
    pub const fn tail_bytes(self) -> usize {
        match self {
            TensorType::I2_S => i2_s::TAIL_BYTES,
            _ => 0,
        }
    }

    /// Bytes of a row of `ne0` weights. A row is a whole number of blocks, or an error.
    pub fn row_bytes(self, ne0: u64) -> Result<u64> {
        Ok(bytes_of_rows(self.name(), self.block(), ne0, 1)?)
    }

    /// Bytes of a tensor of `rows` rows of `ne0` weights, with what is behind its blocks.
    ///
    /// # Errors
    /// A row that is no whole number of blocks, or more bytes than 64 bits count.
    pub fn tensor_bytes(self, ne0: u64, rows: u64) -> Result<u64> {
        let blocks = bytes_of_rows(self.name(), self.block(), ne0, rows)?;
        let tail = if blocks == 0 { 0 } else { self.tail_bytes() as u64 };
        Ok(blocks.checked_add(tail).ok_or(Problem::TooLong { ty: self.name(), row: ne0, rows })?)
    }

    const fn block(self) -> (u64, u64) {
        (self.block_len() as u64, self.block_bytes() as u64)
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{GROUP_MIN, TypeId};

    #[test]
    fn tensor_type_names_are_distinct_and_ids_come_back() {
        for (i, ty) in TensorType::ALL.into_iter().enumerate() {
            assert!(TensorType::ALL[..i].iter().all(|other| other.name() != ty.name()));
            assert!(ty.group().is_none_or(|group| group.is_multiple_of(GROUP_MIN)));
            if ty.id() != TensorType::Q2_0.id() {
                assert_eq!(TensorType::from_id(ty.id()), Some(ty));
                assert_eq!(TypeId::from_id(ty.id()), Some(TypeId::Known(ty)));
            }
        }
        assert_eq!((TensorType::from_id(42), TensorType::from_id(43)), (None, None));
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
    fn tensor_bytes_counts_what_stands_behind_the_blocks() {
        assert_eq!(TensorType::Q1_58.tensor_bytes(256, 3).unwrap(), 3 * 68);
        assert_eq!(TensorType::I2_S.tensor_bytes(256, 3).unwrap(), 3 * 64 + 32);
        assert_eq!(TensorType::I2_S.tensor_bytes(256, 0).unwrap(), 0);
        assert!(TensorType::I2_S.tensor_bytes(128, 1 << 59).is_err());
        assert!(TensorType::Q6_K.tensor_bytes(256, u64::MAX / 209).is_err());
    }
}
