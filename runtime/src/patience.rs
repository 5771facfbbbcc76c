//! How many tokens of prompts a pass reads while others wait in it for their next token: as many as do not keep them waiting long, by how
//! long the passes before took.

use std::time::Duration;

/// A pass that takes longer is felt by those who write.
const PASS_MAX: Duration = Duration::from_millis(100);
/// Tokens of the first such pass.
const FIRST: usize = 32;
/// No fewer, however long they take: so many share what is read of the weights, and fewer would take hardly less.
const LEAST: usize = 16;

/// The patience of those who write.
#[derive(Clone, Copy, Debug)]
pub struct Patience(usize);

impl Patience {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Patience(FIRST)
    }

    /// Most tokens that the next pass may read for others.
    pub fn tokens(self) -> usize {
        self.0
    }

    /// Takes note of a pass that read so many tokens for others: half of them next time if it took long, twice as many if they were all
    /// that might be, and it did not; never more than `most`.
    pub fn note(&mut self, read: usize, took: Duration, most: usize) {
        if took > PASS_MAX {
            self.0 = (read / 2).max(LEAST);
        } else if took < PASS_MAX / 3 && read >= self.0 {
            self.0 = (2 * self.0).min(most.max(LEAST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_doubles_and_halves_within_its_limits() {
        // Tokens of six passes, where a token takes so many tenths of a millisecond.
        let passes = |tenths: u64| -> [usize; 6] {
            let mut patience = Patience::new();
            std::array::from_fn(|_| {
                let tokens = patience.tokens();
                patience.note(tokens, Duration::from_micros(100 * tenths * tokens as u64), 256);
                tokens
            })
        };
        assert_eq!(passes(1), [32, 64, 128, 256, 256, 256]);
        assert_eq!(passes(5), [32, 64, 128, 128, 128, 128]);
        assert_eq!(passes(50), [32, 16, 16, 16, 16, 16]);
        // A prompt's short end says nothing of more.
        let mut patience = Patience::new();
        patience.note(5, Duration::from_millis(1), 256);
        assert_eq!(patience.tokens(), 32);
    }
}
