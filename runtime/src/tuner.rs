//! Whether a single token is served faster by one thread or by all: measured, not guessed. With idle cores all threads win; beside
//! a training run or a busy browser, waiting for a thread that the system has put to sleep costs ten times what it saves. Either
//! way computes the same bits, so trying costs time alone.

use std::time::Duration;

/// Tokens of the other way in each trial; the faster counts, for the first one wakes threads.
const TRIAL: usize = 2;
/// Tokens between trials at first, and at most.
const WAIT_MIN: usize = 64;
const WAIT_MAX: usize = 4096;

/// The two ways and what they took.
#[derive(Debug)]
pub struct Tuner {
    /// Seconds per token: alone, together. Infinite until tried.
    seconds: [f64; 2],
    /// Index of the faster.
    best: usize,
    /// What a trial is trying and how many of its tokens are left.
    trial: Option<(usize, usize)>,
    /// Tokens until the next trial.
    wait: usize,
}

impl Tuner {
    /// Starts by trying both.
    pub fn new() -> Self {
        Tuner { seconds: [f64::INFINITY; 2], best: 0, trial: Some((0, TRIAL)), wait: 0 }
    }

    /// Whether the next token should use all threads.
    pub fn together(&self) -> bool {
        self.trial.map_or(self.best, |(way, _)| way) == 1
    }

    /// Takes note of how long that token took.
    pub fn took(&mut self, time: Duration) {
        let time = time.as_secs_f64();
        match self.trial {
            Some((way, left)) => {
                let first = left == TRIAL;
                self.seconds[way] = if first { time } else { self.seconds[way].min(time) };
                self.trial = (left > 1).then_some((way, left - 1));
                if self.trial.is_none() {
                    self.decide();
                }
            }
            None => {
                // A drifting mean: texts grow, and other programs come and go.
                self.seconds[self.best] += (time - self.seconds[self.best]) / 8.0;
                self.wait -= 1;
                if self.wait == 0 {
                    self.trial = Some((1 - self.best, TRIAL));
                }
            }
        }
    }

    fn decide(&mut self) {
        if self.seconds[1].is_infinite() {
            self.trial = Some((1, TRIAL));
            return;
        }
        self.best = usize::from(self.seconds[1] < self.seconds[0]);
        // The worse the other way was, the longer it can wait: trials stay a few per cent of the time.
        let ratio = self.seconds[1 - self.best] / self.seconds[self.best].max(1e-9);
        self.wait = ((WAIT_MIN as f64 * ratio) as usize).clamp(WAIT_MIN, WAIT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves `n` tokens where the two ways take these microseconds; returns how many went together.
    fn serve(tuner: &mut Tuner, n: usize, alone: u64, together: u64) -> usize {
        let mut count = 0;
        for _ in 0..n {
            let all = tuner.together();
            count += usize::from(all);
            tuner.took(Duration::from_micros(if all { together } else { alone }));
        }
        count
    }

    #[test]
    fn tuner_settles_on_the_faster_way() {
        assert!(serve(&mut Tuner::new(), 1000, 100, 60) > 950);
        // A bad way is tried ever less.
        assert!(serve(&mut Tuner::new(), 1000, 100, 1000) < 8);
        assert!(serve(&mut Tuner::new(), 4, 100, 1000) == TRIAL);
    }

    #[test]
    fn tuner_follows_when_the_machine_changes() {
        let mut tuner = Tuner::new();
        serve(&mut tuner, 500, 100, 60);
        assert!(tuner.together());
        serve(&mut tuner, 500, 100, 900);
        assert!(!tuner.together());
        serve(&mut tuner, 10_000, 100, 60);
        assert!(tuner.together());
    }
}
