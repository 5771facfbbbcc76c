//! Byte-pair merging inside one piece: the lowest-ranked neighbouring pair first, the leftmost of
//! equals. Cutting text into pieces is `split`'s business.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// `(left, right)` to `(rank, merged)`. The standard keyed hasher: merges are hostile input.
pub type Pairs = HashMap<(u32, u32), (u32, u32)>;

/// From this many ids on, a heap beats looking through them all.
const HEAP_FROM: usize = 48;

/// No such pair; ranks are below the number of merges, which fits a u32.
const NONE: u32 = u32::MAX;

/// Merges `ids` in place until no pair of neighbours has a rank.
pub fn merge_all(ids: &mut Vec<u32>, pairs: &Pairs) {
    if ids.len() < HEAP_FROM { merge_few(ids, pairs) } else { merge_many(ids, pairs) }
}

/// Quadratic, and fastest for words.
fn merge_few(ids: &mut Vec<u32>, pairs: &Pairs) {
    let look = |l: u32, r: u32| pairs.get(&(l, r)).copied().unwrap_or((NONE, 0));
    let mut found: [(u32, u32); HEAP_FROM] = [(NONE, 0); HEAP_FROM];
    for i in 1..ids.len() {
        found[i - 1] = look(ids[i - 1], ids[i]);
    }
    while ids.len() > 1 {
        let n = ids.len() - 1;
        let mut best = 0;
        for i in 1..n {
            if found[i].0 < found[best].0 {
                best = i;
            }
        }
        let (rank, merged) = found[best];
        if rank == NONE {
            return;
        }
        ids[best] = merged;
        ids.remove(best + 1);
        found.copy_within(best + 1..n, best);
        if best > 0 {
            found[best - 1] = look(ids[best - 1], merged);
        }
        if best + 1 < ids.len() {
            found[best] = look(merged, ids[best + 1]);
        }
    }
}

/// `n log n`: a megabyte of one letter is one piece.
fn merge_many(ids: &mut Vec<u32>, pairs: &Pairs) {
    const GONE: u32 = u32::MAX;
    let n = ids.len();
    assert!(n < u32::MAX as usize, "a piece has fewer than 2^32 bytes");
    let mut prev: Vec<u32> = (0..n as u32).map(|i| i.wrapping_sub(1)).collect();
    let mut next: Vec<u32> = (1..=n as u32).collect();
    let mut heap = BinaryHeap::new();
    for i in 1..n {
        if let Some(&(rank, _)) = pairs.get(&(ids[i - 1], ids[i])) {
            heap.push(Reverse((rank, i as u32 - 1)));
        }
    }
    while let Some(Reverse((rank, at))) = heap.pop() {
        let l = at as usize;
        let r = next[l] as usize;
        if ids[l] == GONE || r >= n {
            continue;
        }
        // The pair that was here when this entry was made may have been merged away.
        let Some(&(rank_now, merged)) = pairs.get(&(ids[l], ids[r])) else { continue };
        if rank_now != rank {
            continue;
        }
        ids[l] = merged;
        ids[r] = GONE;
        let after = next[r];
        next[l] = after;
        if (after as usize) < n {
            prev[after as usize] = at;
            if let Some(&(rank, _)) = pairs.get(&(merged, ids[after as usize])) {
                heap.push(Reverse((rank, at)));
            }
        }
        let before = prev[l] as usize;
        if before < n
            && let Some(&(rank, _)) = pairs.get(&(ids[before], merged))
        {
            heap.push(Reverse((rank, before as u32)));
        }
    }
    ids.retain(|&id| id != GONE);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids 0..4 are letters; merges make longer ones, including a late merge of low rank's product.
    fn pairs() -> Pairs {
        let list = [(0, 0, 4), (4, 4, 5), (1, 2, 6), (0, 6, 7), (5, 5, 8), (3, 0, 9), (7, 1, 10)];
        list.iter().enumerate().map(|(rank, &(l, r, m))| ((l, r), (rank as u32, m))).collect()
    }

    #[test]
    fn merge_prefers_low_rank_then_left() {
        let mut ids = vec![0, 0, 0, 1, 2, 1];
        merge_all(&mut ids, &pairs());
        assert_eq!(ids, [4, 10]);
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
                merge_few(&mut few, &pairs);
                merge_many(&mut many, &pairs);
                assert_eq!(few, many, "from {ids:?}");
            }
        }
    }

    #[test]
    fn merge_long_runs_are_not_quadratic() {
        // 2^20 letters: the quadratic way would take hours.
        let mut ids = vec![0; 1 << 20];
        merge_all(&mut ids, &pairs());
        assert_eq!(ids, vec![8; 1 << 17]);
    }
}
