//! One chart: which curves it has, how they look, and how they are painted with a pen, which is the screen's or a file's. Where the
//! chart stands and what the pointer does is `charts`'s business.

use eframe::egui::{Align2, Color32, Pos2, Rect, pos2, vec2};

use super::axis::{Scale, tick_text, value_text};
use super::curves::{Curves, Source};
use super::decimate::{Columns, without_outliers};
use super::extremes::Extremes;
use super::pen::Pen;
use super::track::Track;
use crate::command::CurveAxis;
use crate::tokens::Tokens;

/// Room left of every chart for the numbers of its axis, so that all charts begin at one place.
pub const GUTTER: f32 = 58.0;
/// Room above a chart's curves for its title.
const HEAD: f32 = 22.0;
/// More points than this have no mark of their own.
const MARKED_MAX: usize = 120;

/// The charts there are, from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "see `title`")]
pub enum Chart {
    Loss,
    Bits,
    Rate,
    Gradient,
    Speed,
    Zeros,
    Flips,
    Drift,
}

/// How a curve looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Smoothed and bold, with every value faint behind.
    Smoothed,
    /// Every value.
    Exact,
    /// Every value, and a ring where it is one.
    Rings,
    /// The mean of the layers, and faint from the lowest to the highest.
    Layers,
}

/// One curve of a chart.
#[derive(Clone, Copy, Debug)]
pub struct Curve {
    /// Where it is kept.
    pub source: Source,
    /// Which of them.
    pub series: usize,
    /// How it looks.
    pub look: Look,
    /// What it is called beside its value.
    pub name: &'static str,
}

const fn curve(source: Source, series: usize, look: Look, name: &'static str) -> Curve {
    Curve { source, series, look, name }
}

impl Chart {
    /// All of them.
    pub const ALL: [Chart; 8] = [
        Chart::Loss,
        Chart::Bits,
        Chart::Rate,
        Chart::Gradient,
        Chart::Speed,
        Chart::Zeros,
        Chart::Flips,
        Chart::Drift,
    ];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Chart::Loss => "Loss",
            Chart::Bits => "Bits per byte",
            Chart::Rate => "Learning rate",
            Chart::Gradient => "Gradient norm",
            Chart::Speed => "Throughput",
            Chart::Zeros => "Share of zeros",
            Chart::Flips => "Flips",
            Chart::Drift => "Drift of scales",
        }
    }

    /// What it shows, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Chart::Loss => "Cross-entropy in nats per token, of each step's batch and of the validation part",
            Chart::Bits => "The same per byte of text, comparable between tokenizers",
            Chart::Rate => "Learning rate of the ternary matrices",
            Chart::Gradient => "Norm of the whole gradient before clipping",
            Chart::Speed => "Tokens per second of each step",
            Chart::Zeros => "Share of ternary weights that are zero, mean and range of the layers",
            Chart::Flips => {
                "Share of ternary weights that changed since the last look, mean and range of the layers"
            }
            Chart::Drift => "Mean scale now over mean scale at the start, mean and range of the layers",
        }
    }

    /// Its unit, or what tells its curves apart.
    pub fn legend(self, smoothed: bool) -> &'static str {
        match (self, smoothed) {
            (Chart::Loss | Chart::Bits, true) => "bold smoothed, faint every step, rings validation",
            (Chart::Loss | Chart::Bits, false) => "line training, rings validation",
            (Chart::Gradient, true) => "bold smoothed, faint every step",
            (Chart::Speed, true) => "tokens/s, bold smoothed, faint every step",
            (Chart::Speed, false) => "tokens/s",
            (Chart::Zeros | Chart::Flips | Chart::Drift, _) => "line mean of layers, band lowest to highest",
            _ => "",
        }
    }

    /// Its curves.
    pub fn curves(self) -> &'static [Curve] {
        use Look::{Exact, Layers, Rings, Smoothed};
        use Source::{Codes, Steps, Validation};
        match self {
            Chart::Loss => {
                const { &[curve(Steps, 0, Smoothed, "training"), curve(Validation, 0, Rings, "validation")] }
            }
            Chart::Bits => {
                const { &[curve(Steps, 1, Smoothed, "training"), curve(Validation, 1, Rings, "validation")] }
            }
            Chart::Rate => const { &[curve(Steps, 2, Exact, "rate")] },
            Chart::Gradient => const { &[curve(Steps, 3, Smoothed, "norm")] },
            Chart::Speed => const { &[curve(Steps, 4, Smoothed, "tokens/s")] },
            Chart::Zeros => const { &[curve(Codes, 0, Layers, "mean")] },
            Chart::Flips => const { &[curve(Codes, 1, Layers, "mean")] },
            Chart::Drift => const { &[curve(Codes, 2, Layers, "mean")] },
        }
    }

    /// Whether a run has anything for it.
    pub fn is_in(self, curves: &Curves) -> bool {
        self.curves().iter().any(|c| {
            let track = curves.track(c.source);
            !track.range(c.series, false, 0, track.rows()).is_empty()
        })
    }
}

