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

/// Ids, names and sizes as in ggml. Which Q2_0 a tensor is, its length says.
static FOREIGN: [Foreign; 24] = [
    foreign(6, "Q5_0", 32, 22),
    foreign(7, "Q5_1", 32, 24),
    foreign(9, "Q8_1", 32, 36),
    foreign(10, "Q2_K", 256, 84),
    foreign(11, "Q3_K", 256, 110),
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
    foreign(39, "MXFP4", 32, 17),
    foreign(40, "NVFP4", 64, 36),
    foreign(41, "Q1_0", 128, 18),
    unmeasured(42, "Q2_0 of unknown size"),
];

/// Kinds that share a number: llama.cpp's, and what PrismML published under it before it had one of its own, 142.
static SHARED: [TensorType; 2] = [TensorType::Q2_0, TensorType::Q2_0_128];

impl TypeId {
    /// The type with this number, if anybody has assigned it. Kinds that share it have no block yet: see [`placed`](Self::placed).
    pub fn from_id(id: u32) -> Option<TypeId> {
        match TensorType::from_id(id) {
            Some(ty) => Some(TypeId::Known(ty)),
            None => FOREIGN.iter().find(|f| f.id == id).map(TypeId::Foreign),
        }
    }

    /// The types of which a tensor of `rows` rows of `row` weights may be, from whose start to the next one, or to the end of the file, there are `room`
    /// bytes: of those that share its number, the ones whose length that is, padded to `alignment` or not. llama.cpp's comes first. None if this type
    /// shares its number with no other.
    pub fn placed(self, row: u64, rows: u64, room: u64, alignment: u64) -> impl Iterator<Item = TensorType> {
        let fits = move |ty: &TensorType| {
            let bytes = ty.tensor_bytes(row, rows).ok();
            let padded = bytes.and_then(|bytes| bytes.checked_next_multiple_of(alignment));
            bytes.zip(padded).is_some_and(|(bytes, padded)| (bytes..=padded).contains(&room))
        };
        SHARED.into_iter().filter(move |ty| self.block().is_none() && ty.id() == self.id()).filter(fits)
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

    /// Bytes of a tensor of `rows` rows of `ne0` weights, `None` where the number does not decide them.
    ///
    /// # Errors
    /// A row that is no whole number of blocks, or more bytes than 64 bits count.
    pub fn tensor_bytes(self, ne0: u64, rows: u64) -> Result<Option<u64>> {
        let foreign = match self {
            TypeId::Known(ty) => return ty.tensor_bytes(ne0, rows).map(Some),
            TypeId::Foreign(foreign) => foreign,
        };
        let Some(block) = foreign.block else { return Ok(None) };
        Ok(Some(bytes_of_rows(foreign.name, block, ne0, rows)?))
    }
}

/// Bytes of `rows` rows of `row` weights in blocks of so many weights and bytes.
pub(super) fn bytes_of_rows(
    ty: &'static str,
    (len, bytes): (u64, u64),
    row: u64,
    rows: u64,
) -> std::result::Result<u64, Problem> {
    if !row.is_multiple_of(len) {
        return Err(Problem::RowLength { ty, weights: row, block: len });
    }
    let product = (row / len).checked_mul(bytes).and_then(|bytes| bytes.checked_mul(rows));
    product.ok_or(Problem::TooLong { ty, row, rows })
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
        for ty in SHARED {
            assert_eq!(TypeId::from_id(ty.id()).unwrap().block(), None, "{ty}");
        }
    }

    #[test]
    fn placed_tells_kinds_of_one_number_apart_by_their_length() {
        let undecided = TypeId::from_id(42).unwrap();
        let placed = |row, rows, room| undecided.placed(row, rows, room, 32).collect::<Vec<_>>();
        // 4,096 weights: 64 blocks of 18 bytes or 32 of 34.
        assert_eq!(placed(1024, 4, 1152), [TensorType::Q2_0]);
        assert_eq!(placed(1024, 4, 1088), [TensorType::Q2_0_128]);
        // 576 of them: with padding and, at the end of a file, without.
        assert_eq!(
            (placed(192, 3, 162), placed(192, 3, 192)),
            (vec![TensorType::Q2_0], vec![TensorType::Q2_0])
        );
        // 128 weights take 36 or 34 of 64 bytes.
        assert_eq!(placed(128, 1, 64), SHARED);
        for (row, rows, room) in
            [(1024, 4, 1120), (1024, 4, 0), (100, 1, 32), (u64::MAX - 63, u64::MAX, u64::MAX)]
        {
            assert_eq!(placed(row, rows, room), [], "{row} x {rows} in {room}");
        }
        for ty in [0, 142, 36, 143, 2].map(|id| TypeId::from_id(id).unwrap()) {
            assert_eq!(ty.placed(1024, 4, 1152, 32).count(), 0);
        }
    }

    #[test]
    fn tensor_bytes_of_others_are_whole_blocks_that_can_be_counted() {
        let foreign = |id| TypeId::from_id(id).unwrap();
        assert_eq!(foreign(6).tensor_bytes(64, 3).unwrap(), Some(2 * 22 * 3));
        assert_eq!(foreign(42).tensor_bytes(64, 3).unwrap(), None);
        assert!(foreign(6).tensor_bytes(33, 1).is_err());
        assert!(foreign(28).tensor_bytes(1 << 61, 1).is_err());
    }
}
