//! A run laid over the x axis of the charts, and its values where the cursor is.

use eframe::egui::{Color32, Pos2, pos2};

use super::axis::{Scale, value_text};
use super::chart::{Chart, Look};
use super::curves::{Curves, Source};
use super::decimate::Columns;
use crate::command::CurveAxis;
use crate::tokens::Tokens;

/// A run, laid over the x axis.
pub struct Drawn<'a> {
    /// The name to show.
    pub shown: String,
    pub color: Color32,
    pub curves: &'a Curves,
    /// Which of their rows are in which column of the screen, by source.
    pub columns: [Columns; 3],
}

impl<'a> Drawn<'a> {
    /// Lays a run over a scale.
    pub fn new(shown: String, color: Color32, curves: &'a Curves, axis: CurveAxis, x: &Scale) -> Drawn<'a> {
        let columns = Source::ALL.map(|source| Columns::new(curves.track(source), axis, x, 1.0));
        Drawn { shown, color, curves, columns }
    }

    /// The row of a source at or before a place on the x axis.
    pub fn row_at(&self, source: Source, axis: CurveAxis, at: f64) -> Option<usize> {
        // A run has no values after its end.
        let (&first, &last) = self.curves.steps.x(axis).first().zip(self.curves.steps.x(axis).last())?;
        if at < first || at > last + (last - first) * 0.004 {
            return None;
        }
        let x = self.curves.track(source).x(axis);
        // What is nearest among steps; the last one there was among what is rarer.
        let after = x.partition_point(|&v| v <= at);
        match source {
            Source::Steps if after < x.len() && (after == 0 || x[after] - at < at - x[after - 1]) => {
                Some(after)
            }
            _ => after.checked_sub(1),
        }
    }
}

/// How charts are to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What x is.
    pub axis: CurveAxis,
    /// Logarithmic y.
    pub log_y: bool,
    /// Without outliers.
    pub clip: bool,
    /// Whether anything is smoothed.
    pub smoothed: bool,
    /// The colours that are on.
    pub tokens: &'static Tokens,
}

/// A curve's value at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it is: the curve's name, or what was made of it.
    pub what: &'static str,
    pub text: String,
    /// Where it is drawn.
    pub place: Option<Pos2>,
}

/// A run's values at a place, the telling one first.
pub fn values_at(chart: Chart, run: &Drawn<'_>, at: f64, x: &Scale, y: &Scale, o: &Options) -> Vec<Reading> {
    let mut values = Vec::new();
    for curve in chart.curves() {
        let track = run.curves.track(curve.source);
        let Some(row) = run.row_at(curve.source, o.axis, at) else { continue };
        let v = track.mean(curve.series, row);
        if v.is_nan() {
            continue;
        }
        let smooth = track.smooth(curve.series, row);
        let smoothed = curve.look == Look::Smoothed && o.smoothed && v.is_finite();
        let shown = if smoothed || curve.look == Look::Layers { smooth } else { v };
        let place = pos2(x.place(track.x(o.axis)[row]), y.place(shown.into()));
        let seen = shown.is_finite() && (!y.log || shown > 0.0);
        values.push(Reading { what: curve.name, text: value_text(v.into()), place: seen.then_some(place) });
        if smoothed {
            values.push(Reading { what: "smoothed", text: value_text(smooth.into()), place: None });
        }
        if curve.look == Look::Layers {
            let e = track.extremes(curve.series, row);
            values.push(Reading { what: "lowest", text: value_text(e.low.into()), place: None });
            values.push(Reading { what: "highest", text: value_text(e.high.into()), place: None });
        }
    }
    values
}
