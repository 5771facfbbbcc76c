//! One chart painted with a pen, which is the screen's or a file's: its frame, the numbers of its y axis, its curves. Where the chart stands
//! and what the pointer does is `charts_ui`'s business.

use eframe::egui::{Align2, Color32, Rect, pos2, vec2};

use super::axis::{Scale, tick_text};
use super::chart::{Chart, Curve, Look};
use super::decimate::{Columns, without_outliers};
use super::drawn::{Drawn, Options};
use super::extremes::Extremes;
use super::pen::Pen;
use super::track::Track;

/// Room left of every chart for the numbers of its axis, so that all charts begin at one place.
pub const GUTTER: f32 = 58.0;
/// Room above a chart's curves for its title.
const HEAD: f32 = 22.0;
/// More points than this have no mark of their own.
const MARKED_MAX: usize = 120;

/// Where a chart's curves are inside its frame.
pub fn plot_of(rect: Rect) -> Rect {
    Rect::from_min_max(rect.min + vec2(GUTTER, HEAD), rect.max - vec2(0.0, 6.0))
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
