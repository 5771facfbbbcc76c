//! The roofline drawn: what the machine can do at most as lines with their figures written on them, and what kernels make of it as
//! marks below. Both axes are logarithmic.

use std::sync::Arc;

use eframe::egui::{
    Align2, Color32, FontId, Galley, Painter, Pos2, Rect, Response, RichText, Role, Sense, Shape, Stroke, Ui,
    WidgetInfo, epaint::TextShape, lerp, pos2, vec2,
};

use super::bars::families;
use super::colour;
use super::results::Results;
use super::roofline::{Mark, Roofline, TOKENS, marks_of_all, threads_name};
use super::view::View;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{count, per_second, small};

/// Room for the labels of the axes.
const LEFT: f32 = 52.0;
const BOTTOM: f32 = 44.0;
/// How near the pointer must be to a mark.
const NEAR: f32 = 14.0;
const DOT: f32 = 4.0;

/// Where figures lie on the screen.
struct Plot<'a> {
    chart: &'a Roofline,
    rect: Rect,
    t: &'static Tokens,
}

impl Plot<'_> {
    fn at(&self, x: f64, y: f64) -> Pos2 {
        let (sx, sy) = (self.chart.x.share(x) as f32, self.chart.y.share(y) as f32);
        pos2(lerp(self.rect.x_range(), sx), lerp(self.rect.bottom()..=self.rect.top(), sy))
    }

    fn font(&self) -> FontId {
        FontId::proportional(size::SMALL)
    }
}

/// Draws it as high as it is asked to be.
pub fn ui(ui: &mut Ui, results: &Results, earlier: Option<&Results>, view: &View, height: f32) {
    let t = Tokens::of(ui.ctx());
    let Some(chart) = Roofline::new(results, earlier, view) else {
        ui.add_space(space::M);
        ui.label(small("The machine's limits are measured first; they are drawn here"));
        return;
    };
    let (outer, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), height.max(220.0)), Sense::hover());
    let words = words(&chart);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
    let rect = Rect::from_min_max(outer.min + vec2(LEFT, space::S), outer.max - vec2(space::S, BOTTOM));
    let plot = Plot { chart: &chart, rect, t };
    let names = families(results, earlier);
    let painter = ui.painter_at(outer);
    let inside = ui.painter_at(rect.expand(DOT));
    ground(&plot, &painter);
    axes(&plot, &painter);
    ceilings(&plot, &inside);
    let ghosts = earlier.map_or_else(Vec::new, |e| marks_of_all(e, chart.threads));
    for ghost in &ghosts {
        let at = plot.at(ghost.dot.ops_per_byte, ghost.dot.gops);
        cross(&inside, at, colour(ghost, &names, t).gamma_multiply(0.75));
    }
    let near = nearest(&plot, &chart.marks, &response);
    lines(&plot, &inside, &names, near);
    for (i, mark) in chart.marks.iter().enumerate() {
        draw(&plot, &inside, mark, colour(mark, &names, t), near == Some(i));
    }
    if let Some(mark) = near.and_then(|i| chart.marks.get(i)) {
        tell(response, &plot, mark);
    } else if let Some(ghost) = nearest(&plot, &ghosts, &response).map(|i| ghosts[i].clone()) {
        let mark = Mark { name: format!("earlier: {}", ghost.name), ..ghost };
        tell(response, &plot, &mark);
    }
    if height < 260.0 {
        return;
    }
    ui.add_space(space::XS);
    let note = "Rings are matrices that caches may hold, full dots come from memory. A kernel that looks sums up in tables \
                multiplies less and can pass the ceiling of multiply-adds.";
    ui.label(small(note));
}

fn words(chart: &Roofline) -> String {
    let limit = |name: &str, figure: Option<f64>, unit: &str| {
        figure.map_or(String::new(), |f| format!(", {name} {} {unit}", per_second(f)))
    };
    format!(
        "Roofline for {}{}{}, {} marks",
        threads_name(chart.threads),
        limit("multiply-adds", chart.ceiling, "GOPS"),
        limit("memory", chart.slopes.first().map(|s| s.gbs), "GB/s"),
        chart.marks.len()
    )
}

fn colour(mark: &Mark, names: &[String], t: &Tokens) -> Color32 {
    if mark.family == TOKENS { t.text } else { colour::of(&mark.family, names, t) }
}

/// What memory and registers allow, as a surface.
fn ground(plot: &Plot<'_>, painter: &Painter) {
    let x =
        |share: f32| 10f64.powf(plot.chart.x.from + (plot.chart.x.to - plot.chart.x.from) * f64::from(share));
    let corners: Vec<f64> = [x(0.0)].into_iter().chain(plot.chart.ridge()).chain([x(1.0)]).collect();
    // One convex piece between each two corners.
    for two in corners.windows(2) {
        if let (Some(a), Some(b)) = (plot.chart.limit(two[0]), plot.chart.limit(two[1])) {
            let (a, b) = (plot.at(two[0], a), plot.at(two[1], b));
            let floor = plot.rect.bottom();
            let points = vec![pos2(a.x, floor), a, b, pos2(b.x, floor)];
            let piece = Shape::convex_polygon(points, plot.t.panel, Stroke::NONE);
            painter.with_clip_rect(plot.rect).add(piece);
        }
    }
}

