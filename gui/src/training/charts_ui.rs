//! The column of charts drawn, and what the pointer does to it.

use std::time::{Duration, Instant};

use eframe::egui::{
    Align2, CornerRadius, FontId, Key, PointerButton, Rect, Response, Role, ScrollArea, Sense, Stroke, Ui,
    WidgetInfo, pos2, vec2,
};

use super::Training;
use super::axis::{Scale, axis_ticks, place_text};
use super::chart::{Chart, Curve, Look};
use super::chart_paint::{GUTTER, paint, plot_of};
use super::charts::{Charts, drawn};
use super::drawn::Options;
use super::pen::ScreenPen;
use super::readout::{cursor, tooltip};
use super::run::RunView;
use crate::command::{Command, CurveAxis, TrainingCommand};
use crate::shared::Shared;
use crate::theme::strong_font;
use crate::tokens::{size, space};

/// Height of the strip with the numbers of the x axis.
const STRIP: f32 = 24.0;
/// What a frame may spend on smoothing.
const SMOOTHING: Duration = Duration::from_millis(2);
/// Height of a chart that is not the largest.
const LOW: f32 = 118.0;

/// Has what was seen in the last frame be smoothed as it should be, the uppermost first. A million points take milliseconds: when a frame has
/// spent its share, the rest follows in the next.
fn smoothen(charts: &Charts, runs: &mut [RunView], smoothing: f32, ui: &Ui) {
    let began = Instant::now();
    // Validations are measured over all of the validation part: there is no noise to take away.
    let smoothed = |curve: &&Curve| matches!(curve.look, Look::Smoothed | Look::Layers);
    for curve in charts.seen.iter().flat_map(|chart| chart.curves()).filter(smoothed) {
        for run in runs.iter_mut().filter(|r| r.drawn) {
            if run.curves.set_smoothing(curve.source, curve.series, smoothing) && began.elapsed() > SMOOTHING
            {
                ui.ctx().request_repaint();
                return;
            }
        }
    }
}

impl Training {
    /// The charts, and under them the numbers of their x axis.
    pub(super) fn charts_ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let smoothing = shared.settings.following.smoothing;
        let Training { runs, charts, .. } = self;
        smoothen(charts, runs, smoothing, ui);
        let all = ui.available_rect_before_wrap();
        let body = Rect::from_min_max(all.min, all.max - vec2(0.0, STRIP));
        let (from, to) = (all.left() + GUTTER, all.right() - space::L);
        let following = &shared.settings.following;
        let o = charts.options(shared);
        let x = charts.scale(runs, following.log_x, from, to);
        let drawn = drawn(runs, charts.axis, &x, shared);
        charts.hovered = None;
        let mut body_ui = ui.new_child(eframe::egui::UiBuilder::new().max_rect(body));
        ScrollArea::vertical().id_salt("charts").auto_shrink(false).show(&mut body_ui, |ui| {
            ui.spacing_mut().item_spacing.y = space::S;
            let loss = (body.height() * 0.52).clamp(150.0, 340.0);
            let mut tip = None;
            let mut frames = Vec::new();
            for chart in Chart::ALL.into_iter().filter(|c| drawn.iter().any(|r| c.is_in(r.curves))) {
                let height = if chart == Chart::Loss { loss } else { LOW };
                let (mut rect, response) =
                    ui.allocate_exact_size(vec2(all.width(), height), Sense::click_and_drag());
                rect.max.x = to;
                response.widget_info(|| {
                    WidgetInfo::labeled(
                        Role::Image,
                        true,
                        format!("{} chart, {}", chart.title(), chart.about()),
                    )
                });
                let plot = plot_of(rect);
                charts.pointer(&response, plot, &x, shared);
                if ui.is_rect_visible(rect) {
                    let y = paint(&mut ScreenPen::new(ui.painter()), chart, &drawn, rect, &x, &o);
                    if response.hovered() && charts.hovered.is_some() {
                        tip = Some((chart, y));
                    }
                    frames.push((chart, rect, y));
                }
            }
            let seen: Vec<Chart> = frames.iter().map(|(chart, ..)| *chart).collect();
            if charts.seen != seen {
                charts.seen = seen;
                ui.ctx().request_repaint();
            }
            if let Some((from, to)) = charts.selecting.zip(charts.hovered) {
                for (_, rect, _) in &frames {
                    let plot = plot_of(*rect);
                    let (a, b) = (x.place(from.min(to)), x.place(from.max(to)));
                    let chosen = Rect::from_x_y_ranges(a..=b, plot.y_range()).intersect(plot);
                    ui.painter().rect_filled(chosen, 0.0, o.tokens.minus.gamma_multiply(0.14));
                }
            }
            if let Some(at) = charts.cursor() {
                for (chart, rect, y) in &frames {
                    let readout = tip.is_none_or(|(tipped, _)| tipped != *chart);
                    cursor(ui, *chart, *rect, &drawn, at, &x, y, &o, readout);
                }
            } else {
                for (chart, rect, _) in &frames {
                    let at = pos2(rect.right(), rect.top() + 11.0);
                    let font = FontId::proportional(size::SMALL - 1.0);
                    ui.painter().text(
                        at,
                        Align2::RIGHT_CENTER,
                        chart.legend(o.smoothed),
                        font,
                        o.tokens.text_faint,
                    );
                }
            }
            if let (Some((chart, y)), Some(at)) = (tip, charts.hovered) {
                tooltip(ui, chart, &drawn, at, &x, &y, &o);
            }
        });
        let strip = Rect::from_min_max(pos2(all.left(), body.bottom()), pos2(to, all.bottom()));
        charts.strip(ui, strip, &x, &o);
        ui.allocate_rect(all, Sense::hover());
    }
}

