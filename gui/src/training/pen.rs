//! What charts are painted with: the screen's pen, and one that only remembers. `svg` has one that writes.

use eframe::egui::{Align2, Color32, FontId, Mesh, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

use crate::theme::strong_font;
use crate::tokens::size;

/// What draws.
pub trait Pen {
    /// Keeps everything that follows inside a rectangle.
    fn clip(&mut self, rect: Rect);
    /// A line through points.
    fn line(&mut self, points: &[Pos2], width: f32, color: Color32);
    /// A band: x, upper and lower edge, drawn at least `width` thick.
    fn band(&mut self, band: &[[f32; 3]], width: f32, color: Color32);
    /// A ring, or a dot.
    fn ring(&mut self, at: Pos2, radius: f32, fill: Color32, stroke: Color32);
    /// A triangle with its point down, at the top edge.
    fn mark(&mut self, at: Pos2, color: Color32);
    fn text(&mut self, at: Pos2, anchor: Align2, text: &str, strong: bool, color: Color32);
}

/// The screen's pen.
pub struct ScreenPen {
    whole: Painter,
    now: Painter,
}

impl ScreenPen {
    /// Draws with a painter.
    pub fn new(painter: &Painter) -> ScreenPen {
        ScreenPen { whole: painter.clone(), now: painter.clone() }
    }
}

impl Pen for ScreenPen {
    fn clip(&mut self, rect: Rect) {
        self.now = self.whole.with_clip_rect(rect.intersect(self.whole.clip_rect()));
    }

    fn line(&mut self, points: &[Pos2], width: f32, color: Color32) {
        self.now.add(Shape::line(points.to_vec(), Stroke::new(width, color)));
    }

    fn band(&mut self, band: &[[f32; 3]], width: f32, color: Color32) {
        self.now.add(Shape::mesh(band_mesh(band, width, color)));
    }

    fn ring(&mut self, at: Pos2, radius: f32, fill: Color32, stroke: Color32) {
        self.now.circle(at, radius, fill, Stroke::new(1.3, stroke));
    }

    fn mark(&mut self, at: Pos2, color: Color32) {
        let points = vec![at + vec2(-4.0, 0.0), at + vec2(4.0, 0.0), at + vec2(0.0, 7.0)];
        self.now.add(Shape::convex_polygon(points, color, Stroke::NONE));
    }

    fn text(&mut self, at: Pos2, anchor: Align2, text: &str, strong: bool, color: Color32) {
        let font =
            if strong { strong_font(size::SMALL + 0.5) } else { FontId::proportional(size::SMALL - 1.0) };
        self.now.text(at, anchor, text, font, color);
    }
}

/// A band as triangles, with edges that fade over a point.
fn band_mesh(band: &[[f32; 3]], width: f32, color: Color32) -> Mesh {
    let mut mesh = Mesh::default();
    mesh.reserve_vertices(4 * band.len());
    mesh.reserve_triangles(6 * band.len());
    for (i, &[x, top, bottom]) in band.iter().enumerate() {
        let (top, bottom) = (top.min(bottom), bottom.max(top));
        let grow = ((width - (bottom - top)) / 2.0).max(0.0);
        let (top, bottom) = (top - grow, bottom + grow);
        let inner = (0.5f32).min((bottom - top) / 2.0);
        mesh.colored_vertex(pos2(x, top - 0.5), Color32::TRANSPARENT);
        mesh.colored_vertex(pos2(x, top + inner), color);
        mesh.colored_vertex(pos2(x, bottom - inner), color);
        mesh.colored_vertex(pos2(x, bottom + 0.5), Color32::TRANSPARENT);
        if i > 0 {
            let at = 4 * i as u32;
            for k in 0..3 {
                mesh.add_triangle(at - 4 + k, at - 3 + k, at + k);
                mesh.add_triangle(at - 3 + k, at + k, at + 1 + k);
            }
        }
    }
    mesh
}

/// What a pen was told.
#[derive(Clone, Debug)]
enum Stroked {
    Clip(Rect),
    Line(Vec<Pos2>, f32, Color32),
    Band(Vec<[f32; 3]>, f32, Color32),
    Ring(Pos2, f32, Color32, Color32),
    Mark(Pos2, Color32),
    Text(Pos2, Align2, String, bool, Color32),
}

/// A pen that remembers, so that another one can draw the same elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Memory(Vec<Stroked>);

impl Memory {
    /// Has another pen draw all of it.
    pub fn replay(&self, pen: &mut dyn Pen) {
        for stroked in &self.0 {
            match stroked {
                Stroked::Clip(rect) => pen.clip(*rect),
                Stroked::Line(points, width, color) => pen.line(points, *width, *color),
                Stroked::Band(band, width, color) => pen.band(band, *width, *color),
                Stroked::Ring(at, radius, fill, stroke) => pen.ring(*at, *radius, *fill, *stroke),
                Stroked::Mark(at, color) => pen.mark(*at, *color),
                Stroked::Text(at, anchor, text, strong, color) => {
                    pen.text(*at, *anchor, text, *strong, *color);
                }
            }
        }
    }
}

impl Pen for Memory {
    fn clip(&mut self, rect: Rect) {
        self.0.push(Stroked::Clip(rect));
    }

    fn line(&mut self, points: &[Pos2], width: f32, color: Color32) {
        self.0.push(Stroked::Line(points.to_vec(), width, color));
    }

    fn band(&mut self, band: &[[f32; 3]], width: f32, color: Color32) {
        self.0.push(Stroked::Band(band.to_vec(), width, color));
    }

    fn ring(&mut self, at: Pos2, radius: f32, fill: Color32, stroke: Color32) {
        self.0.push(Stroked::Ring(at, radius, fill, stroke));
    }

    fn mark(&mut self, at: Pos2, color: Color32) {
        self.0.push(Stroked::Mark(at, color));
    }

    fn text(&mut self, at: Pos2, anchor: Align2, text: &str, strong: bool, color: Color32) {
        self.0.push(Stroked::Text(at, anchor, text.to_owned(), strong, color));
    }
}
