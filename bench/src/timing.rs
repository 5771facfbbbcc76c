//! Timing one call by many repetitions. What the call does is the caller's business.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A repetition makes as many calls as fill this, so that reading the clock costs nothing beside it.
const REPETITION: Duration = Duration::from_micros(200);

/// This crate's own tests look at rows, not at figures, and need not wait for good ones.
const SHORT: u64 = if cfg!(test) { 20 } else { 1 };

/// How long to measure one row.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Repetitions go on until they have taken this long together,
    pub least: Duration,
    /// and there are this many of them,
    pub repetitions: usize,
    /// unless they have taken this long.
    pub most: Duration,
}

impl Budget {
    /// 50 ms and five repetitions, of slow things at least one.
    pub const ROW: Budget =
        Budget { least: Duration::from_millis(50 / SHORT), repetitions: 5, most: Duration::from_secs(1) };
    /// For bandwidth beside a single row.
    pub const BESIDE: Budget =
        Budget { least: Duration::from_millis(10), repetitions: 4, most: Duration::from_millis(500) };
    /// For figures of which the best counts.
    pub const BEST: Budget = Budget {
        least: Duration::from_millis(20 / SHORT),
        repetitions: 10,
        most: Duration::from_millis(500),
    };
}

/// Seconds of one call.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Of the median repetition.
    pub median: f64,
    /// Of the fastest.
    pub best: f64,
}

/// Times `call` by repetitions, after one that warms up; `None` once cancelled.
pub fn time(budget: Budget, cancel: &AtomicBool, mut call: impl FnMut()) -> Option<Times> {
    let start = Instant::now();
    call();
    let mut calls = 1;
    if start.elapsed() < REPETITION {
        // The first call has warmed up; the second says how many fit.
        let start = Instant::now();
        call();
        let once = start.elapsed().max(Duration::from_nanos(50));
        calls = REPETITION.as_nanos().div_ceil(once.as_nanos()).max(1);
    }
    let (mut seconds, mut total) = (Vec::new(), Duration::ZERO);
    while total < budget.most && (total < budget.least || seconds.len() < budget.repetitions) {
        if cancel.load(Ordering::Relaxed) {
            return None;
        }
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        let taken = start.elapsed();
        total += taken;
        seconds.push(taken.as_secs_f64() / calls as f64);
    }
    seconds.sort_by(f64::total_cmp);
    Some(Times { median: median(&seconds), best: seconds[0] })
}

/// The middle of sorted numbers, at least one.
pub fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// Mean and standard deviation of a sample; the deviation of one number is 0.
pub fn mean_sd(sample: &[f64]) -> (f64, f64) {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let squares: f64 = sample.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, if sample.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_small_samples() {
        assert_eq!([median(&[3.0]), median(&[1.0, 2.0, 9.0]), median(&[1.0, 3.0])], [3.0, 2.0, 2.0]);
        assert_eq!(mean_sd(&[5.0]), (5.0, 0.0));
        assert_eq!(mean_sd(&[1.0, 2.0, 3.0]), (2.0, 1.0));
    }

    #[test]
    fn time_calls_often_and_stops_when_cancelled() {
        let mut calls = 0;
        let budget = Budget { least: Duration::from_millis(1), repetitions: 3, most: Duration::from_secs(1) };
        let times = time(budget, &AtomicBool::new(false), || calls += 1).unwrap();
        assert!(calls >= 3 && times.best > 0.0 && times.best <= times.median);
        assert!(time(budget, &AtomicBool::new(true), || ()).is_none());
    }
}
