//! The number a file gives for a tensor's type: one of ours, or one that we can name and measure but not read.
//! Where published kinds share a number, a tensor's shape and length decide. A number that nobody has assigned is no type at all; the reader
//! refuses the file.

use super::{Problem, TensorType};
use crate::Result;

/// A tensor's type as the file states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeId {
    /// A type this crate reads and writes.
    Known(TensorType),
    /// A type of others: listed, copied, but never unpacked.
    Foreign(&'static Foreign),
}

/// A tensor type of others.
#[derive(Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its number in GGUF files.
    pub id: u32,
    /// The name people know it by.
    pub name: &'static str,
    /// Weights and bytes of a block; `None` where the number alone does not decide them.
    block: Option<(u64, u64)>,
}

const fn foreign(id: u32, name: &'static str, len: u64, bytes: u64) -> Foreign {
    Foreign { id, name, block: Some((len, bytes)) }
}

const fn unmeasured(id: u32, name: &'static str) -> Foreign {
    Foreign { id, name, block: None }
}

/// Ids, names and sizes as in ggml. I2_S has one scale a tensor; which Q2_0 a tensor is, its length says.
static FOREIGN: [Foreign; 32] = [
    foreign(2, "Q4_0", 32, 18),
    foreign(3, "Q4_1", 32, 20),
    foreign(6, "Q5_0", 32, 22),
    foreign(7, "Q5_1", 32, 24),
    foreign(9, "Q8_1", 32, 36),
    foreign(10, "Q2_K", 256, 84),
    foreign(11, "Q3_K", 256, 110),
    foreign(12, "Q4_K", 256, 144),
    foreign(13, "Q5_K", 256, 176),
    foreign(14, "Q6_K", 256, 210),
    foreign(15, "Q8_K", 256, 292),
    foreign(16, "IQ2_XXS", 256, 66),
    foreign(17, "IQ2_XS", 256, 74),
    foreign(18, "IQ3_XXS", 256, 98),
    foreign(19, "IQ1_S", 256, 50),
    foreign(20, "IQ4_NL", 32, 18),
    foreign(21, "IQ3_S", 256, 110),
    foreign(22, "IQ2_S", 256, 82),
    foreign(23, "IQ4_XS", 256, 136),
    foreign(24, "I8", 1, 1),
    foreign(25, "I16", 1, 2),
    foreign(26, "I32", 1, 4),
    foreign(27, "I64", 1, 8),
    foreign(28, "F64", 1, 8),
    foreign(29, "IQ1_M", 256, 56),
    foreign(34, "TQ1_0", 256, 54),
    unmeasured(36, "I2_S"),
    foreign(39, "MXFP4", 32, 17),
    foreign(40, "NVFP4", 64, 36),
    foreign(41, "Q1_0", 128, 18),
    unmeasured(42, "Q2_0"),
    foreign(143, "PTQ1_0", 128, 28),
];

/// Kinds that share a number with others.
static SHARED: [Foreign; 2] = [
    // llama.cpp's.
    foreign(42, "Q2_0", 64, 18),
    // What PrismML published under this number before it had one of its own, 142.
    foreign(42, "Q2_0_128", 128, 34),
];

impl TypeId {
    /// The type with this number, if anybody has assigned it. Kinds that share it have no block yet: see [`placed`](Self::placed).
    pub fn from_id(id: u32) -> Option<TypeId> {
        match TensorType::from_id(id) {
            Some(ty) => Some(TypeId::Known(ty)),
            None => FOREIGN.iter().find(|f| f.id == id).map(TypeId::Foreign),
        }
    }