fn axes(plot: &Plot<'_>, painter: &Painter) {
    let (t, rect) = (plot.t, plot.rect);
    let fine = Stroke::new(1.0, t.line.gamma_multiply(0.25));
    let strong = Stroke::new(1.0, t.line);
    for (value, named) in plot.chart.x.ticks() {
        let x = plot.at(value, 1.0).x;
        painter.vline(x, rect.y_range(), if named { strong } else { fine });
        if named {
            painter.text(
                pos2(x, rect.bottom() + 4.0),
                Align2::CENTER_TOP,
                plain(value),
                plot.font(),
                t.text_dim,
            );
        }
    }
    for (value, named) in plot.chart.y.ticks() {
        let y = plot.at(1.0, value).y;
        painter.hline(rect.x_range(), y, if named { strong } else { fine });
        if named {
            painter.text(
                pos2(rect.left() - 6.0, y),
                Align2::RIGHT_CENTER,
                plain(value),
                plot.font(),
                t.text_dim,
            );
        }
    }
    let below = pos2(rect.center().x, rect.bottom() + 22.0);
    painter.text(below, Align2::CENTER_TOP, "operations per byte of weights", plot.font(), t.text_dim);
    upright(painter, "GOPS", pos2(rect.left() - LEFT + 2.0, rect.center().y), plot.font(), t.text_dim);
}

/// `0.5`, `20`, `1,000`.
fn plain(value: f64) -> String {
    if value >= 1.0 { count(value.round() as u64) } else { format!("{}", (value * 1e6).round() / 1e6) }
}

fn upright(painter: &Painter, text: &str, at: Pos2, font: FontId, color: Color32) {
    let galley = painter.layout_no_wrap(text.to_owned(), font, color);
    let half = galley.size() / 2.0;
    let start = at + vec2(0.0, half.x);
    painter.add(TextShape::new(start, galley, color).with_angle(-std::f32::consts::FRAC_PI_2));
}

/// The limits, each with its figure along it.
fn ceilings(plot: &Plot<'_>, painter: &Painter) {
    let (t, chart) = (plot.t, plot.chart);
    let (left, right) = (10f64.powf(chart.x.from), 10f64.powf(chart.x.to));
    // Where the label before ends, and how high its line is at the left.
    let mut before: Option<(f32, f32)> = None;
    for (i, slope) in chart.slopes.iter().enumerate() {
        // Up to the ceiling, and not out of the picture.
        let top = chart.ceiling.unwrap_or(f64::INFINITY).min(10f64.powf(chart.y.to));
        let bottom = 10f64.powf(chart.y.from);
        let (from, to) = (left.max(bottom / slope.gbs), right.min(top / slope.gbs));
        if from >= to {
            continue;
        }
        let (a, b) = (plot.at(from, slope.gbs * from), plot.at(to, slope.gbs * to));
        let text = format!("{} {} GB/s", slope.name, per_second(slope.gbs));
        if i == 0 {
            painter.line_segment([a, b], Stroke::new(2.0, t.text));
            let label = painter.layout_no_wrap(text, plot.font(), t.text);
            along(painter, label, a, b, 14.0, false);
            continue;
        }
        painter.add(Shape::dashed_line(&[a, b], Stroke::new(1.0, t.text_faint), 5.0, 4.0));
        let label = painter.layout_no_wrap(text, plot.font(), t.text_dim);
        // Lines that lie close together take turns.
        let start = match before {
            Some((end, height)) if (height - a.y).abs() < 20.0 => end + 16.0,
            _ => 14.0,
        };
        before = Some((start + label.size().x, a.y));
        along(painter, label, a, b, start, true);
    }
    if let Some(ceiling) = chart.ceiling {
        let from = chart.slopes.iter().map(|s| ceiling / s.gbs).fold(f64::INFINITY, f64::min);
        let from = if from.is_finite() { from.max(left) } else { left };
        let (a, b) = (plot.at(from, ceiling), plot.at(right, ceiling));
        let memory = chart.ridge().unwrap_or(left).clamp(from, right);
        let bend = plot.at(memory, ceiling);
        painter.add(Shape::dashed_line(&[a, bend], Stroke::new(1.0, t.text_faint), 5.0, 4.0));
        painter.line_segment([bend, b], Stroke::new(2.0, t.text));
        let threads = threads_name(chart.threads);
        let text = format!("multiply-adds from registers {} GOPS, {threads}", per_second(ceiling));
        painter.text(b - vec2(6.0, 5.0), Align2::RIGHT_BOTTOM, text, plot.font(), t.text);
        if let Some(ridge) = chart.ridge().filter(|r| (left..=right).contains(r)) {
            let foot = pos2(bend.x, plot.rect.bottom());
            painter.add(Shape::dashed_line(&[bend, foot], Stroke::new(1.0, t.text_faint), 2.0, 4.0));
            let text = format!("{} ops/byte", per_second(ridge));
            painter.text(foot + vec2(5.0, -4.0), Align2::LEFT_BOTTOM, text, plot.font(), t.text_dim);
        }
    }
}