/// A run, laid over the x axis.
pub struct Drawn<'a> {
    /// The name to show.
    pub shown: String,
    /// Its colour.
    pub color: Color32,
    /// Its curves.
    pub curves: &'a Curves,
    columns: [Columns; 3],
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

/// Paints a chart; gives the scale of its y axis.
pub fn paint(
    pen: &mut dyn Pen,
    chart: Chart,
    runs: &[Drawn<'_>],
    rect: Rect,
    x: &Scale,
    o: &Options,
) -> Scale {
    let t = o.tokens;
    let plot = plot_of(rect);
    let curves: Vec<Laid<'_>> =
        runs.iter().flat_map(|run| chart.curves().iter().map(|curve| Laid::new(run, curve))).collect();
    let y = y_scale(&curves, plot, o);
    pen.clip(rect);
    pen.text(pos2(plot.left(), rect.top() + 11.0), Align2::LEFT_CENTER, chart.title(), true, t.text);
    let ticks = y.ticks((plot.height() / 21.0) as usize);
    let step = if ticks.len() > 1 { ticks[1] - ticks[0] } else { y.high - y.low };
    for &tick in &ticks {
        let at = y.place(tick);
        pen.line(&[pos2(plot.left(), at), pos2(plot.right(), at)], 1.0, t.line.gamma_multiply(0.55));
        let step = if y.log { tick } else { step };
        pen.text(
            pos2(plot.left() - 8.0, at),
            Align2::RIGHT_CENTER,
            &tick_text(tick, step),
            false,
            t.text_dim,
        );
    }
    pen.clip(plot.expand2(vec2(4.0, 3.0)));
    for faint in [true, false] {
        curves.iter().for_each(|curve| paint_curve(pen, curve, faint, x, &y, o));
    }
    if matches!(chart, Chart::Loss | Chart::Bits) {
        for run in runs {
            let mut last = f32::NEG_INFINITY;
            for at in &run.curves.odd {
                let place = x.place(at[o.axis as usize]);
                if plot.x_range().contains(place) && place - last >= 6.0 {
                    pen.mark(pos2(place, plot.top()), t.bad);
                    last = place;
                }
            }
        }
    }
    pen.clip(Rect::EVERYTHING);
    y
}

/// A curve of a run, with its extremes in each column of the screen where it has more values than the screen.
struct Laid<'a> {
    run: &'a Drawn<'a>,
    curve: &'a Curve,
    track: &'a Track,
    columns: &'a Columns,
    dense: Option<Vec<(f32, Extremes)>>,
}