    /// The type of a tensor of `rows` rows of `row` weights, from whose start to the next one, or to the end of the file, there are `room` bytes:
    /// of those that share its number, the one whose length that is, padded to `alignment` or not. It stays what it was where none is, or more
    /// than one.
    pub fn placed(self, row: u64, rows: u64, room: u64, alignment: u64) -> TypeId {
        let fits = |ty: &TypeId| {
            let bytes = ty.row_bytes(row).ok().flatten().and_then(|bytes| bytes.checked_mul(rows));
            let padded = bytes.and_then(|bytes| bytes.checked_next_multiple_of(alignment));
            bytes.zip(padded).is_some_and(|(bytes, padded)| (bytes..=padded).contains(&room))
        };
        let shared = SHARED.iter().filter(|f| f.id == self.id()).map(TypeId::Foreign);
        let mut fitting = shared.filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(ty), None) => ty,
            _ => self,
        }
    }

    /// The number in the file.
    pub fn id(self) -> u32 {
        match self {
            TypeId::Known(ty) => ty.id(),
            TypeId::Foreign(f) => f.id,
        }
    }

    /// The name people know it by.
    pub fn name(self) -> &'static str {
        match self {
            TypeId::Known(ty) => ty.name(),
            TypeId::Foreign(f) => f.name,
        }
    }

    /// The type, if this crate reads it.
    pub fn known(self) -> Option<TensorType> {
        match self {
            TypeId::Known(ty) => Some(ty),
            TypeId::Foreign(_) => None,
        }
    }

    /// Weights and bytes of a block, where the number decides them.
    pub fn block(self) -> Option<(u64, u64)> {
        match self {
            TypeId::Known(ty) => Some((ty.block_len() as u64, ty.block_bytes() as u64)),
            TypeId::Foreign(f) => f.block,
        }
    }

    /// Bytes of a row of `ne0` weights, `None` where the number does not decide them.
    pub fn row_bytes(self, ne0: u64) -> Result<Option<u64>> {
        let Some((len, bytes)) = self.block() else { return Ok(None) };
        if !ne0.is_multiple_of(len) {
            return Err(Problem::RowLength { ty: self.name(), weights: ne0, block: len }.into());
        }
        let too_long = Problem::RowTooLong { ty: self.name(), weights: ne0 };
        Ok(Some((ne0 / len).checked_mul(bytes).ok_or(too_long)?))
    }
}

impl From<TensorType> for TypeId {
    fn from(ty: TensorType) -> TypeId {
        TypeId::Known(ty)
    }
}

impl PartialEq<TensorType> for TypeId {
    fn eq(&self, ty: &TensorType) -> bool {
        *self == TypeId::Known(*ty)
    }
}

impl std::fmt::Display for TypeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_ids_are_distinct_and_none_of_ours() {
        for (i, f) in FOREIGN.iter().enumerate() {
            assert_eq!(TypeId::from_id(f.id), Some(TypeId::Foreign(f)));
            assert!(FOREIGN[..i].iter().all(|g| g.id != f.id && g.name != f.name));
        }
        assert_eq!(TypeId::from_id(43), None);
        for f in &SHARED {
            assert_eq!(TypeId::from_id(f.id).unwrap().block(), None, "{}", f.name);
            assert!(f.block.is_some());
        }
    }

    #[test]
    fn placed_tells_kinds_of_one_number_apart_by_their_length() {
        let undecided = TypeId::from_id(42).unwrap();
        let placed = |row, rows, room| undecided.placed(row, rows, room, 32).block();
        // 4,096 weights: 64 blocks of 18 bytes or 32 of 34.
        assert_eq!(placed(1024, 4, 1152), Some((64, 18)));
        assert_eq!(placed(1024, 4, 1088), Some((128, 34)));
        // 576 of them: with padding and, at the end of a file, without.
        assert_eq!((placed(192, 3, 162), placed(192, 3, 192)), (Some((64, 18)), Some((64, 18))));
        // Of neither length, or of both, as 128 weights are that take 36 or 34 of 64 bytes.
        for (row, rows, room) in [(1024, 4, 1120), (1024, 4, 0), (128, 1, 64), (100, 1, 32), (0, 0, 64)] {
            assert_eq!(placed(row, rows, room), None, "{row} x {rows} in {room}");
        }
        assert_eq!(placed(u64::MAX - 63, u64::MAX, u64::MAX), None);
        for ty in [0, 142, 36, 143].map(|id| TypeId::from_id(id).unwrap()) {
            assert_eq!(ty.placed(1024, 4, 1152, 32), ty);
        }
    }
}
