//! A set of series over the same places, which are appended to, cut, and asked for the lowest and highest value of a stretch. Memory has a
//! bound: above it two neighbouring rows become one that keeps both their extremes.

use super::extremes::Extremes;
use super::metric::Spread;
use super::series::Series;
use crate::command::CurveAxis;

/// Rows that are kept as they came; a longer log has rows that stand for several points.
const ROWS_MAX: usize = 1 << 20;
/// Rows that are kept once they stand for several points.
const MERGED_MAX: usize = 1 << 19;

/// See the top of this file.
#[derive(Clone, Debug)]
pub struct Track {
    x: [Vec<f64>; 3],
    series: Vec<Series>,
    /// Whether values come with their own extremes.
    spread: bool,
    /// Points of a full row.
    bucket: u32,
    /// Points of the last row.
    filled: u32,
    points: u64,
}

impl Track {
    /// No points yet, of so many curves; `spread` if each value is a mean with extremes of its own.
    pub fn new(series: usize, spread: bool) -> Track {
        let series = vec![Series::default(); series];
        Track { x: Default::default(), series, spread, bucket: 1, filled: 0, points: 0 }
    }

    pub fn rows(&self) -> usize {
        self.x[0].len()
    }

    /// Points that were taken in.
    pub fn points(&self) -> u64 {
        self.points
    }

    /// Points a row stands for.
    pub fn bucket(&self) -> u32 {
        self.bucket
    }

    /// Places of the rows.
    pub fn x(&self, axis: CurveAxis) -> &[f64] {
        &self.x[axis as usize]
    }

    pub fn mean(&self, series: usize, row: usize) -> f32 {
        self.series[series].mean(row)
    }

    pub fn smooth(&self, series: usize, row: usize) -> f32 {
        self.series[series].smooth(row)
    }

