//! A set of curves over the same places: columns of numbers that are appended to, cut, and asked for the lowest and highest value of
//! a stretch. Memory has a bound: above it two neighbouring rows become one that keeps both their extremes.

use super::metric::Spread;

/// Rows that are kept as they came; a longer log has rows that stand for several points.
const ROWS_MAX: usize = 1 << 20;
/// Rows that are kept once they stand for several points.
const MERGED_MAX: usize = 1 << 19;
/// Rows of a block whose extremes are remembered.
const BLOCK: usize = 64;

/// Lowest and highest of some values; `low > high` while there are none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extremes {
    /// The lowest.
    pub low: f32,
    /// The highest.
    pub high: f32,
}

impl Extremes {
    /// Of nothing.
    pub const NONE: Extremes = Extremes { low: f32::INFINITY, high: f32::NEG_INFINITY };

    /// Takes in a value; what is no number changes nothing.
    pub fn add(&mut self, v: f32) {
        if v.is_finite() {
            self.low = self.low.min(v);
            self.high = self.high.max(v);
        }
    }

    /// Takes in others.
    pub fn join(&mut self, other: Extremes) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.low > self.high
    }
}

/// The x axes a curve can be drawn over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axis {
    /// Steps.
    #[default]
    Step,
    /// Tokens.
    Tokens,
    /// Seconds of training.
    Time,
}

/// One curve.
#[derive(Clone, Debug, Default)]
struct Lane {
    mean: Vec<f32>,
    /// Extremes of each row; empty while every row is one value.
    low: Vec<f32>,
    high: Vec<f32>,
    blocks: Vec<Extremes>,
    smooth: Vec<f32>,
    smooth_blocks: Vec<Extremes>,
    ema: Ema,
    /// As it was before each block.
    emas: Vec<Ema>,
    /// What `smooth` was made with.
    smoothing: f32,
}

/// An exponential moving average that starts without a bias towards zero.
#[derive(Clone, Copy, Debug, Default)]
struct Ema {
    sum: f64,
    weight: f64,
}

impl Ema {
    /// A weight this close to 1 makes no difference in 24 bits: it is 1 from there on, which saves a division a point.
    const FULL: f64 = 1.0 - 1e-9;

    /// Takes in a value; gives the average so far, of which a share of `keep` was there before.
    #[inline]
    fn add(&mut self, v: f32, keep: f64) -> f32 {
        if v.is_finite() {
            self.sum = self.sum * keep + f64::from(v) * (1.0 - keep);
            if self.weight < 1.0 {
                self.weight = self.weight * keep + (1.0 - keep);
                if self.weight >= Self::FULL {
                    self.weight = 1.0;
                }
            }
        }
        if self.weight == 1.0 {
            self.sum as f32
        } else if self.weight > 0.0 {
            (self.sum / self.weight) as f32
        } else {
            f32::NAN
        }
    }
}

/// See the top of this file.
#[derive(Clone, Debug)]
pub struct Track {
    x: [Vec<f64>; 3],
    lanes: Vec<Lane>,
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
    pub fn new(lanes: usize, spread: bool) -> Track {
        let lanes = vec![Lane::default(); lanes];
        Track { x: Default::default(), lanes, spread, bucket: 1, filled: 0, points: 0 }
    }

    /// Rows there are.
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
    pub fn x(&self, axis: Axis) -> &[f64] {
        &self.x[axis as usize]
    }

    /// A row's mean.
    pub fn mean(&self, lane: usize, row: usize) -> f32 {
        self.lanes[lane].mean[row]
    }

    /// A row's smoothed value.
    pub fn smooth(&self, lane: usize, row: usize) -> f32 {
        self.lanes[lane].smooth[row]
    }

    /// A row's extremes.
    pub fn extremes(&self, lane: usize, row: usize) -> Extremes {
        let lane = &self.lanes[lane];
        let mut e = Extremes::NONE;
        if lane.low.is_empty() {
            e.add(lane.mean[row]);
        } else {
            e.add(lane.low[row]);
            e.add(lane.high[row]);
        }
        e
    }