impl Charts {
    /// What the pointer does: over a chart it moves the cursor, a click holds it, a drag chooses a stretch, a drag with the right
    /// button moves the view, the wheel with Ctrl zooms, a double click shows all.
    fn pointer(&mut self, response: &Response, plot: Rect, x: &Scale, shared: &Shared) {
        let send = |c| shared.send(Command::Training(c));
        let ctx = &response.ctx;
        if let Some(at) = response.hover_pos()
            && plot.x_range().contains(at.x)
        {
            self.hovered = Some(x.value(at.x));
            let zoom = ctx.input(|i| i.zoom_delta());
            if zoom != 1.0 {
                let (low, high) = x.zoomed(at.x, 1.0 / f64::from(zoom));
                send(TrainingCommand::Show(low, high));
            }
            let sideways = ctx.input(|i| i.smooth_scroll_delta().x);
            if sideways != 0.0 {
                let (low, high) = x.moved(sideways);
                send(TrainingCommand::Show(low, high));
            }
        }
        if response.double_clicked() {
            self.pinned = None;
            send(TrainingCommand::ShowAll);
        } else if response.clicked() {
            let at = response.interact_pointer_pos().map(|p| x.value(p.x));
            let held = self.pinned.take();
            send(TrainingCommand::Pin(if held.is_some() { None } else { at }));
        }
        let shifted = ctx.input(|i| i.modifiers.shift);
        if response.dragged_by(PointerButton::Secondary)
            || response.dragged_by(PointerButton::Middle)
            || (shifted && response.dragged_by(PointerButton::Primary))
        {
            let (low, high) = x.moved(response.drag_delta().x);
            send(TrainingCommand::Show(low, high));
        } else if response.drag_started_by(PointerButton::Primary) {
            self.selecting = ctx.input(|i| i.pointer.press_origin()).map(|p| x.value(p.x));
        }
        if let (Some(_), Some(at)) = (self.selecting, response.interact_pointer_pos())
            && response.dragged_by(PointerButton::Primary)
        {
            let to = x.value(at.x.clamp(plot.left(), plot.right()));
            self.hovered = Some(to);
        }
        if response.drag_stopped_by(PointerButton::Primary)
            && let (Some(from), Some(at)) = (self.selecting.take(), response.interact_pointer_pos())
        {
            let to = x.value(at.x.clamp(plot.left(), plot.right()));
            if (x.place(from) - x.place(to)).abs() > 4.0 {
                send(TrainingCommand::Show(from.min(to), from.max(to)));
            }
        }
        if self.pinned.is_some() && ctx.input(|i| i.key_pressed(Key::Escape)) {
            send(TrainingCommand::Pin(None));
        }
    }

    /// The numbers of the x axis, and where the cursor is among them.
    fn strip(&self, ui: &Ui, rect: Rect, x: &Scale, o: &Options) {
        let t = o.tokens;
        let painter = ui.painter().clone();
        let font = FontId::proportional(size::SMALL - 1.0);
        painter.hline(rect.left()..=rect.right(), rect.top(), Stroke::new(1.0, t.line));
        let most = ((rect.width() - GUTTER) / 90.0) as usize;
        let middle = rect.top() + STRIP / 2.0 + 1.0;
        let cursor = self
            .cursor()
            .filter(|c| (x.low..=x.high).contains(c))
            .map(|c| (x.place(c), place_text(self.axis, c)));
        let label = cursor.map(|(at, text)| {
            let galley = painter.layout_no_wrap(text, strong_font(size::SMALL - 1.0), t.text);
            let half = galley.size().x / 2.0 + 6.0;
            let at = at.clamp(rect.left() + GUTTER + half - 6.0, rect.right() - half);
            (Rect::from_center_size(pos2(at, middle), vec2(2.0 * half, STRIP - 6.0)), galley)
        });
        for (place, text) in axis_ticks(self.axis, x, most) {
            let at = pos2(place, middle);
            let galley = painter.layout_no_wrap(text, font.clone(), t.text_dim);
            let room = Rect::from_center_size(at, galley.size());
            let free = label.as_ref().is_none_or(|(taken, _)| !taken.expand(6.0).intersects(room));
            if free && room.right() <= rect.right() + 4.0 {
                painter.galley(room.min, galley, t.text_dim);
            }
        }
        let name = match self.axis {
            CurveAxis::Step => "step",
            CurveAxis::Tokens => "tokens",
            CurveAxis::Time => "time",
        };
        painter.text(pos2(rect.left() + 10.0, middle), Align2::LEFT_CENTER, name, font, t.text_faint);
        if let Some((taken, galley)) = label {
            painter.rect_filled(taken, CornerRadius::same(4), t.raised);
            painter.galley(taken.center() - galley.size() / 2.0, galley, t.text);
        }
    }
}
