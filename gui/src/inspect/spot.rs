//! The weight, or the square of weights, that the pointer is on: what the marks frame and the detail tells.

use super::pyramid::Cell;

/// See the top of this file.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// The weight's column and row.
    pub at: [u64; 2],
    /// How many weights wide and high the cell is.
    pub side: u64,
    /// What is known of it; `None` while its tile is on its way.
    pub cell: Option<Cell>,
    /// The scale of its group, if the tensor is ternary.
    pub scale: Option<f32>,
}