/// A text along a rising line, above or below it, so far from its lower end, if it has room there.
fn along(painter: &Painter, galley: Arc<Galley>, a: Pos2, b: Pos2, start: f32, above: bool) {
    if (b - a).length() < start + galley.size().x + 10.0 {
        return;
    }
    let direction = (b - a).normalized();
    let aside = if above { galley.size().y + 2.0 } else { -3.0 };
    let corner = a + direction * start + vec2(direction.y, -direction.x) * aside;
    let color = painter.ctx().global_style().visuals.text_color();
    painter.add(TextShape::new(corner, galley, color).with_angle(direction.angle()));
}

/// The mark nearest to the pointer.
fn nearest(plot: &Plot<'_>, marks: &[Mark], response: &Response) -> Option<usize> {
    let pointer = response.hover_pos()?;
    let far = |m: &Mark| plot.at(m.dot.ops_per_byte, m.dot.gops).distance(pointer);
    let (i, distance) = marks.iter().map(far).enumerate().min_by(|a, b| a.1.total_cmp(&b.1))?;
    (distance <= NEAR).then_some(i)
}

/// Marks of one matrix by one kernel, joined as its batch grows.
fn lines(plot: &Plot<'_>, painter: &Painter, names: &[String], near: Option<usize>) {
    let marks = &plot.chart.marks;
    let near = near.map(|i| marks[i].dot.line.as_str());
    let mut drawn: Vec<&str> = Vec::new();
    for mark in marks {
        if drawn.contains(&mark.dot.line.as_str()) {
            continue;
        }
        drawn.push(&mark.dot.line);
        let mut of_line: Vec<&Mark> = marks.iter().filter(|m| m.dot.line == mark.dot.line).collect();
        of_line.sort_by(|a, b| a.dot.ops_per_byte.total_cmp(&b.dot.ops_per_byte));
        let points: Vec<Pos2> = of_line.iter().map(|m| plot.at(m.dot.ops_per_byte, m.dot.gops)).collect();
        let lit = near == Some(mark.dot.line.as_str());
        let color = colour(mark, names, plot.t).gamma_multiply(if lit { 1.0 } else { 0.4 });
        painter.add(Shape::line(points, Stroke::new(if lit { 1.5 } else { 1.0 }, color)));
    }
}

fn draw(plot: &Plot<'_>, painter: &Painter, mark: &Mark, color: Color32, lit: bool) {
    let at = plot.at(mark.dot.ops_per_byte, mark.dot.gops);
    let radius = if lit { DOT + 1.5 } else { DOT };
    if mark.family == TOKENS {
        let diamond =
            [vec2(0.0, -1.4), vec2(1.4, 0.0), vec2(0.0, 1.4), vec2(-1.4, 0.0)].map(|v| at + v * radius);
        painter.add(Shape::convex_polygon(diamond.to_vec(), color, Stroke::new(1.0, plot.t.bg)));
    } else if mark.dot.hot {
        painter.circle(at, radius - 0.5, plot.t.panel, Stroke::new(1.5, color));
    } else {
        painter.circle(at, radius, color, Stroke::new(1.0, plot.t.bg));
    }
}

fn cross(painter: &Painter, at: Pos2, color: Color32) {
    let stroke = Stroke::new(1.2, color);
    let r = 3.0;
    painter.line_segment([at - vec2(r, r), at + vec2(r, r)], stroke);
    painter.line_segment([at - vec2(r, -r), at + vec2(r, -r)], stroke);
}

fn tell(response: Response, plot: &Plot<'_>, mark: &Mark) {
    let d = &mark.dot;
    let mut lines =
        vec![format!("{} GOPS at {} operations per byte", per_second(d.gops), per_second(d.ops_per_byte))];
    lines.push(format!("{} GB/s of weights", per_second(d.gops / d.ops_per_byte)));
    if let Some(share) = d.share {
        let limit = if d.hot { "the ceiling of multiply-adds" } else { "what memory gives" };
        lines.push(format!("{:.0} % of {limit}, measured beside it", 100.0 * share));
    } else if let Some(limit) = plot.chart.limit(d.ops_per_byte) {
        lines.push(format!("the roof is {} GOPS here", per_second(limit)));
    }
    response.on_hover_ui_at_pointer(|ui| {
        ui.label(RichText::new(&mark.name).size(size::SMALL).strong());
        for line in lines {
            ui.label(small(line));
        }
    });
}