    /// Bytes this takes.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        let lane = |l: &Lane| {
            4 * (l.mean.capacity() + l.low.capacity() + l.high.capacity() + l.smooth.capacity())
                + 8 * (l.blocks.capacity() + l.smooth_blocks.capacity())
        };
        self.x.iter().map(|x| 8 * x.capacity()).sum::<usize>() + self.lanes.iter().map(lane).sum::<usize>()
    }

    /// Makes room for points to come, so that taking them in does not stop for moving what is there.
    pub fn reserve(&mut self, points: usize) {
        let most = if self.bucket == 1 { ROWS_MAX } else { MERGED_MAX };
        let rows = points.min(most.saturating_sub(self.rows()));
        self.x.iter_mut().for_each(|x| x.reserve(rows));
        for lane in &mut self.lanes {
            lane.mean.reserve(rows);
            lane.smooth.reserve(rows);
        }
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
            for (lane, &[mean, low, high]) in self.lanes.iter_mut().zip(values) {
                lane.push(mean, low, high, wide);
            }
            self.filled = 1;
        } else {
            self.filled += 1;
            for (x, at) in self.x.iter_mut().zip(at) {
                if let Some(last) = x.last_mut() {
                    *last = at.max(*last);
                }
            }
            for (lane, &[mean, low, high]) in self.lanes.iter_mut().zip(values) {
                lane.widen(mean, low, high, self.filled);
            }
        }
    }

    /// Drops every row from a step on.
    fn cut(&mut self, step: f64) {
        let keep = self.x[0].partition_point(|&x| x < step);
        self.points = self.points.saturating_sub((self.rows() - keep) as u64 * u64::from(self.bucket));
        self.x.iter_mut().for_each(|x| x.truncate(keep));
        self.lanes.iter_mut().for_each(|lane| lane.cut(keep, self.bucket as i32));
        self.filled = if keep == 0 { 0 } else { self.bucket };
    }

    /// Two rows become one.
    fn merge(&mut self) {
        let wide = self.spread || self.bucket > 1;
        for x in &mut self.x {
            *x = x.chunks(2).map(|c| c[c.len() - 1]).collect();
        }
        for lane in &mut self.lanes {
            let of = |v: &[f32], f: &dyn Fn(f32, f32) -> f32| -> Vec<f32> {
                v.chunks(2).map(|c| f(c[0], c[c.len() - 1])).collect()
            };
            let (low, high) = if wide { (&lane.low, &lane.high) } else { (&lane.mean, &lane.mean) };
            // f32's own minimum and maximum leave out what is no number; what is odd stays odd in the mean.
            let low: Vec<f32> = of(low, &|a, b| a.min(b));
            let high: Vec<f32> = of(high, &|a, b| {
                if a == f32::INFINITY {
                    b
                } else if b == f32::INFINITY {
                    a
                } else {
                    a.max(b)
                }
            });
            lane.mean = of(&lane.mean, &mean_of_two);
            (lane.low, lane.high) = (low, high);
        }
        self.bucket *= 2;
        self.filled = self.bucket;
        self.index();
    }

    /// Computes what follows from the rows.
    fn index(&mut self) {
        let points = self.bucket as i32;
        for lane in &mut self.lanes {
            lane.index(points);
        }
    }

    /// Has a curve's smoothed values be those of a smoothing, from 0 to below 1; says whether they were not.
    pub fn set_smoothing(&mut self, lane: usize, smoothing: f32) -> bool {
        let lane = &mut self.lanes[lane];
        let other = lane.smoothing != smoothing;
        if other {
            lane.smoothing = smoothing;
            lane.smoothen(self.bucket as i32);
        }
        other
    }

    /// Extremes of the rows from `a` to before `b`.
    pub fn range(&self, lane: usize, smooth: bool, a: usize, b: usize) -> Extremes {
        let lane = &self.lanes[lane];
        let blocks = if smooth { &lane.smooth_blocks } else { &lane.blocks };
        let mut e = Extremes::NONE;
        let rows = |e: &mut Extremes, a: usize, b: usize| {
            if smooth {
                lane.smooth[a..b].iter().for_each(|&v| e.add(v));
            } else if lane.low.is_empty() {
                lane.mean[a..b].iter().for_each(|&v| e.add(v));
            } else {
                lane.low[a..b].iter().chain(&lane.high[a..b]).for_each(|&v| e.add(v));
            }
        };
        let (first, last) = (a.div_ceil(BLOCK), b / BLOCK);
        if first >= last {
            rows(&mut e, a, b);
            return e;
        }
        rows(&mut e, a, first * BLOCK);
        blocks[first..last].iter().for_each(|&block| e.join(block));
        rows(&mut e, last * BLOCK, b);
        e
    }
}

fn mean_of_two(a: f32, b: f32) -> f32 {
    match (a.is_nan(), b.is_nan()) {
        (true, _) => b,
        (_, true) => a,
        // Of two halves, each of which may be near the end of what f32 holds. Odd stays odd.
        _ => a / 2.0 + b / 2.0,
    }
}

