//! Pairs of neighbouring symbols: how often each occurs, where it may stand, and which one occurs most. What a merge does to the
//! text is not known here.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};

/// Two ids.
pub type Pair = (u32, u32);

/// A pair that occurs once teaches nothing.
pub const COUNT_MIN: u64 = 2;

/// See the top of this file.
#[derive(Default)]
pub struct Pairs {
    of: HashMap<Pair, Places>,
    /// Counts here may be too high by now; the one on top is looked up again before it is believed.
    heap: BinaryHeap<(u64, Reverse<Pair>)>,
    fresh: Vec<Pair>, // not in the heap yet
}

#[derive(Default)]
struct Places {
    count: u64,
    /// Left ends, ascending. The pair has been at each, and need not be there any more.
    at: Vec<u32>,
}

impl Pairs {
    /// The pair stands at `at`, where the text repeats it `count` times.
    pub fn add(&mut self, pair: Pair, at: u32, count: u64) {
        let places = match self.of.entry(pair) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.fresh.push(pair);
                entry.insert(Places::default())
            }
        };
        places.count += count;
        places.at.push(at);
    }

    /// It stands in one place less. Nothing to do for pairs that were taken or given up.
    pub fn subtract(&mut self, pair: Pair, count: u64) {
        if let Entry::Occupied(mut entry) = self.of.entry(pair) {
            entry.get_mut().count -= count;
            if entry.get().count == 0 {
                entry.remove();
            }
        }
    }

    /// All pairs that contain the newest symbol were added: from now on they can only become fewer, so rare ones are given up.
    pub fn settle(&mut self) {
        for pair in std::mem::take(&mut self.fresh) {
            match self.count(pair) {
                ..COUNT_MIN => drop(self.of.remove(&pair)),
                count => self.heap.push((count, Reverse(pair))),
            }
        }
    }

    /// Takes out the most frequent pair, of equals the one with the smaller ids, and the places where it may stand. None when no
    /// pair occurs [`COUNT_MIN`] times.
    pub fn take(&mut self) -> Option<(Pair, Vec<u32>)> {
        while let Some((count, Reverse(pair))) = self.heap.pop() {
            match self.count(pair) {
                now if now == count => return self.of.remove(&pair).map(|places| (pair, places.at)),
                ..COUNT_MIN => drop(self.of.remove(&pair)),
                now => self.heap.push((now, Reverse(pair))),
            }
        }
        None
    }

    fn count(&self, pair: Pair) -> u64 {
        self.of.get(&pair).map_or(0, |places| places.count)
    }
}
