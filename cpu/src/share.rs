//! The tasks of one job that are one thread's to begin with, and that any thread may claim, each once. Who runs them and
//! where they come from is the pool's business.

use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// Most tasks of a job.
pub const TASKS_MAX: usize = u16::MAX as usize;

/// One word, so that a claim is one exchange that fails once the job is another:
///
/// ```text
/// | job, 32 bits | next task, 16 bits | end, 16 bits |
/// ```
///
/// A thread that looks, sleeps through 2^32 jobs (half a day of decoding) and finds the very same word would claim wrongly: we
/// live with that.
#[derive(Debug, Default)]
pub struct Share(AtomicU64);

impl Share {
    /// Number of the job it was last opened for; 0 before the first.
    pub fn job(&self) -> u32 {
        (self.0.load(Acquire) >> 32) as u32
    }

    /// Holds `tasks` of a job from now on. Nothing may be left of the job before.
    pub fn open(&self, job: u32, tasks: Range<usize>) {
        debug_assert!(tasks.end <= TASKS_MAX);
        self.0.store(u64::from(job) << 32 | (tasks.start as u64) << 16 | tasks.end as u64, Release);
    }

    /// The next task, now the caller's alone to run, and the job's to wait for.
    pub fn claim(&self) -> Option<usize> {
        let mut word = self.0.load(Acquire);
        loop {
            let (next, end) = (word >> 16 & 0xffff, word & 0xffff);
            if next == end {
                return None;
            }
            match self.0.compare_exchange_weak(word, word + (1 << 16), AcqRel, Acquire) {
                Ok(_) => return Some(next as usize),
                Err(now) => word = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_gives_every_task_once_and_then_none() {
        let share = Share::default();
        assert_eq!((share.job(), share.claim()), (0, None));
        for (job, tasks) in [(1, 3..5), (2, 0..0), (u32::MAX, TASKS_MAX - 2..TASKS_MAX), (0, 0..1)] {
            share.open(job, tasks.clone());
            assert_eq!(share.job(), job);
            assert_eq!(std::iter::from_fn(|| share.claim()).collect::<Vec<_>>(), tasks.collect::<Vec<_>>());
            assert_eq!((share.job(), share.claim()), (job, None));
        }
    }

    #[test]
    fn share_is_never_given_twice_to_threads_that_compete() {
        let share = Share::default();
        share.open(1, 0..10_000);
        let claim = || std::iter::from_fn(|| share.claim()).collect::<Vec<_>>();
        let mut all = std::thread::scope(|s| {
            let others = [0; 3].map(|_| s.spawn(claim));
            let mut all = claim();
            others.into_iter().for_each(|t| all.extend(t.join().unwrap()));
            all
        });
        all.sort_unstable();
        assert!(all.into_iter().eq(0..10_000));
    }
}
