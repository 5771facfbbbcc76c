//! From rows to what a screen can show: for each column of points the lowest and the highest value there, so that no peak is lost, or
//! the values themselves where they are few.

use std::ops::Range;

use eframe::egui::{Pos2, pos2};

use super::axis::Scale;
use super::extremes::Extremes;
use super::track::Track;
use crate::command::CurveAxis;

/// Which of a track's rows fall into which column of the screen. All curves of a track share one.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The first row of each column, and behind the last one the end.
    bounds: Vec<u32>,
    /// Rows in view and one neighbour on each side, so that lines reach the edges.
    pub rows: Range<usize>,
    left: f32,
    step: f32,
}

impl Columns {
    /// Lays a track over a scale in columns `step` points wide.
    pub fn new(track: &Track, axis: CurveAxis, scale: &Scale, step: f32) -> Columns {
        let x = track.x(axis);
        let count = ((scale.to - scale.from) / step).ceil().max(1.0) as usize;
        let mut bounds = Vec::with_capacity(count + 1);
        let mut at = 0;
        for i in 0..=count {
            let edge = scale.value(scale.from + i as f32 * step);
            at = gallop(x, at, edge);
            bounds.push(at as u32);
        }
        let (first, last) = (bounds[0] as usize, at);
        let rows = first.saturating_sub(1)..(last + 1).min(x.len());
        Columns { bounds, rows, left: scale.from, step }
    }

    /// Whether there are so few rows that each is drawn.
    pub fn is_sparse(&self) -> bool {
        self.rows.len() <= 2 * self.bounds.len()
    }

    /// The lowest and highest value of a curve in each column that has any: its middle, and them.
    pub fn extremes<'a>(
        &'a self,
        track: &'a Track,
        series: usize,
        smooth: bool,
    ) -> impl Iterator<Item = (f32, Extremes)> + 'a {
        self.bounds.windows(2).enumerate().filter_map(move |(i, pair)| {
            let e = track.range(series, smooth, pair[0] as usize, pair[1] as usize);
            (!e.is_empty()).then_some((self.left + (i as f32 + 0.5) * self.step, e))
        })
    }

    /// The line through every value of a curve, in pieces where it was no number.
    pub fn line(
        &self,
        track: &Track,
        axis: CurveAxis,
        series: usize,
        smooth: bool,
        x: &Scale,
        y: &Scale,
    ) -> Vec<Vec<Pos2>> {
        let mut lines = vec![Vec::new()];
        for row in self.rows.clone() {
            let v = if smooth { track.smooth(series, row) } else { track.mean(series, row) };
            if v.is_finite() && (!y.log || v > 0.0) {
                let at = pos2(x.place(track.x(axis)[row]), y.place(v.into()));
                lines.last_mut().expect("there is always one").push(at);
            } else if v == f32::INFINITY {
                lines.push(Vec::new());
            }
        }
        lines.retain(|line| !line.is_empty());
        lines
    }
}

/// The first index at or after `from` whose value is not below `edge`: in steps that double, then halve.
fn gallop(x: &[f64], from: usize, edge: f64) -> usize {
    let mut step = 1;
    while from + step < x.len() && x[from + step] < edge {
        step *= 2;
    }
    let to = (from + step + 1).min(x.len());
    from + x[from.min(to)..to].partition_point(|&v| v < edge)
}

/// The share of values that lies below and above what is shown while outliers are cut off.
const CUT: f64 = 0.02;

