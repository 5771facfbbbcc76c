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
#[derive(Clone, Debug)]
pub struct Times {
    /// Of the median repetition.
    pub median: f64,
    /// Of the fastest.
    pub best: f64,
    /// Of each, in the order of measuring.
    pub each: Vec<f64>,
}

/// What a sample of figures says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// How many.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation; 0 of one figure.
    pub sd: f64,
    /// The least.
    pub min: f64,
    /// The middle.
    pub median: f64,
    /// As large as or larger than 95 % of them, between the neighbours.
    pub p95: f64,
    /// The same of 99 %.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
}

impl Stats {
    /// Of a sample in any order; `None` of nothing, or of anything that is not a number.
    pub fn of(sample: &[f64]) -> Option<Stats> {
        if sample.is_empty() || sample.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let mut sorted = sample.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (mean, sd) = mean_sd(sample);
        let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
        Some(Stats {
            count: sample.len(),
            mean,
            sd,
            min,
            median: median(&sorted),
            p95: quantile(&sorted, 0.95),
            p99: quantile(&sorted, 0.99),
            max,
        })
    }
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
    let mut sorted = seconds.clone();
    sorted.sort_by(f64::total_cmp);
    Some(Times { median: median(&sorted), best: sorted[0], each: seconds })
}

/// The middle of sorted numbers, at least one.
pub fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// What a share of sorted numbers, at least one, does not exceed, in a straight line between its neighbours.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
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
        let sample: Vec<f64> = (1..=21).rev().map(f64::from).collect();
        let stats = Stats::of(&sample).unwrap();
        assert_eq!((stats.count, stats.min, stats.median, stats.p95, stats.max), (21, 1.0, 11.0, 20.0, 21.0));
        let one = Stats::of(&[4.0]).unwrap();
        assert!((stats.p99 - 20.8).abs() < 1e-9);
        assert_eq!((one.mean, one.sd, one.p95, one.p99), (4.0, 0.0, 4.0, 4.0));
        assert_eq!([Stats::of(&[]), Stats::of(&[1.0, f64::NAN])], [None, None]);
    }

    #[test]
    fn time_calls_often_and_stops_when_cancelled() {
        let mut calls = 0;
        let budget = Budget { least: Duration::from_millis(1), repetitions: 3, most: Duration::from_secs(1) };
        let times = time(budget, &AtomicBool::new(false), || calls += 1).unwrap();
        assert!(calls >= 3 && times.best > 0.0 && times.best <= times.median && times.each.len() >= 3);
        assert!(time(budget, &AtomicBool::new(true), || ()).is_none());
    }
}