impl Lane {
    fn push(&mut self, mean: f32, low: f32, high: f32, wide: bool) {
        self.mean.push(mean);
        if wide {
            self.low.push(low);
            self.high.push(high);
        }
        let before = self.ema;
        self.smooth.push(self.ema.add(mean, self.smoothing.into()));
        if self.mean.len() % BLOCK == 1 {
            self.emas.push(before);
            self.blocks.push(Extremes::NONE);
            self.smooth_blocks.push(Extremes::NONE);
        }
        self.note(low, high);
    }

    /// Takes one more point into the last row, which then has `filled`.
    fn widen(&mut self, mean: f32, low: f32, high: f32, filled: u32) {
        let last = self.mean.len() - 1;
        let (old, n) = (self.mean[last], filled as f32);
        self.mean[last] = if old.is_nan() {
            mean
        } else if mean.is_nan() {
            old
        } else {
            old + (mean - old) / n
        };
        if self.mean[last].is_nan() && !(old.is_nan() && mean.is_nan()) {
            // The difference of two that are no numbers.
            self.mean[last] = f32::INFINITY;
        }
        let mut e = Extremes::NONE;
        [self.low[last], self.high[last], low, high].into_iter().for_each(|v| e.add(v));
        if !e.is_empty() {
            (self.low[last], self.high[last]) = (e.low, e.high);
        }
        self.smooth[last] = self.ema.add(mean, self.smoothing.into());
        self.note(low, high);
    }

    /// The last row changed.
    fn note(&mut self, low: f32, high: f32) {
        if let (Some(block), Some(smooth)) = (self.blocks.last_mut(), self.smooth_blocks.last_mut()) {
            block.add(low);
            block.add(high);
            if let Some(&v) = self.smooth.last() {
                smooth.add(v);
            }
        }
    }

    fn index(&mut self, points: i32) {
        self.blocks.clear();
        self.index_from(0);
        self.smoothen(points);
    }

    /// The blocks from one on.
    fn index_from(&mut self, block: usize) {
        let narrow = self.low.is_empty();
        for first in (block * BLOCK..self.mean.len()).step_by(BLOCK) {
            let rows = first..(first + BLOCK).min(self.mean.len());
            let mut e = Extremes::NONE;
            if narrow {
                self.mean[rows].iter().for_each(|&v| e.add(v));
            } else {
                self.low[rows.clone()].iter().chain(&self.high[rows]).for_each(|&v| e.add(v));
            }
            self.blocks.push(e);
        }
    }

    /// Drops all but so many rows. Costs no more than a block, however many there are: a log may go back with every line.
    fn cut(&mut self, rows: usize, points: i32) {
        let block = rows / BLOCK;
        for v in [&mut self.mean, &mut self.low, &mut self.high] {
            v.truncate(rows);
        }
        self.ema = self.emas.get(block).copied().unwrap_or(self.ema);
        self.emas.truncate(block);
        self.blocks.truncate(block);
        self.smooth_blocks.truncate(block);
        self.index_from(block);
        self.smoothen_from(block, points);
    }

    /// Over all rows; one that stands for several points counts as that many of its mean.
    fn smoothen(&mut self, points: i32) {
        self.ema = Ema::default();
        self.emas.clear();
        self.smooth_blocks.clear();
        self.smoothen_from(0, points);
    }

    /// The blocks from one on; what was before them is in `ema`.
    fn smoothen_from(&mut self, block: usize, points: i32) {
        let mut ema = self.ema;
        let keep = f64::from(self.smoothing).powi(points);
        self.smooth.resize(self.mean.len(), 0.0);
        let first = block * BLOCK;
        for (rows, smooth) in self.mean[first..].chunks(BLOCK).zip(self.smooth[first..].chunks_mut(BLOCK)) {
            self.emas.push(ema);
            rows.iter().zip(&mut *smooth).for_each(|(&v, out)| *out = ema.add(v, keep));
            let mut e = Extremes::NONE;
            smooth.iter().for_each(|&v| e.add(v));
            self.smooth_blocks.push(e);
        }
        self.ema = ema;
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
        assert_eq!(track.x(Axis::Step).last(), Some(&60.0));
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
        let x = track.x(Axis::Step);
        assert!(x[peak - 1] < 1_234_568.0 && x[peak] >= 1_234_568.0);
        assert!((track.x(Axis::Step)[n - 1], track.smooth(0, n - 1).abs() <= 0.5) == (5_000_000.0, true));
        assert_eq!((0..n).filter(|&r| track.mean(0, r) == f32::INFINITY).count(), 1);
    }
}
