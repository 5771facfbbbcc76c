//! Small charts, drawn by hand: shares as one bar, a histogram, the weights of a few rows as curves. They know numbers and colours,
//! nothing of tensors.

use eframe::egui::{
    Align, Color32, CornerRadius, FontId, Painter, Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2,
    vec2,
};
use formats::measure::Histogram;

use super::paint::readable_on;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{cell, cell_in};

/// Parts of a whole, side by side in one bar; what they are is written on those that are wide enough.
pub fn share_bar(ui: &mut Ui, height: f32, name: &str, parts: &[(f64, Color32, String)]) -> Response {
    let t = Tokens::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let all: f64 = parts.iter().map(|p| p.0).sum::<f64>().max(f64::MIN_POSITIVE);
    let mut left = rect.left();
    let mut hint = String::new();
    for (i, (part, color, text)) in parts.iter().enumerate() {
        let width = (part / all) as f32 * rect.width();
        let right = if i + 1 == parts.len() { rect.right() } else { left + width };
        let area = Rect::from_min_max(pos2(left, rect.top()), pos2((right - 1.0).max(left), rect.bottom()));
        let round = |on: bool| if on { 4 } else { 1 };
        let (first, last) = (round(i == 0), round(i + 1 == parts.len()));
        ui.painter().rect_filled(area, CornerRadius { nw: first, sw: first, ne: last, se: last }, *color);
        if area.width() > 46.0 && height >= 16.0 {
            let font = FontId::proportional(size::SMALL);
            cell_in(ui, area.shrink2(vec2(6.0, 0.0)), Align::Center, text, font, readable_on(*color, t));
        }
        hint.push_str(if i > 0 { "\n" } else { "" });
        hint.push_str(text);
        left = right;
    }
    response.widget_info(|| {
        WidgetInfo::labeled(Role::Image, true, format!("{name}: {}", hint.replace('\n', ", ")))
    });
    response.on_hover_text(hint)
}

/// Bars of a histogram over a line with the range; `lines` are values to be marked.
pub fn histogram(ui: &mut Ui, height: f32, name: &str, h: &Histogram, color: Color32, lines: &[(f64, &str)]) {
    let t = Tokens::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    let plot = Rect::from_min_max(rect.min, pos2(rect.right(), rect.bottom() - 18.0));
    let most = h.bins.iter().copied().max().unwrap_or(0).max(1) as f32;
    let step = plot.width() / h.bins.len() as f32;
    let hovered =
        response.hover_pos().map(|p| (((p.x - plot.left()) / step).max(0.0) as usize).min(h.bins.len() - 1));
    for (i, n) in h.bins.iter().enumerate() {
        // What is there at all is seen.
        let tall = if *n == 0 { 0.0 } else { (*n as f32 / most * plot.height()).max(1.0) };
        let left = plot.left() + step * i as f32;
        let bar = Rect::from_min_max(
            pos2(left, plot.bottom() - tall),
            pos2(left + (step - 1.0).max(1.0), plot.bottom()),
        );
        ui.painter().rect_filled(bar, 0.0, if hovered == Some(i) { t.text } else { color });
    }
    ui.painter().hline(plot.x_range(), plot.bottom(), Stroke::new(1.0, t.line));
    let place = |v: f64| {
        plot.left() + ((v - f64::from(h.low)) / (f64::from(h.high) - f64::from(h.low))) as f32 * plot.width()
    };
    let line = Rect::from_min_max(pos2(rect.left(), plot.bottom() + 2.0), rect.max);
    cell(ui, line, Align::Min, &number(f64::from(h.low)), t.text_dim);
    cell(ui, line, Align::Max, &number(f64::from(h.high)), t.text_dim);
    for (value, what) in lines {
        let x = place(*value);
        if !(plot.left()..=plot.right()).contains(&x) {
            continue;
        }
        ui.painter().vline(x, plot.y_range(), Stroke::new(1.0, t.text));
        // Clear of the ends of the range.
        let middle = x.clamp(line.left() + 126.0, (line.right() - 126.0).max(line.left() + 126.0));
        let label = Rect::from_center_size(pos2(middle, line.center().y), vec2(132.0, line.height()));
        cell(ui, label, Align::Center, what, t.text_dim);
    }
    if let Some(i) = hovered {
        let text = format!(
            "{} to {}\n{}",
            number(h.edge(i).into()),
            number(h.edge(i + 1).into()),
            crate::widgets::count(h.bins[i])
        );
        response.on_hover_text_at_pointer(text);
    }
}

/// Each row of weights as a curve, its least and greatest value at every point of the screen.
pub fn curves(ui: &mut Ui, rect: Rect, values: &[f32], cols: usize, rows: usize, t: &Tokens) {
    let finite = values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite.fold((0.0f32, 0.0f32), |(l, h), v| (l.min(v), h.max(v)));
    let high = if high > low { high } else { low + 1.0 };
    let gap = space::M;
    let tall = ((rect.height() - gap * (rows as f32 - 1.0)) / rows as f32).max(8.0);
    for (r, row) in values.chunks(cols).enumerate() {
        let top = rect.top() + (tall + gap) * r as f32;
        let area = Rect::from_min_max(pos2(rect.left(), top), pos2(rect.right(), top + tall));
        ui.painter().rect_filled(area, 2.0, t.panel);
        curve(ui.painter(), area, row, [low, high], t);
    }
}

fn curve(painter: &Painter, area: Rect, row: &[f32], [low, high]: [f32; 2], t: &Tokens) {
    let y = |v: f32| area.bottom() - (v - low) / (high - low) * area.height();
    painter.hline(area.x_range(), y(0.0), Stroke::new(1.0, t.line));
    let bars = (area.width() as usize).min(row.len()).max(1);
    let wide = area.width() / bars as f32;
    for i in 0..bars {
        let part = &row[row.len() * i / bars..(row.len() * (i + 1) / bars).max(row.len() * i / bars + 1)];
        let x = area.left() + wide * i as f32;
        let thick = if wide > 3.0 { wide - 1.0 } else { wide };
        let bar = |from: f32, to: f32, color| {
            let rect = Rect::from_two_pos(pos2(x, y(from)), pos2(x + thick, y(to)));
            painter.rect_filled(rect, 0.0, color);
        };
        let (least, most) =
            part.iter().filter(|v| v.is_finite()).fold((0.0f32, 0.0f32), |(l, h), v| (l.min(*v), h.max(*v)));
        if least < 0.0 {
            bar(least, 0.0, t.minus);
        }
        if most > 0.0 {
            bar(0.0, most, t.plus);
        }
    }
}

/// A figure of a weight or a scale, four digits long.
pub fn number(v: f64) -> String {
    let size = v.abs();
    if v == 0.0 {
        "0".into()
    } else if (1e-3..1e5).contains(&size) {
        let digits = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
        format!("{v:.digits$}")
    } else {
        format!("{v:.2e}")
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_four_digits() {
        let shown = [0.0, 0.02134, -1.5, 123.456, 99_999.4, 1e-7, -3e9].map(number);
        assert_eq!(shown, ["0", "0.02134", "-1.500", "123.5", "99999", "1.00e-7", "-3.00e9"]);
    }
}
