//! Whoever watches a run: told of each cell before it is measured, and of each row as soon as it is known.

use crate::cell::Cell;
use crate::row::Row;

/// See the top of this file. Anything that takes a [`Row`] will do.
pub trait Watch {
    /// This one is measured now.
    fn next(&mut self, cell: Cell);
    /// This is known now.
    fn row(&mut self, row: Row);
}

impl<F: FnMut(Row)> Watch for F {
    fn next(&mut self, _: Cell) {}

    fn row(&mut self, row: Row) {
        self(row);
    }
}
