//! Bars: every test with its backends side by side, mean with whiskers of one standard deviation, how many times as fast as the
//! baseline. What is wrong is said in the place of its bar and never has one.

use std::sync::Arc;

use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{
    Align2, Color32, CornerRadius, FontId, Galley, Painter, Rect, RichText, Role, Sense, Stroke, StrokeKind,
    Ui, WidgetInfo, pos2, vec2,
};

use super::colour;
use super::figure::Figure;
use super::machine::{SOFTWARE, short};
use super::results::{Group, Results};
use super::view::View;
use crate::icons::Icon;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{count, per_second, small};

const ROW: f32 = 24.0;
const BAR: f32 = 12.0;
const GHOST: f32 = 18.0;

/// Where the parts of a row are.
#[derive(Clone, Copy)]
struct Columns {
    name: f32,
    value: f32,
    times: f32,
}

/// What all rows are drawn with.
struct Sheet<'a> {
    results: &'a Results,
    earlier: Option<&'a Results>,
    baseline: Option<String>,
    families: Vec<String>,
    columns: Columns,
    t: &'static Tokens,
}

/// Draws every test that is shown.
pub fn ui(ui: &mut Ui, results: &Results, earlier: Option<&Results>, view: &View) {
    let t = Tokens::of(ui.ctx());
    let width = ui.available_width();
    let columns = Columns {
        name: (0.24 * width).clamp(96.0, 190.0),
        value: (0.22 * width).clamp(104.0, 150.0),
        times: 64.0,
    };
    let baseline = view.baseline(results);
    let sheet = Sheet { results, earlier, baseline, families: families(results, earlier), columns, t };
    let mut tests: Vec<Group> =
        results.groups.iter().filter(|g| view.shows(g.kind, g.shape.as_deref())).cloned().collect();
    // What only the earlier result has, behind the rest.
    if let Some(earlier) = earlier {
        let only = earlier.groups.iter().filter(|g| view.shows(g.kind, g.shape.as_deref()));
        let only = only.filter(|g| !results.groups.iter().any(|h| h.kind == g.kind && h.test == g.test));
        tests.extend(only.map(|g| Group { figures: Vec::new(), ..g.clone() }));
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    for test in &tests {
        sheet.test(ui, test);
    }
    if tests.is_empty() {
        ui.add_space(space::M);
        ui.label(small("No figure of this kind was measured"));
    }
    if !results.skipped.is_empty() {
        ui.add_space(space::S);
        for line in &results.skipped {
            ui.label(small(line));
        }
    }
}

/// Every kernel and adapter of both results.
pub fn families(results: &Results, earlier: Option<&Results>) -> Vec<String> {
    let mut all = results.families();
    for family in earlier.map_or_else(Vec::new, Results::families) {
        if !all.contains(&family) {
            all.push(family);
        }
    }
    all
}

impl Sheet<'_> {
    fn test(&self, ui: &mut Ui, test: &Group) {
        let ghosts: Vec<&Figure> = self.earlier.map_or_else(Vec::new, |e| {
            e.figures
                .iter()
                .filter(|f| f.kind == test.kind && f.test == test.test && f.stats.is_some())
                .collect()
        });
        let here: Vec<&Figure> = test.figures.iter().map(|&i| &self.results.figures[i]).collect();
        let only: Vec<&Figure> =
            ghosts.iter().copied().filter(|g| here.iter().all(|f| f.backend != g.backend)).collect();
        ui.add_space(space::M);
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::S;
            ui.label(RichText::new(&test.test).font(strong_font(size::BODY)).color(self.t.text));
            ui.label(small(test.kind.unit()));
        });
        ui.add_space(space::XS);
        // Rows out of sight only take their room.
        let rows = here.len() + only.len();
        let (all, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW * rows as f32), Sense::hover());
        if !ui.is_rect_visible(all) {
            return;
        }
        let reach =
            here.iter().chain(&ghosts).filter_map(|f| f.stats).map(|s| s.mean + s.sd).fold(0.0, f64::max);
        for (i, figure) in here.iter().chain(&only).enumerate() {
            let top = all.top() + ROW * i as f32;
            let rect = Rect::from_min_max(pos2(all.left(), top), pos2(all.right(), top + ROW));
            let ghost = ghosts.iter().copied().find(|g| g.backend == figure.backend);
            let only = i >= here.len();
            self.row(ui, rect, (!only).then_some(*figure), ghost, reach, figure);
        }
    }

    /// One backend: its figure, the earlier one, or both.
    fn row(
        &self,
        ui: &mut Ui,
        rect: Rect,
        here: Option<&Figure>,
        ghost: Option<&Figure>,
        reach: f64,
        any: &Figure,
    ) {
        let t = self.t;
        let response =
            ui.interact(rect, ui.scope_id().with(("bar", &any.test, &any.backend)), Sense::hover());
        let words = self.words(here, ghost, any);
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
        let painter = ui.painter_at(rect);
        if response.hovered() {
            painter.rect_filled(rect, CornerRadius::same(4), t.panel);
        }
        let color = colour::of(&any.family, &self.families, t);
        let font = FontId::proportional(size::SMALL);
        let dim = if here.is_some() { t.text } else { t.text_dim };
        let name = fit(&painter, short(&any.backend), dim, self.columns.name - space::S);
        painter.galley(pos2(rect.left(), rect.center().y - name.size().y / 2.0), name, dim);

        let right = rect.right() - self.columns.value - self.columns.times;
        let bars = Rect::from_min_max(
            pos2(rect.left() + self.columns.name, rect.top()),
            pos2(right - space::M, rect.bottom()),
        );
        painter.vline(bars.left(), rect.y_range(), Stroke::new(1.0, t.line));
        if let Some(error) = here.and_then(|f| f.error.as_ref()) {
            let icon = Rect::from_center_size(pos2(bars.left() + 14.0, bars.center().y), vec2(13.0, 13.0));
            Icon::Warn.paint(&painter, icon, t.bad);
            let from = icon.right() + 6.0;
            let line = fit(&painter, &format!("wrong: {error}"), t.bad, rect.right() - from);
            painter.galley(pos2(from, rect.center().y - line.size().y / 2.0), line, t.bad);
            hover(response, &words, any);
            return;
        }
        let scale =
            |v: f64| bars.left() + bars.width() * (v / reach.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0) as f32;
        if let Some(stats) = ghost.and_then(|f| f.stats) {
            let outline = bar(bars, scale(stats.mean), GHOST);
            painter.rect_stroke(
                outline,
                CornerRadius::same(2),
                Stroke::new(1.0, t.text_dim),
                StrokeKind::Inside,
            );
        }
        let mut value = None;
        if let Some((figure, stats)) = here.and_then(|f| Some((f, f.stats?))) {
            painter.rect_filled(bar(bars, scale(stats.mean), BAR), CornerRadius::same(2), color);
            let (low, high) = (scale(stats.mean - stats.sd), scale(stats.mean + stats.sd));
            whisker(&painter, bars.center().y, low, high, t);
            value = Some(stats);
            if let Some(times) = self.baseline.as_ref().and_then(|b| self.results.speedup(figure, b)) {
                let base = self.baseline.as_deref() == Some(figure.backend.as_str());
                let text = if base { "baseline".to_owned() } else { times_text(times) };
                let color = if base { t.text_faint } else { t.text };
                painter.text(
                    rect.right_center(),
                    Align2::RIGHT_CENTER,
                    text,
                    FontId::proportional(size::SMALL),
                    color,
                );
            }
        }
        let number = pos2(rect.right() - self.columns.times, rect.center().y);
        if let Some(s) = value.or(ghost.and_then(|f| f.stats)) {
            let plus = if s.count > 1 || s.sd > 0.0 {
                format!(" ± {}", deviation(s.sd, s.mean))
            } else {
                String::new()
            };
            let faint = painter.layout_no_wrap(plus, font.clone(), t.text_faint);
            let x = number.x - faint.size().x.max(46.0);
            painter.galley(pos2(x, number.y - faint.size().y / 2.0), faint, t.text_faint);
            painter.text(pos2(x, number.y), Align2::RIGHT_CENTER, per_second(s.mean), font, dim);
        }
        hover(response, &words, any);
    }

    /// A row as a sentence, for who cannot see it and for whoever points at it.
    fn words(&self, here: Option<&Figure>, ghost: Option<&Figure>, any: &Figure) -> String {
        let unit = any.kind.unit();
        let mut words = format!("{}, {}", any.test, any.backend);
        if self.results.machine.is_software(&any.family) {
            words.push_str(&format!(" ({SOFTWARE})"));
        }
        if let Some(f) = here {
            if let Some(s) = f.stats {
                words.push_str(&format!("\n{} ± {} {unit}", per_second(s.mean), deviation(s.sd, s.mean)));
                words.push_str(&format!(
                    "\nmedian {}, least {}, most {}, 95 % up to {}\n{}",
                    per_second(s.median),
                    per_second(s.min),
                    per_second(s.max),
                    per_second(s.p95),
                    if s.count == 1 { "1 repetition".to_owned() } else { format!("{} repetitions", s.count) }
                ));
            }
            if let (Some(b), Some(times)) =
                (&self.baseline, self.baseline.as_ref().and_then(|b| self.results.speedup(f, b)))
            {
                words.push_str(&format!("\n{} as fast as {b}", times_text(times)));
            }
            if let Some(share) = f.dot.as_ref().and_then(|d| d.share) {
                words.push_str(&format!("\n{:.0} % of what bounds it", 100.0 * share));
            }
            if let Some(ms) = f.first_token_ms {
                words.push_str(&format!("\nfirst token after {ms:.1} ms"));
            }
            for line in &f.more {
                words.push_str(&format!("\n{line}"));
            }
            words.push_str(&format!("\n{}", f.verdict()));
        }
        if let Some(s) = ghost.and_then(|g| g.stats) {
            words.push_str(&format!("\nearlier {} ± {} {unit}", per_second(s.mean), deviation(s.sd, s.mean)));
            if let Some(now) = here.and_then(|f| f.stats) {
                words.push_str(&format!(", now {} as fast", times_text(now.mean / s.mean)));
            }
        }
        words
    }
}

