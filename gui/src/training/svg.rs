//! A pen that writes SVG.

use std::fmt::Write;

use eframe::egui::{Align2, Color32, Pos2, Rect, Vec2};

use super::pen::Pen;
use crate::tokens::size;

/// See the top of this file.
#[derive(Debug, Default)]
pub struct SvgPen {
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

    /// The file: what was drawn, on a ground of a colour.
    pub fn finish(mut self, size: Vec2, ground: Color32) -> String {
        self.close();
        let (ground, _) = paint(ground);
        let (width, height) = (size.x, size.y);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"Inter, Helvetica, Arial, sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"{ground}\"/>\n{}</svg>\n",
            self.body
        )
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