/// A range without the outliers among lows and highs.
pub fn without_outliers(mut lows: Vec<f32>, mut highs: Vec<f32>) -> Extremes {
    let mut e = Extremes::NONE;
    if lows.is_empty() {
        return e;
    }
    let cut = (lows.len() as f64 * CUT).ceil() as usize;
    let cut = cut.min(lows.len() - 1);
    let (_, low, _) = lows.select_nth_unstable_by(cut, f32::total_cmp);
    e.add(*low);
    let last = highs.len() - 1;
    let (_, high, _) = highs.select_nth_unstable_by(last - cut.min(last), f32::total_cmp);
    e.add(*high);
    e
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(values: &[f32]) -> Track {
        let mut track = Track::new(1, false);
        for (i, &v) in values.iter().enumerate() {
            track.push([i as f64 + 1.0, i as f64 * 100.0, 0.0], &[[v; 3]]);
        }
        track
    }

    #[test]
    fn decimation_keeps_every_peak_at_every_zoom() {
        let mut values: Vec<f32> = (0..100_000).map(|i| (i as f32 * 0.001).sin()).collect();
        values[31_415] = 9.0;
        values[31_416] = -9.0;
        let track = track(&values);
        for (low, high) in [(1.0, 1e5), (3e4, 3.2e4), (31_000.0, 32_000.0), (31_400.0, 31_430.0)] {
            for log in [false, true] {
                let x = Scale::new(low, high, log, 0.0, 300.0);
                let columns = Columns::new(&track, CurveAxis::Step, &x, 1.0);
                let (mut low, mut high) = (0f32, 0f32);
                for (_, e) in columns.extremes(&track, 0, false) {
                    (low, high) = (low.min(e.low), high.max(e.high));
                }
                assert_eq!((low, high), (-9.0, 9.0), "{x:?}");
                let y = Scale::new(-10.0, 10.0, false, 100.0, 0.0);
                let at = x.place(31_416.0);
                let peak = if columns.is_sparse() {
                    let lines = columns.line(&track, CurveAxis::Step, 0, false, &x, &y);
                    lines[0].iter().find(|p| p.y < 6.0).map(|p| p.x)
                } else {
                    columns.extremes(&track, 0, false).find(|(_, e)| e.high == 9.0).map(|(at, _)| at)
                };
                assert!((peak.unwrap() - at).abs() <= 1.0, "{peak:?} {at}");
            }
        }
    }

    #[test]
    fn decimation_assigns_every_row_to_one_column() {
        let values = vec![1.0; 5000];
        let track = track(&values);
        let x = Scale::new(500.0, 2500.0, false, 0.0, 37.0);
        let columns = Columns::new(&track, CurveAxis::Step, &x, 1.0);
        assert_eq!(columns.bounds.len(), 38);
        assert_eq!((columns.bounds[0], *columns.bounds.last().unwrap()), (499, 2499));
        assert!(columns.bounds.windows(2).all(|b| b[0] <= b[1]));
        assert_eq!(columns.rows, 498..2500);
        // Out of sight on either side.
        for (low, high) in [(-100.0, -50.0), (9000.0, 9500.0)] {
            let x = Scale::new(low, high, false, 0.0, 37.0);
            let columns = Columns::new(&track, CurveAxis::Step, &x, 1.0);
            assert_eq!(columns.extremes(&track, 0, false).count(), 0);
        }
    }

    #[test]
    fn decimation_leaves_a_gap_where_a_value_was_no_number() {
        let track = track(&[1.0, 2.0, f32::INFINITY, 3.0, f32::NAN, 4.0]);
        let x = Scale::new(1.0, 6.0, false, 0.0, 100.0);
        let y = Scale::new(0.0, 5.0, false, 50.0, 0.0);
        let columns = Columns::new(&track, CurveAxis::Step, &x, 1.0);
        assert!(columns.is_sparse());
        let lines = columns.line(&track, CurveAxis::Step, 0, false, &x, &y);
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn outliers_are_the_outermost_two_in_a_hundred() {
        let mut values: Vec<f32> = (0..100).map(|i| i as f32).collect();
        values[50] = 1e6;
        let e = without_outliers(values.clone(), values);
        assert_eq!((e.low, e.high), (2.0, 98.0));
        assert!(without_outliers(vec![], vec![]).is_empty());
        assert_eq!(without_outliers(vec![3.0], vec![4.0]), Extremes { low: 3.0, high: 4.0 });
    }
}
