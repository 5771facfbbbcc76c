//! What the charts say at the cursor: a line and dots in each, the values beside the pointer, and in the others above the curves.

use eframe::egui::{
    Align2, Area, FontId, Frame, Id, Margin, Order, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2,
};

use super::axis::{Scale, place_text};
use super::chart::Chart;
use super::chart_paint::{GUTTER, plot_of};
use super::curves::Source;
use super::drawn::{Drawn, Options, Reading, values_at};
use crate::command::CurveAxis;
use crate::theme::strong_font;
use crate::tokens::{size, space};
use crate::widgets::count;

/// The cursor in a chart: its line, a dot on each curve, and the values where no tooltip tells them.
pub fn cursor(
    ui: &Ui,
    chart: Chart,
    rect: Rect,
    runs: &[Drawn<'_>],
    at: f64,
    x: &Scale,
    y: &Scale,
    o: &Options,
    readout: bool,
) {
    let t = o.tokens;
    let plot = plot_of(rect);
    let place = x.place(at);
    if !plot.x_range().contains(place) {
        return;
    }
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    painter.vline(place, plot.y_range(), Stroke::new(1.0, t.text_faint));
    let mut right = rect.right();
    for run in runs.iter().rev() {
        let values = values_at(chart, run, at, x, y, o);
        for reading in &values {
            if let Some(dot) = reading.place.filter(|d| plot.contains(*d)) {
                painter.circle(dot, 3.2, run.color, Stroke::new(1.5, t.bg));
            }
        }
        if readout && right > rect.left() + GUTTER + 200.0 {
            let short = values.iter().filter_map(|r| match r.what {
                "validation" => Some(format!("val {}", r.text)),
                "smoothed" | "lowest" | "highest" => None,
                _ => Some(r.text.clone()),
            });
            let text = short.collect::<Vec<_>>().join("  ");
            let font = FontId::proportional(size::SMALL - 0.5);
            let drawn =
                painter.text(pos2(right, rect.top() + 11.0), Align2::RIGHT_CENTER, text, font, run.color);
            right = drawn.left() - space::L;
        }
    }
}

/// Every run's values at the cursor, beside the pointer.
pub fn tooltip(ui: &Ui, chart: Chart, runs: &[Drawn<'_>], at: f64, x: &Scale, y: &Scale, o: &Options) {
    let t = o.tokens;
    let Some(pointer) = ui.ctx().pointer_hover_pos() else { return };
    let window = ui.ctx().content_rect();
    let left = pointer.x > window.right() - 330.0;
    let pivot = if left { Align2::RIGHT_TOP } else { Align2::LEFT_TOP };
    let readings: Vec<(&Drawn<'_>, Vec<Reading>)> = runs
        .iter()
        .map(|run| (run, values_at(chart, run, at, x, y, o)))
        .filter(|(_, r)| !r.is_empty())
        .collect();
    let mut heads: Vec<&str> = Vec::new();
    for what in readings.iter().flat_map(|(_, r)| r.iter().map(|r| r.what)) {
        if !heads.contains(&what) {
            heads.push(what);
        }
    }
    if o.axis != CurveAxis::Step {
        heads.push("step");
    }
    // Columns as wide as their widest text; numbers stand at the right of theirs.
    let font = FontId::proportional(size::SMALL);
    let set = |text: String, color| ui.painter().layout_no_wrap(text, font.clone(), color);
    let head = ui.painter().layout_no_wrap(place_text(o.axis, at), strong_font(size::SMALL), t.text);
    let mut rows = vec![heads.iter().map(|h| set((*h).to_owned(), t.text_dim)).collect::<Vec<_>>()];
    let mut names = vec![head];
    let mut said = place_text(o.axis, at);
    for (run, values) in &readings {
        names.push(set(crate::widgets::shorten(&run.shown, 26), t.text));
        said = format!("{said}, {}", run.shown);
        let value = |what: &&str| match values.iter().find(|r| r.what == *what) {
            Some(r) => r.text.clone(),
            None if *what == "step" => run
                .row_at(Source::Steps, o.axis, at)
                .map_or_else(String::new, |row| count(run.curves.steps.x(CurveAxis::Step)[row] as u64)),
            None => String::new(),
        };
        for what in &heads {
            said = format!("{said} {what} {}", value(what));
        }
        let color = |text: &str| if text == "not a number" { t.bad } else { t.text };
        rows.push(heads.iter().map(value).map(|text| set(text.clone(), color(&text))).collect());
    }
    const ROW: f32 = 19.0;
    let widest = |i: usize| rows.iter().map(|row| row[i].size().x).fold(0.0, f32::max) + space::L;
    let first = names.iter().map(|n| n.size().x).fold(0.0, f32::max) + 14.0;
    let widths: Vec<f32> = (0..heads.len()).map(widest).collect();
    let whole = vec2(first + widths.iter().sum::<f32>(), ROW * names.len() as f32);
    let top = (pointer.y + 14.0).min(window.bottom() - whole.y - 30.0);
    let place = pos2(if left { pointer.x - 14.0 } else { pointer.x + 14.0 }, top);
    let area = Area::new(Id::unique("chart values")).order(Order::Tooltip).pivot(pivot).fixed_pos(place);
    area.interactable(false).show(ui.ctx(), |ui| {
        Frame::popup(ui.style()).fill(t.panel).inner_margin(Margin::symmetric(10, 7)).show(ui, |ui| {
            let (rect, response) = ui.allocate_exact_size(whole, Sense::hover());
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
            for (i, (name, row)) in names.into_iter().zip(rows).enumerate() {
                let middle = rect.top() + ROW * (i as f32 + 0.5);
                let indent = if i == 0 { 0.0 } else { 14.0 };
                if i > 0 {
                    ui.painter().circle_filled(pos2(rect.left() + 4.0, middle), 4.0, readings[i - 1].0.color);
                }
                let at = pos2(rect.left() + indent, middle - name.size().y / 2.0);
                ui.painter().galley(at, name, t.text);
                let mut right = rect.left() + first;
                for (value, width) in row.into_iter().zip(&widths) {
                    right += width;
                    let at = pos2(right - value.size().x, middle - value.size().y / 2.0);
                    ui.painter().galley(at, value, t.text);
                }
            }
        });
    });
}