fn hover(response: eframe::egui::Response, words: &str, any: &Figure) {
    response.on_hover_ui_at_pointer(|ui| {
        for (i, line) in words.lines().enumerate() {
            let text = RichText::new(line).size(size::SMALL);
            ui.label(if i == 0 {
                text.strong()
            } else if any.error.is_some() {
                text
            } else {
                text.weak()
            });
        }
    });
}

/// A line of small text, cut with … where there is no more room.
pub fn fit(painter: &Painter, text: &str, color: Color32, width: f32) -> Arc<Galley> {
    let mut job = LayoutJob::simple_singleline(text.to_owned(), FontId::proportional(size::SMALL), color);
    job.wrap = TextWrapping::truncate_at_width(width.max(8.0));
    painter.layout_job(job)
}

fn bar(within: Rect, to: f32, height: f32) -> Rect {
    let (top, bottom) = (within.center().y - height / 2.0, within.center().y + height / 2.0);
    Rect::from_min_max(pos2(within.left(), top), pos2(to.max(within.left() + 1.0), bottom))
}

/// One standard deviation to both sides, told from the bar by an edge in the ground's colour.
fn whisker(painter: &Painter, y: f32, low: f32, high: f32, t: &Tokens) {
    let draw = |width: f32, color: Color32| {
        let stroke = Stroke::new(width, color);
        painter.hline(low..=high, y, stroke);
        for x in [low, high] {
            painter.vline(x, y - 4.0..=y + 4.0, stroke);
        }
    };
    draw(3.5, t.bg);
    draw(1.5, t.text);
}

/// As many digits as the mean has.
fn deviation(sd: f64, mean: f64) -> String {
    match mean {
        m if m >= 100.0 => count(sd.round() as u64),
        m if m >= 9.995 => format!("{sd:.1}"),
        _ => format!("{sd:.2}"),
    }
}

/// `×5.4`, `×123`, `×0.08`.
pub fn times_text(times: f64) -> String {
    match times {
        t if t >= 99.5 => format!("×{t:.0}"),
        t if t >= 9.95 => format!("×{t:.1}"),
        t => format!("×{t:.2}"),
    }
}
