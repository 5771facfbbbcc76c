//! What is drawn over the weights: values from very near, lines between groups, a frame under the pointer, how much is in sight.

use eframe::egui::{Align2, FontId, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, pos2};

use super::paint::{Ink, readable_on};
use super::portrait::Portrait;
use super::pyramid::Cell;
use super::spot::Spot;
use super::view::{View, size_of};
use crate::tokens::{Tokens, size};

/// From so many points of a weight on its value is written on it.
const WRITTEN: f64 = 30.0;

/// A ternary weight as it is written.
pub fn code(cell: Cell) -> &'static str {
    match (cell.a > 0.5, cell.b > 0.5) {
        (true, _) => "-1",
        (_, true) => "+1",
        _ => "0",
    }
}

/// From very near, each weight's value on it.
pub fn written(
    painter: &Painter,
    cell: impl Fn(u64, u64) -> Option<Cell>,
    view: View,
    place: Rect,
    portrait: &Portrait,
    t: &Tokens,
) {
    let [sx, sy] = view.points();
    let (ternary, ink) = (portrait.measured.ternary.is_some(), Ink::of(&portrait.measured));
    if sx.min(sy) < if ternary { WRITTEN } else { 1.5 * WRITTEN } {
        return;
    }
    let [x, y] = view.seen(size_of(place));
    for row in y[0] as u64..y[1].ceil() as u64 {
        for col in x[0] as u64..x[1].ceil() as u64 {
            let Some(cell) = cell(col, row) else { continue };
            let text = if ternary { code(cell).to_owned() } else { format!("{:.3}", cell.a) };
            let rect = view.rect(place.min, [col as f64, col as f64 + 1.0], [row as f64, row as f64 + 1.0]);
            let color = readable_on(ink.color(cell, 0, t), t);
            painter.text(
                rect.center(),
                Align2::CENTER_CENTER,
                text,
                FontId::monospace(size::SMALL - 1.0),
                color,
            );
        }
    }
}

/// Lines between groups of weights that share a scale, and a frame round the cell under the pointer.
pub fn marks(
    painter: &Painter,
    portrait: &Portrait,
    view: View,
    place: Rect,
    spot: Option<&Spot>,
    t: &Tokens,
) {
    let dims = portrait.info.dims;
    let [x, y] = view.seen(size_of(place));
    let grouped = portrait.measured.ternary.as_ref().filter(|ternary| ternary.factor.is_none());
    if let Some(ternary) = grouped.filter(|_| view.points()[0] >= 2.5) {
        for group in (x[0] as usize / ternary.group)..=(x[1] as usize / ternary.group) {
            let col = (group * ternary.group) as f64;
            if col > 0.0 && col < dims.row() as f64 {
                let line = view.rect(place.min, [col, col], y);
                painter
                    .add(Shape::line_segment([line.left_top(), line.left_bottom()], Stroke::new(1.0, t.bg)));
            }
        }
    }
    if let Some(spot) = spot.filter(|s| view.points()[0] * s.side as f64 >= 5.0) {
        let range = |at: u64| [at as f64, (at + spot.side) as f64];
        let cell = view.rect(place.min, range(spot.at[0]), range(spot.at[1]));
        painter.rect_stroke(cell, 0.0, Stroke::new(1.5, t.text), StrokeKind::Outside);
    }
}

/// How much of the picture is in sight, as bars at its right and lower edge where not all of it is.
pub fn bars(painter: &Painter, view: View, place: Rect, t: &Tokens) {
    let [x, y] = view.shares(size_of(place));
    let thick = 3.0;
    let bar = |from: Pos2, to: Pos2| painter.rect_filled(Rect::from_two_pos(from, to), 1.5, t.text);
    let along = |[from, to]: [f32; 2], start: f32, length: f32| {
        let least = 12.0 / length;
        let to = to.max(from + least).min(1.0);
        (start + from.min(1.0 - least) * length, start + to * length)
    };
    if y[1] - y[0] < 0.999 {
        let (from, to) = along(y, place.top(), place.height());
        bar(pos2(place.right() - thick - 2.0, from), pos2(place.right() - 2.0, to));
    }
    if x[1] - x[0] < 0.999 {
        let (from, to) = along(x, place.left(), place.width());
        bar(pos2(from, place.bottom() - thick - 2.0), pos2(to, place.bottom() - 2.0));
    }
}