    pub fn extremes(&self, series: usize, row: usize) -> Extremes {
        self.series[series].extremes(row)
    }

    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        let x: usize = self.x.iter().map(|x| 8 * x.capacity()).sum();
        x + self.series.iter().map(Series::bytes).sum::<usize>()
    }

    /// Makes room for points to come, so that taking them in does not stop for moving what is there.
    pub fn reserve(&mut self, points: usize) {
        let most = if self.bucket == 1 { ROWS_MAX } else { MERGED_MAX };
        let rows = points.min(most.saturating_sub(self.rows()));
        self.x.iter_mut().for_each(|x| x.reserve(rows));
        self.series.iter_mut().for_each(|series| series.reserve(rows));
    }

    /// Appends a point: step, tokens, seconds, and a value of each curve. One that goes back to an earlier step replaces what was
    /// there from that step on: a run that was continued from a checkpoint.
    pub fn push(&mut self, at: [f64; 3], values: &[Spread]) {
        while self.x[0].last().is_some_and(|&last| at[0] <= last) {
            self.cut(at[0]);
        }
        self.points += 1;
        if self.filled == 0 || self.filled == self.bucket {
            let most = if self.bucket == 1 { ROWS_MAX } else { MERGED_MAX };
            if self.rows() >= most {
                self.merge();
            }
            let wide = self.spread || self.bucket > 1;
            for (x, at) in self.x.iter_mut().zip(at) {
                // Clocks and counters of a log may go back; the axes do not.
                x.push(x.last().map_or(at, |&last| at.max(last)));
            }
            for (series, &[mean, low, high]) in self.series.iter_mut().zip(values) {
                series.push(mean, low, high, wide);
            }
            self.filled = 1;
        } else {
            self.filled += 1;
            for (x, at) in self.x.iter_mut().zip(at) {
                if let Some(last) = x.last_mut() {
                    *last = at.max(*last);
                }
            }
            for (series, &[mean, low, high]) in self.series.iter_mut().zip(values) {
                series.widen(mean, low, high, self.filled);
            }
        }
    }

    /// Drops every row from a step on.
    fn cut(&mut self, step: f64) {
        let keep = self.x[0].partition_point(|&x| x < step);
        self.points = self.points.saturating_sub((self.rows() - keep) as u64 * u64::from(self.bucket));
        self.x.iter_mut().for_each(|x| x.truncate(keep));
        self.series.iter_mut().for_each(|series| series.cut(keep, self.bucket as i32));
        self.filled = if keep == 0 { 0 } else { self.bucket };
    }

    /// Two rows become one.
    fn merge(&mut self) {
        let wide = self.spread || self.bucket > 1;
        for x in &mut self.x {
            *x = x.chunks(2).map(|c| c[c.len() - 1]).collect();
        }
        self.series.iter_mut().for_each(|series| series.merge(wide));
        self.bucket *= 2;
        self.filled = self.bucket;
        self.index();
    }

    /// Computes what follows from the rows.
    fn index(&mut self) {
        let points = self.bucket as i32;
        self.series.iter_mut().for_each(|series| series.index(points));
    }

    /// Has a curve's smoothed values be those of a smoothing, from 0 to below 1; says whether they were not.
    pub fn set_smoothing(&mut self, series: usize, smoothing: f32) -> bool {
        self.series[series].set_smoothing(smoothing, self.bucket as i32)
    }

    /// Extremes of the rows from `a` to before `b`.
    pub fn range(&self, series: usize, smooth: bool, a: usize, b: usize) -> Extremes {
        self.series[series].range(smooth, a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: u64) -> f32 {
        let mixed = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed >> 40) as f32 / 16_777_216.0) - 0.5
    }

    fn push(track: &mut Track, step: u64, v: f32) {
        track.push([step as f64, step as f64 * 10.0, step as f64 / 2.0], &[[v; 3]]);
    }

    #[test]
    fn track_smoothing_is_a_debiased_average_of_every_point() {
        let mut track = Track::new(1, false);
        track.set_smoothing(0, 0.9);
        let values: Vec<f32> = (0..300).map(noise).collect();
        for (i, &v) in values.iter().enumerate() {
            push(&mut track, i as u64 + 1, v);
        }
        // By its definition: weights 0.1 * 0.9^k, divided by their sum.
        let expected = |end: usize| {
            let weights = (0..=end).map(|k| 0.9f64.powi((end - k) as i32));
            let sum: f64 = weights.clone().zip(&values).map(|(w, &v)| w * f64::from(v)).sum();
            (sum / weights.sum::<f64>()) as f32
        };
        for end in [0, 1, 10, 299] {
            assert!((track.smooth(0, end) - expected(end)).abs() < 1e-5, "after {end}");
        }
        assert_eq!(track.smooth(0, 0), values[0]);
        // The same whether it was on before the points came or after.
        let before: Vec<f32> = (0..300).map(|i| track.smooth(0, i)).collect();
        track.set_smoothing(0, 0.0);
        assert_eq!(track.smooth(0, 299), values[299]);
        track.set_smoothing(0, 0.9);
        assert_eq!(before, (0..300).map(|i| track.smooth(0, i)).collect::<Vec<_>>());
    }

    #[test]
    fn track_extremes_of_a_stretch_are_those_of_its_values() {
        let mut track = Track::new(1, false);
        let mut values: Vec<f32> = (0..1000).map(noise).collect();
        values[500] = 1e9;
        values[501] = f32::NAN;
        values[502] = f32::INFINITY;
        for (i, &v) in values.iter().enumerate() {
            push(&mut track, i as u64 + 1, v);
        }
        for (a, b) in [(0, 1000), (0, 1), (3, 3), (63, 65), (64, 128), (100, 900), (499, 503), (501, 503)] {
            let finite: Vec<f32> = values[a..b].iter().copied().filter(|v| v.is_finite()).collect();
            let e = track.range(0, false, a, b);
            let expected = finite.iter().fold(Extremes::NONE, |mut e, &v| {
                e.add(v);
                e
            });
            assert_eq!(e, expected, "{a}..{b}");
        }
    }

    #[test]
    fn track_that_goes_back_is_as_if_it_never_went_there() {
        let mut back = Track::new(1, false);
        let mut plain = Track::new(1, false);
        for track in [&mut back, &mut plain] {
            track.set_smoothing(0, 0.97);
        }
        for s in 1..=400u64 {
            // Each step again and again, with other values first, and now and then far back.
            for wrong in 0..(s % 3) {
                push(&mut back, s, noise(s * 7 + wrong));
            }
            if s % 97 == 0 {
                (s - 70..s).for_each(|past| push(&mut back, past, noise(past)));
            }
            push(&mut back, s, noise(s));
            push(&mut plain, s, noise(s));
        }
        assert_eq!((back.rows(), back.points()), (400, 400));
        let all =
            |t: &Track| -> Vec<(f32, f32)> { (0..400).map(|r| (t.mean(0, r), t.smooth(0, r))).collect() };
        assert_eq!(all(&back), all(&plain));
        for (a, b) in [(0, 400), (63, 65), (128, 400), (130, 399)] {
            for smooth in [false, true] {
                assert_eq!(back.range(0, smooth, a, b), plain.range(0, smooth, a, b), "{a}..{b}");
            }
        }
    }

    #[test]
    fn track_that_goes_back_replaces_what_it_had() {
        let mut track = Track::new(1, false);
        (1..=100).for_each(|s| push(&mut track, s, 1.0));
        (51..=60).for_each(|s| push(&mut track, s, 2.0));
        assert_eq!((track.rows(), track.points()), (60, 60));
        assert_eq!(track.x(CurveAxis::Step).last(), Some(&60.0));
        assert_eq!(track.range(0, false, 0, 50), Extremes { low: 1.0, high: 1.0 });
        assert_eq!(track.range(0, false, 50, 60), Extremes { low: 2.0, high: 2.0 });
    }

    #[test]
    fn track_of_any_length_keeps_its_peaks_in_bounded_memory() {
        let mut track = Track::new(1, false);
        let (mut bytes, mut most) = (0, 0);
        for i in 0..5_000_000u64 {
            let v = match i {
                1_234_567 => 100.0,
                4_000_001 => -100.0,
                2_000_000 => f32::INFINITY,
                _ => noise(i),
            };
            push(&mut track, i + 1, v);
            if i % 500_000 == 0 {
                most = most.max(track.rows());
            }
            if i == 1_500_000 {
                bytes = track.bytes();
            }
        }
        assert_eq!(track.points(), 5_000_000);
        assert!(most <= ROWS_MAX && track.rows() <= MERGED_MAX);
        assert!(track.bytes() <= bytes * 2 && track.bytes() < 64 << 20, "{} {bytes}", track.bytes());
        let n = track.rows();
        assert_eq!(track.range(0, false, 0, n), Extremes { low: -100.0, high: 100.0 });
        let peak = (0..n).find(|&r| track.extremes(0, r).high == 100.0).unwrap();
        let x = track.x(CurveAxis::Step);
        assert!(x[peak - 1] < 1_234_568.0 && x[peak] >= 1_234_568.0);
        assert!(
            (track.x(CurveAxis::Step)[n - 1], track.smooth(0, n - 1).abs() <= 0.5) == (5_000_000.0, true)
        );
        assert_eq!((0..n).filter(|&r| track.mean(0, r) == f32::INFINITY).count(), 1);
    }
}
