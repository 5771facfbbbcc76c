//! The distinct pieces of a text, end to end in one array, as the symbols they are made of so far: what stands before and after a
//! symbol is found in one step, and merging two changes four slots. Which pairs to merge is not known here.

/// In a slot: a symbol of several bytes ends here, and the rest of the slot is its id.
const LAST: u32 = 1 << 31;
/// No end of a symbol: inside of one, or before, between and after the pieces.
const NONE: u32 = u32::MAX;

/// A slot for each byte and one between two pieces, four bytes each.
///
/// ```text
/// pieces "the", "at" with "th" = 256 merged:   NONE [256] [LAST|256] [e] NONE [a] [t] NONE
/// ```
///
/// A symbol's length in bytes follows from its id, so the first slot leads to the next symbol and the last slot to its own first.
pub struct Symbols {
    slots: Vec<u32>,
    lens: Vec<u32>, // by id, in bytes
    pieces: Vec<Piece>,
}

/// Where a piece begins and how often the text has it.
struct Piece {
    start: u32,
    count: u64,
}

impl Symbols {
    /// No pieces yet, and symbols of one byte alone.
    pub fn new() -> Symbols {
        Symbols { slots: vec![NONE], lens: vec![1; 256], pieces: Vec::new() }
    }

    /// Slots so far.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Adds a piece that is not empty, as the ids of its bytes.
    ///
    /// # Panics
    /// All pieces together have 4 GiB or more.
    pub fn push(&mut self, ids: impl Iterator<Item = u32>, count: u64) {
        let start = u32::try_from(self.slots.len()).expect("fewer than 4 GiB of pieces");
        self.pieces.push(Piece { start, count });
        self.slots.extend(ids);
        self.slots.push(NONE);
    }

    /// The symbol that begins in a slot, if one does.
    pub fn begins_at(&self, at: u32) -> Option<u32> {
        let slot = self.slots[at as usize];
        (slot & LAST == 0).then_some(slot)
    }

    /// Where the symbol after `id` at `at` begins, and its id; none at the end of a piece.
    pub fn after(&self, at: u32, id: u32) -> Option<(u32, u32)> {
        let next = at + self.lens[id as usize];
        self.begins_at(next).map(|id| (next, id))
    }

    /// Where the symbol before the one at `at` begins, and its id; none at the start of a piece.
    pub fn before(&self, at: u32) -> Option<(u32, u32)> {
        match self.slots[at as usize - 1] {
            NONE => None,
            slot => {
                let id = slot & !LAST;
                Some((at - self.lens[id as usize], id))
            }
        }
    }

    /// How often the text has the piece that a slot belongs to.
    pub fn count(&self, at: u32) -> u64 {
        let after = self.pieces.partition_point(|piece| piece.start <= at);
        self.pieces[after - 1].count
    }

    /// The next id, which two others make.
    pub fn make(&mut self, left: u32, right: u32) -> u32 {
        self.lens.push(self.lens[left as usize] + self.lens[right as usize]);
        self.lens.len() as u32 - 1
    }

    /// The symbols at `left` and `right`, neighbours, become one.
    pub fn merge(&mut self, left: u32, right: u32, merged: u32) {
        let (left, right) = (left as usize, right as usize);
        self.slots[right - 1] = NONE;
        self.slots[right] = NONE;
        self.slots[left] = merged;
        self.slots[left + self.lens[merged as usize] as usize - 1] = LAST | merged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_lead_to_their_neighbours() {
        let mut s = Symbols::new();
        s.push([1, 2, 3, 4].into_iter(), 7);
        s.push([5].into_iter(), 9);
        let two = s.make(2, 3);
        s.merge(2, 3, two);
        assert_eq!((s.after(1, 1), s.after(2, two), s.after(4, 4)), (Some((2, two)), Some((4, 4)), None));
        assert_eq!((s.before(4), s.before(2), s.before(1)), (Some((2, two)), Some((1, 1)), None));
        assert_eq!(s.begins_at(3), None);
        let three = s.make(1, two);
        s.merge(1, 2, three);
        let all = s.make(three, 4);
        s.merge(1, 4, all);
        assert_eq!((1..=4).filter_map(|at| s.begins_at(at)).collect::<Vec<_>>(), [all]);
        assert_eq!((s.after(1, all), s.before(6), s.after(6, 5)), (None, None, None));
        assert_eq!((s.count(4), s.count(6)), (7, 9));
    }
}
