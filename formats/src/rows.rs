//! A ternary matrix as its file means it: rows of codes, and the scales of each row. What a processor or a graphics card makes of them is
//! theirs to say, and where the rows come from is the business of whoever has them.

use std::ops::Range;

use half::f16;

/// A ternary matrix, rows x cols. The weight of row `r` and column `c` is `factor * scale[r, c / group] * code[r, c]`.
///
/// Two bits a weight have a fourth code, and there are files that use it: in groups of 64, and in no others, a code may be 2.
///
/// Threads unpack rows side by side.
pub trait TernaryRows: Sync {
    /// Why rows cannot be had.
    type Error: Send;

    /// Rows: outputs of a product.
    fn rows(&self) -> usize;

    /// Columns: inputs of a product.
    fn cols(&self) -> usize;

    /// Columns that share a scale: they divide [`cols`](Self::cols), and are all of them where a row has one scale.
    fn group(&self) -> usize;

    /// What the whole matrix is multiplied by; a product with it is, last of all. `None` multiplies by nothing, not by one.
    fn factor(&self) -> Option<f32>;

    /// Writes the codes (rows.len() x cols, each -1, 0, 1, or in groups of 64 also 2) and the scales (rows.len() x cols / group, finite) of some rows.
    ///
    /// # Errors
    /// Values that are no ternary weights.
    ///
    /// # Panics
    /// If the rows are not there, or `codes` and `scales` are of other lengths.
    fn unpack(&self, rows: Range<usize>, codes: &mut [i8], scales: &mut [f16]) -> Result<(), Self::Error>;
}
