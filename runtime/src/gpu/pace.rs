//! How many tokens of a prompt a submission takes, by how long those before took. What a submission does is the session's affair.

use std::time::Duration;

/// A submission that takes longer is too long: systems reset a device that does not answer for two seconds, and
/// a screen may wait behind it.
const SUBMISSION_MAX: Duration = Duration::from_millis(50);
/// Tokens of the first submission: a tile of the product, which costs as much with fewer.
const FIRST: usize = shaders::GEMM_TOKENS as usize;

/// Tokens of the next submission, within limits.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    chunk: usize,
    least: usize,
    most: usize,
}

impl Pace {
    /// At most so many tokens, on a device that may be software.
    pub fn new(most: usize, software: bool) -> Self {
        let chunk = FIRST.min(most);
        // A GPU that is too slow for a tile gets down to single tokens. Behind software no watchdog and no screen waits, so less than
        // a tile would only be slower; and how fast its machine happens to be does not choose between pipelines.
        Pace { chunk, least: if software { chunk } else { 1 }, most }
    }

    /// Most tokens that the next submission may have.
    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// Takes note of a submission: half of it next time if it took long, twice as much if it was full and did not.
    pub fn note(&mut self, tokens: usize, took: Duration) {
        if took > SUBMISSION_MAX && tokens > 1 {
            self.chunk = (tokens / 2).max(self.least);
        } else if took < SUBMISSION_MAX / 3 && tokens == self.chunk {
            self.chunk = (2 * self.chunk).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chunks of a long prompt where a token takes so many milliseconds.
    fn chunks(mut pace: Pace, ms: u64) -> [usize; 7] {
        std::array::from_fn(|_| {
            let chunk = pace.chunk();
            pace.note(chunk, Duration::from_millis(ms * chunk as u64));
            chunk
        })
    }

    #[test]
    fn pace_doubles_and_halves_within_its_limits() {
        let (gpu, software) = (Pace::new(128, false), Pace::new(128, true));
        assert_eq!(chunks(gpu, 0), [16, 32, 64, 128, 128, 128, 128]);
        assert_eq!(chunks(gpu, 1), [16, 32, 32, 32, 32, 32, 32]);
        assert_eq!(chunks(gpu, 9), [16, 8, 4, 4, 4, 4, 4]);
        assert_eq!(chunks(gpu, 60), [16, 8, 4, 2, 1, 1, 1]);
        assert_eq!(chunks(software, 60), [16; 7]);
        assert_eq!(chunks(Pace::new(5, false), 60), [5, 2, 1, 1, 1, 1, 1]);
        assert_eq!(chunks(Pace::new(5, true), 60), [5; 7]);
        assert_eq!(chunks(Pace::new(1, true), 0), [1; 7]);
    }

    #[test]
    fn pace_learns_from_short_prompts_and_forgives() {
        let mut pace = Pace::new(128, false);
        // Six of sixteen took too long: sixteen would too.
        pace.note(6, Duration::from_millis(51));
        assert_eq!(pace.chunk(), 3);
        // A token cannot be halved, and its time says nothing of three.
        pace.note(1, Duration::from_millis(70));
        pace.note(1, Duration::from_millis(1));
        assert_eq!(pace.chunk(), 3);
        pace.note(3, Duration::from_millis(1));
        assert_eq!(pace.chunk(), 6);
    }
}
