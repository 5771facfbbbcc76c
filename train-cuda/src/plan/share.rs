//! A card's share of a batch that several cards work on together: some of its sequences, one after the other.

use std::ops::Range;

/// See the top of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which of the cards this is, counted from 0.
    pub rank: usize,
    /// How many there are.
    pub cards: usize,
}

impl Share {
    /// All of it, on one card.
    pub const WHOLE: Share = Share { rank: 0, cards: 1 };

    /// Whether there are others.
    pub fn is_part(self) -> bool {
        self.cards > 1
    }

    /// The sequences of it; no two cards differ by more than one.
    pub fn of(self, sequences: usize) -> Range<usize> {
        sequences * self.rank / self.cards..sequences * (self.rank + 1) / self.cards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_all_of_a_batch_and_nearly_alike() {
        for cards in 1..=9 {
            for sequences in cards..40 {
                let shares: Vec<Range<usize>> =
                    (0..cards).map(|rank| Share { rank, cards }.of(sequences)).collect();
                assert_eq!((shares[0].start, shares[cards - 1].end), (0, sequences));
                assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
                let sizes = || shares.iter().map(Range::len);
                assert!(sizes().min() >= Some(1) && sizes().max().unwrap() - sizes().min().unwrap() <= 1);
            }
        }
    }
}
