//! What can be wrong with packed weights, or with weights that are to be packed.

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
    /// A tensor too long for any file.
    #[error("{rows} rows of {row} {ty} weights have more bytes than a file can")]
    TooLong {
        /// The tensor type.
        ty: &'static str,
        /// Weights in a row.
        row: u64,
        /// How many rows.
        rows: u64,
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
    /// The fourth 2-bit code, where it stands for no ternary weight.
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
    /// The scale of a whole tensor is none.
    #[error("the scale of all its {ty} weights is {found}, which is not finite")]
    Factor {
        /// The tensor type.
        ty: &'static str,
        /// The scale.
        found: f32,
    },
    /// Groups of weights that one block cannot hold without changing them.
    #[error(
        "{ty} block {block} would need one scale for weights scaled {first} and {second}; quantise again, or keep a type with a scale for fewer weights"
    )]
    ScalesDiffer {
        /// The tensor type.
        ty: &'static str,
        /// Which block of the tensor, from 0.
        block: usize,
        /// Scale of the first weights in it that are not 0.
        first: f32,
        /// The first other one.
        second: f32,
    },
    /// A weight of twice the scale in a type that has no code for it.
    #[error("{ty} block {block} would need the weight +2, for which only Q2_0 has a code; write Q2_0 or F16")]
    Two {
        /// The tensor type.
        ty: &'static str,
        /// Which block of the tensor, from 0.
        block: usize,
    },
    /// A type that is read, but not made.
    #[error("{ty} is read, but not written; {cure}")]
    NotWritten {
        /// The tensor type.
        ty: &'static str,
        /// What to write in its place.
        cure: &'static str,
    },
}

impl Problem {
    /// The same problem, where `blocks` blocks come before the part that was looked at.
    fn after_blocks(mut self, blocks: usize) -> Problem {
        match &mut self {
            Problem::Code { block, .. }
            | Problem::Scale { block, .. }
            | Problem::ScalesDiffer { block, .. }
            | Problem::Two { block, .. } => *block += blocks,
            Problem::RowLength { .. }
            | Problem::TooLong { .. }
            | Problem::Bytes { .. }
            | Problem::Factor { .. }
            | Problem::NotWritten { .. } => {}
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
