//! Room for the buffers of a pass that keeps nothing: buffers that are never alive together share it. A trainer, which needs what
//! it computed once more on its way back, gives each buffer room of its own instead.

use super::{Forward, Rows};

/// Which buffers share room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The slot of each buffer of [`Forward::rows`].
    of: Vec<usize>,
    /// Values a token of each slot.
    widths: Vec<usize>,
}

impl Slots {
    /// Shares room among the buffers of `forward`, those of one width alone: each is as small as it can be then.
    pub fn new(forward: &Forward) -> Slots {
        let mut last_use = vec![0; forward.rows.len()];
        for (i, op) in forward.ops.iter().enumerate() {
            let (reads, writes) = op.operands();
            reads.into_iter().chain(writes).for_each(|rows| last_use[rows.0] = i);
        }
        let mut slots = Slots { of: vec![usize::MAX; forward.rows.len()], widths: Vec::new() };
        let mut free: Vec<usize> = Vec::new();
        for (i, op) in forward.ops.iter().enumerate() {
            let (mut used, writes) = op.operands();
            if let Some(rows) = writes.filter(|rows| slots.of[rows.0] == usize::MAX) {
                let width = forward.width(rows);
                let fits = free.iter().position(|&slot| slots.widths[slot] == width);
                slots.of[rows.0] = fits.map(|at| free.swap_remove(at)).unwrap_or_else(|| {
                    slots.widths.push(width);
                    slots.widths.len() - 1
                });
            }
            used.extend(writes);
            used.dedup();
            // Only after the op: what it writes must not lie where it reads.
            free.extend(used.iter().filter(|rows| last_use[rows.0] == i).map(|rows| slots.of[rows.0]));
        }
        slots
    }

    /// Where a buffer lies.
    pub fn of(&self, rows: Rows) -> usize {
        self.of[rows.0]
    }

    /// Values a token of each slot.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }
}
