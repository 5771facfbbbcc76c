//! Byte-pair merging inside one piece: the lowest-ranked neighbouring pair first, the leftmost of
//! equals. Cutting text into pieces is `split`'s business.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// The merges, looked up by pair.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// The standard keyed hasher: merges are hostile input.
    ranks: HashMap<(u32, u32), u32>,
    /// What each rank makes.
    merged: Vec<u32>,
}

/// From this many ids on, a heap beats looking through them all.
const HEAP_FROM: usize = 48;

/// No such pair; ranks are below this.
const NONE: u32 = u32::MAX;

impl Pairs {
    /// Room for `n` merges.
    pub fn with_capacity(n: usize) -> Pairs {
        Pairs { ranks: HashMap::with_capacity(n), merged: Vec::with_capacity(n) }
    }

    /// Adds the merge of the next rank. Of equal pairs the first one counts.
    pub fn push(&mut self, left: u32, right: u32, merged: u32) {
        self.ranks.entry((left, right)).or_insert(self.merged.len() as u32);
        self.merged.push(merged);
    }

    /// What each merge makes, by rank.
    pub fn merged(&self) -> &[u32] {
        &self.merged
    }

    fn rank(&self, left: u32, right: u32) -> u32 {
        self.ranks.get(&(left, right)).copied().unwrap_or(NONE)
    }

    /// Merges `ids` in place until no two neighbours have a rank. `look` is called every few milliseconds, and its error ends this
    /// with `ids` half merged.
    pub fn merge_all<E>(&self, ids: &mut Vec<u32>, look: &mut dyn FnMut() -> Result<(), E>) -> Result<(), E> {
        if ids.len() < HEAP_FROM {
            self.merge_few(ids);
            Ok(())
        } else {
            self.merge_many(ids, look)
        }
    }

    /// Quadratic, and fastest for words.
    fn merge_few(&self, ids: &mut Vec<u32>) {
        let mut ranks = [NONE; HEAP_FROM];
        for i in 1..ids.len() {
            ranks[i - 1] = self.rank(ids[i - 1], ids[i]);
        }
        while ids.len() > 1 {
            let n = ids.len() - 1;
            let mut best = 0;
            for i in 1..n {
                if ranks[i] < ranks[best] {
                    best = i;
                }
            }
            if ranks[best] == NONE {
                return;
            }
            let merged = self.merged[ranks[best] as usize];
            ids[best] = merged;
            ids.remove(best + 1);
            ranks.copy_within(best + 1..n, best);
            if best > 0 {
                ranks[best - 1] = self.rank(ids[best - 1], merged);
            }
            if best + 1 < ids.len() {
                ranks[best] = self.rank(merged, ids[best + 1]);
            }
        }
    }

    /// `n log n`: a megabyte of one letter is one piece.
    fn merge_many<E>(&self, ids: &mut Vec<u32>, look: &mut dyn FnMut() -> Result<(), E>) -> Result<(), E> {
        // Merges between two looks.
        const LOOK: usize = 1 << 14;
        const GONE: u32 = u32::MAX;
        let n = ids.len();
        assert!(n < u32::MAX as usize, "a piece has fewer than 2^32 bytes");
        let mut prev: Vec<u32> = (0..n as u32).map(|i| i.wrapping_sub(1)).collect();
        let mut next: Vec<u32> = (1..=n as u32).collect();
        let mut heap = BinaryHeap::new();
        let offer = |heap: &mut BinaryHeap<_>, left: u32, right: u32, at: u32| {
            let rank = self.rank(left, right);
            if rank != NONE {
                heap.push(Reverse((rank, at)));
            }
        };
        for i in 1..n {
            offer(&mut heap, ids[i - 1], ids[i], i as u32 - 1);
        }
        let mut tried: usize = 0;
        while let Some(Reverse((rank, at))) = heap.pop() {
            tried += 1;
            if tried.is_multiple_of(LOOK) {
                look()?;
            }
            let l = at as usize;
            let r = next[l] as usize;
            // The pair that was here when this entry was made may have been merged away.
            if ids[l] == GONE || r >= n || self.rank(ids[l], ids[r]) != rank {
                continue;
            }
            let merged = self.merged[rank as usize];
            ids[l] = merged;
            ids[r] = GONE;
            let after = next[r];
            next[l] = after;
            if (after as usize) < n {
                prev[after as usize] = at;
                offer(&mut heap, merged, ids[after as usize], at);
            }
            let before = prev[l];
            if (before as usize) < n {
                offer(&mut heap, ids[before as usize], merged, before);
            }
        }
        ids.retain(|&id| id != GONE);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn unwatched() -> Result<(), Infallible> {
        Ok(())
    }

    /// Ids 0..4 are letters. The last two merges rank below merges that need what they make.
    fn pairs() -> Pairs {
        let mut pairs = Pairs::default();
        for (l, r, m) in
            [(0, 0, 4), (4, 4, 5), (1, 2, 6), (0, 6, 7), (5, 5, 8), (3, 9, 10), (7, 1, 11), (0, 3, 9)]
        {
            pairs.push(l, r, m);
        }
        pairs
    }

    #[test]
    fn merge_prefers_low_rank_then_left() {
        let mut ids = vec![0, 0, 0, 1, 2, 1];
        let Ok(()) = pairs().merge_all(&mut ids, &mut unwatched);
        assert_eq!(ids, [4, 11]);
    }

    #[test]
    fn merge_few_and_many_agree() {
        let pairs = pairs();
        let mut x = 7u64;
        for n in 0..HEAP_FROM {
            for _ in 0..50 {
                let ids: Vec<u32> = (0..n)
                    .map(|_| {
                        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        (x >> 33) as u32 % 4
                    })
                    .collect();
                let (mut few, mut many) = (ids.clone(), ids.clone());
                pairs.merge_few(&mut few);
                let Ok(()) = pairs.merge_many(&mut many, &mut unwatched);
                assert_eq!(few, many, "from {ids:?}");
            }
        }
    }

    #[test]
    fn merge_long_runs_are_not_quadratic() {
        // A million letters: the quadratic way would take hours.
        let mut ids = vec![0; 1 << 20];
        let Ok(()) = pairs().merge_all(&mut ids, &mut unwatched);
        assert_eq!(ids, vec![8; 1 << 17]);
        assert_eq!(pairs().merge_all(&mut vec![0; 1 << 20], &mut || Err("enough")), Err("enough"));
    }
}