impl<'a> Laid<'a> {
    fn new(run: &'a Drawn<'a>, curve: &'a Curve) -> Laid<'a> {
        let (track, columns) = (run.curves.track(curve.source), &run.columns[curve.source as usize]);
        let dense = (!columns.is_sparse()).then(|| columns.extremes(track, curve.series, false).collect());
        Laid { run, curve, track, columns, dense }
    }
}

/// The range of everything that is in view.
fn y_scale(curves: &[Laid<'_>], plot: Rect, o: &Options) -> Scale {
    let (mut lows, mut highs) = (Vec::new(), Vec::new());
    let mut add = |e: Extremes| {
        if e.is_empty() {
            return;
        }
        // What has no place on a logarithmic axis does not stretch it.
        let low = if o.log_y && e.low <= 0.0 { e.high } else { e.low };
        if !o.log_y || low > 0.0 {
            lows.push(low);
            highs.push(e.high);
        }
    };
    for Laid { curve, track, columns, dense, .. } in curves {
        match dense {
            Some(dense) => dense.iter().for_each(|(_, e)| add(*e)),
            None => columns.rows.clone().for_each(|row| add(track.extremes(curve.series, row))),
        }
    }
    let e = if o.clip {
        without_outliers(lows, highs)
    } else {
        let mut e = Extremes::NONE;
        lows.iter().chain(&highs).for_each(|&v| e.add(v));
        e
    };
    let (low, high) = if e.is_empty() { (f64::NAN, f64::NAN) } else { (f64::from(e.low), f64::from(e.high)) };
    let (bottom, top) = (plot.bottom(), plot.top());
    let tight = Scale::new(low, high, o.log_y, bottom, top);
    // A little air, without crossing zero for it.
    let (low, high) = tight.zoomed((bottom + top) / 2.0, 1.1);
    let low = if !o.log_y && tight.low >= 0.0 { low.max(0.0) } else { low };
    Scale::new(low, high, o.log_y, bottom, top)
}

fn paint_curve(pen: &mut dyn Pen, laid: &Laid<'_>, faint: bool, x: &Scale, y: &Scale, o: &Options) {
    let Laid { run, curve, track, columns, dense } = laid;
    let (series, color) = (curve.series, run.color);
    let dim = color.gamma_multiply(0.42);
    let placed = |(at, e): (f32, Extremes)| [at, y.place(e.high.into()), y.place(e.low.into())];
    let band = |smooth: bool| -> Vec<[f32; 3]> {
        match dense {
            Some(dense) if !smooth => dense.iter().copied().map(placed).collect(),
            _ => columns.extremes(track, series, smooth).map(placed).collect(),
        }
    };
    // A line that leaps from one column to the next is drawn all the way.
    let joined = |smooth: bool| {
        let mut band = band(smooth);
        for i in 1..band.len() {
            let [_, top, bottom] = band[i - 1];
            band[i][1] = band[i][1].min(bottom);
            band[i][2] = band[i][2].max(top);
        }
        band
    };
    let every = |pen: &mut dyn Pen, smooth: bool, width: f32, color: Color32| {
        if columns.is_sparse() {
            for line in columns.line(track, o.axis, series, smooth, x, y) {
                match line[..] {
                    [at] => pen.ring(at, width, color, color),
                    _ => pen.line(&line, width, color),
                }
            }
        } else {
            pen.band(&joined(smooth), width, color);
        }
    };
    match (curve.look, faint) {
        (Look::Smoothed, true) if o.smoothed => every(pen, false, 1.0, dim),
        (Look::Smoothed, false) => every(pen, o.smoothed, if o.smoothed { 1.8 } else { 1.3 }, color),
        (Look::Exact, false) => every(pen, false, 1.5, color),
        (Look::Rings, false) => {
            every(pen, false, 1.2, color);
            if columns.rows.len() <= MARKED_MAX {
                for line in columns.line(track, o.axis, series, false, x, y) {
                    line.iter().for_each(|&at| pen.ring(at, 2.8, o.tokens.bg, color));
                }
            }
        }
        (Look::Layers, true) => {
            let range: Vec<[f32; 3]> = if columns.is_sparse() {
                let rows = columns.rows.clone().filter(|&row| !track.extremes(series, row).is_empty());
                rows.map(|row| {
                    let e = track.extremes(series, row);
                    [x.place(track.x(o.axis)[row]), y.place(e.high.into()), y.place(e.low.into())]
                })
                .collect()
            } else {
                band(false)
            };
            pen.band(&range, 0.0, color.gamma_multiply(0.18));
        }
        (Look::Layers, false) => every(pen, true, 1.6, color),
        _ => {}
    }
}

/// A curve's value at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it is: the curve's name, or what was made of it.
    pub what: &'static str,
    /// The value.
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

/// Where a chart's curves are inside its frame.
pub fn plot_of(rect: Rect) -> Rect {
    Rect::from_min_max(rect.min + vec2(GUTTER, HEAD), rect.max - vec2(0.0, 6.0))
}
