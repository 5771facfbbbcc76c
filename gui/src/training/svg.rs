//! The charts as an SVG file: the same painting, with a pen that writes.

use std::fmt::Write;

use eframe::egui::{Align2, Color32, Pos2, Rect, pos2, vec2};

use super::Training;
use super::axis::{tick_text, time_text, time_ticks};
use super::chart::{self, Chart, GUTTER, Options, Pen};
use super::charts::drawn;
use super::track::Axis;
use crate::shared::Shared;
use crate::tokens::{size, space};

const WIDTH: f32 = 900.0;

/// A pen that writes SVG.
#[derive(Debug, Default)]
struct SvgPen {
    body: String,
    clips: usize,
    open: bool,
}

/// `#rrggbb` and an opacity.
fn paint(color: Color32) -> (String, f32) {
    let [r, g, b, a] = color.to_srgba_unmultiplied();
    (format!("#{r:02x}{g:02x}{b:02x}"), f32::from(a) / 255.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl SvgPen {
    // Writing into a string does not fail.
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(text);
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            self.body.push_str("</g>\n");
        }
    }
}

impl Pen for SvgPen {
    fn clip(&mut self, rect: Rect) {
        self.close();
        if !rect.is_finite() {
            return;
        }
        self.clips += 1;
        let (id, x, y, w, h) = (self.clips, rect.left(), rect.top(), rect.width(), rect.height());
        self.put(format_args!(
            "<clipPath id=\"c{id}\"><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\"/></clipPath><g clip-path=\"url(#c{id})\">\n"
        ));
        self.open = true;
    }

    fn line(&mut self, points: &[Pos2], width: f32, color: Color32) {
        let (color, opacity) = paint(color);
        let mut list = String::new();
        for p in points {
            let _ = write!(list, "{:.1},{:.1} ", p.x, p.y);
        }
        self.put(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-opacity=\"{opacity:.2}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"/>\n",
            list.trim_end()
        ));
    }

    fn band(&mut self, band: &[[f32; 3]], width: f32, color: Color32) {
        let (color, opacity) = paint(color);
        let mut list = String::new();
        for &[x, top, _] in band {
            let _ = write!(list, "{x:.1},{top:.1} ");
        }
        for &[x, _, bottom] in band.iter().rev() {
            let _ = write!(list, "{x:.1},{bottom:.1} ");
        }
        self.put(format_args!(
            "<polygon points=\"{}\" fill=\"{color}\" fill-opacity=\"{opacity:.2}\" stroke=\"{color}\" stroke-opacity=\"{opacity:.2}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"/>\n",
            list.trim_end()
        ));
    }

    fn ring(&mut self, at: Pos2, radius: f32, fill: Color32, stroke: Color32) {
        let ((fill, _), (stroke, _)) = (paint(fill), paint(stroke));
        self.put(format_args!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"1.3\"/>\n",
            at.x, at.y
        ));
    }

    fn mark(&mut self, at: Pos2, color: Color32) {
        let (color, _) = paint(color);
        let (x, y) = (at.x, at.y);
        self.put(format_args!(
            "<polygon points=\"{:.1},{y:.1} {:.1},{y:.1} {x:.1},{:.1}\" fill=\"{color}\"/>\n",
            x - 4.0,
            x + 4.0,
            y + 7.0
        ));
    }

    fn text(&mut self, at: Pos2, anchor: Align2, text: &str, strong: bool, color: Color32) {
        let (color, _) = paint(color);
        let anchor = match anchor {
            Align2::LEFT_CENTER => "start",
            Align2::RIGHT_CENTER => "end",
            _ => "middle",
        };
        let (points, weight) = if strong { (size::SMALL + 0.5, 600) } else { (size::SMALL - 1.0, 400) };
        self.put(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" font-size=\"{points}\" font-weight=\"{weight}\" fill=\"{color}\">{}</text>\n",
            at.x,
            at.y + 4.0,
            escaped(text)
        ));
    }
}

impl Training {
    /// What the charts show now, as SVG.
    pub(super) fn charts_svg(&self, shared: &Shared) -> String {
        let following = &shared.settings.following;
        let t = shared.tokens();
        let axis = self.charts.axis();
        let o = Options {
            axis,
            log_y: following.log_y,
            clip: self.charts.clip,
            smoothed: following.smoothing > 0.0,
            tokens: t,
        };
        let x = self.charts.scale(&self.runs, following.log_x, space::L + GUTTER, WIDTH - space::L);
        let runs = drawn(&self.runs, axis, &x, shared);
        let mut pen = SvgPen::default();
        let mut top = space::XL;
        let mut left = space::L + GUTTER;
        for run in &runs {
            pen.ring(pos2(left + 4.0, top), 4.0, run.color, run.color);
            pen.text(pos2(left + 14.0, top), Align2::LEFT_CENTER, &run.shown, true, t.text);
            left += 40.0 + 7.0 * run.shown.chars().count() as f32;
        }
        top += space::L;
        for chart in Chart::ALL.into_iter().filter(|c| runs.iter().any(|r| c.is_in(r.curves))) {
            let height = if chart == Chart::Loss { 300.0 } else { 130.0 };
            let rect = Rect::from_min_size(pos2(space::L, top), vec2(WIDTH - 2.0 * space::L, height));
            chart::paint(&mut pen, chart, &runs, rect, &x, &o);
            pen.text(
                pos2(rect.right(), top + 11.0),
                Align2::RIGHT_CENTER,
                chart.legend(o.smoothed),
                false,
                t.text_faint,
            );
            top += height + space::S;
        }
        let ticks = if axis == Axis::Time { time_ticks(&x, 9) } else { x.ticks(9) };
        let step = if ticks.len() > 1 { ticks[1] - ticks[0] } else { 1.0 };
        for &tick in &ticks {
            let text = if axis == Axis::Time {
                time_text(tick)
            } else {
                tick_text(tick, if x.log { tick } else { step })
            };
            pen.text(pos2(x.place(tick), top + 8.0), Align2::CENTER_CENTER, &text, false, t.text_dim);
        }
        pen.close();
        let height = top + space::XL;
        let (ground, _) = paint(t.bg);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"Inter, Helvetica, Arial, sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"{ground}\"/>\n{}</svg>\n",
            pen.body
        )
    }
}
