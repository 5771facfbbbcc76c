//! Which part of a picture is seen, and how large: the mathematics of panning and zooming, in weights and points.

use eframe::egui::{Pos2, Rect, Vec2, pos2, vec2};

/// Points of a weight, at most.
const SCALE_MAX: f64 = 64.0;
/// Pictures that would be narrower than this share of their place begin at their top left corner instead of whole.
const SLIM: f64 = 0.5;
/// How much longer than wide a weight is drawn at most, where there are few rows or columns.
const STRETCH_MAX: f64 = 24.0;

/// A window on a picture of `cols` x `rows` weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    cols: f64,
    rows: f64,
    /// The weight at the top left of the place, in fractions.
    left: f64,
    top: f64,
    /// Points of a weight across.
    scale: f64,
    /// Points of a weight down, over those across.
    stretch: f64,
}

impl View {
    /// As it is first seen: whole, or where that would be a mere thread, its beginning.
    pub fn first(cols: u64, rows: u64, place: Vec2) -> View {
        let mut view = View::whole(cols, rows, place);
        let (w, h) = (f64::from(place.x), f64::from(place.y));
        let (across, down) = (view.cols * view.scale, view.rows * view.scale * view.stretch);
        if across < SLIM * w {
            view.scale = w / view.cols;
        } else if down < SLIM * h {
            view.scale = (h / (view.rows * view.stretch)).min(4.0 * view.scale);
        }
        (view.left, view.top) = (0.0, 0.0);
        view.settle(place);
        view
    }

    /// The whole picture in a place of this many points.
    pub fn whole(cols: u64, rows: u64, place: Vec2) -> View {
        let (w, h) = (f64::from(place.x.max(1.0)), f64::from(place.y.max(1.0)));
        let (cols, rows) = (cols.max(1) as f64, rows.max(1) as f64);
        // A few rows of thousands would be a line: they are drawn taller.
        let tall = 0.25 * h / (rows * w / cols);
        let wide = 0.25 * w / (cols * h / rows);
        let stretch = if rows <= 64.0 && tall > 1.0 {
            tall.min(STRETCH_MAX)
        } else if cols <= 64.0 && wide > 1.0 {
            1.0 / wide.min(STRETCH_MAX)
        } else {
            1.0
        };
        let scale = (w / cols).min(h / (rows * stretch)).min(SCALE_MAX);
        let mut view = View { cols, rows, left: 0.0, top: 0.0, scale, stretch };
        view.settle(place);
        view
    }

    /// Points of a weight, across and down.
    pub fn points(&self) -> [f64; 2] {
        [self.scale, self.scale * self.stretch]
    }

    /// Moves the picture under the place by so many points.
    pub fn pan(&mut self, by: Vec2, place: Vec2) {
        let [sx, sy] = self.points();
        self.left -= f64::from(by.x) / sx;
        self.top -= f64::from(by.y) / sy;
        self.settle(place);
    }

    /// Zooms, so that what is at `at` (from the corner of the place) stays there.
    pub fn zoom(&mut self, factor: f64, at: Vec2, place: Vec2) {
        let least = View::whole(self.cols as u64, self.rows as u64, place).scale;
        let [sx, sy] = self.points();
        let (x, y) = (self.left + f64::from(at.x) / sx, self.top + f64::from(at.y) / sy);
        self.scale = (self.scale * factor).clamp(least.min(SCALE_MAX), SCALE_MAX);
        let [sx, sy] = self.points();
        (self.left, self.top) = (x - f64::from(at.x) / sx, y - f64::from(at.y) / sy);
        self.settle(place);
    }

    /// Points of a weight, set; the middle stays.
    pub fn set_scale(&mut self, scale: f64, place: Vec2) {
        self.zoom(scale / self.scale, place / 2.0, place);
    }

    /// Keeps the place full where the picture is larger, and the picture in the middle where it is not.
    pub fn settle(&mut self, place: Vec2) {
        let [sx, sy] = self.points();
        let fit = |at: f64, size: f64, seen: f64| {
            if size <= seen { (size - seen) / 2.0 } else { at.clamp(0.0, size - seen) }
        };
        self.left = fit(self.left, self.cols, f64::from(place.x) / sx);
        self.top = fit(self.top, self.rows, f64::from(place.y) / sy);
    }

    /// The columns and rows in sight: first, and one past the last.
    pub fn seen(&self, place: Vec2) -> [[f64; 2]; 2] {
        let [sx, sy] = self.points();
        let (right, bottom) = (self.left + f64::from(place.x) / sx, self.top + f64::from(place.y) / sy);
        [[self.left.max(0.0), right.min(self.cols)], [self.top.max(0.0), bottom.min(self.rows)]]
    }

    /// Where some columns and rows are on the screen.
    pub fn rect(&self, corner: Pos2, cols: [f64; 2], rows: [f64; 2]) -> Rect {
        let [sx, sy] = self.points();
        let at = |x: f64, y: f64| {
            pos2(corner.x + ((x - self.left) * sx) as f32, corner.y + ((y - self.top) * sy) as f32)
        };
        Rect::from_min_max(at(cols[0], rows[0]), at(cols[1], rows[1]))
    }

    /// The weight at a point of the screen: its column and row.
    pub fn weight_at(&self, corner: Pos2, at: Pos2) -> Option<[u64; 2]> {
        let [sx, sy] = self.points();
        let d = at - corner;
        let (x, y) = (self.left + f64::from(d.x) / sx, self.top + f64::from(d.y) / sy);
        let inside = (0.0..self.cols).contains(&x) && (0.0..self.rows).contains(&y);
        inside.then_some([x as u64, y as u64])
    }

    /// The level whose cells are about a pixel.
    pub fn level(&self, pixels_per_point: f32) -> u32 {
        let [sx, sy] = self.points();
        let pixels = sx.max(sy) * f64::from(pixels_per_point);
        // Up to 1.6 cells a pixel: crisper than the next level, and still smooth.
        (-pixels.log2() + 0.3).floor().max(0.0) as u32
    }

    /// How much of the picture is in sight, as shares of its width and height: for the bars at its edges.
    pub fn shares(&self, place: Vec2) -> [[f32; 2]; 2] {
        let [x, y] = self.seen(place);
        [x.map(|v| (v / self.cols) as f32), y.map(|v| (v / self.rows) as f32)]
    }
}

/// From one corner of a place to the other.
pub fn size_of(rect: Rect) -> Vec2 {
    vec2(rect.width().max(1.0), rect.height().max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Vec2 = vec2(400.0, 300.0);

    #[test]
    fn a_picture_is_seen_whole_or_from_its_beginning() {
        let square = View::first(1152, 640, PLACE);
        assert_eq!(square.seen(PLACE), [[0.0, 1152.0], [0.0, 640.0]]);
        let band = View::first(1152, 384, PLACE);
        assert_eq!(band.seen(PLACE), [[0.0, 512.0], [0.0, 384.0]]);
        let tower = View::first(256, 50_257, PLACE);
        let [x, y] = tower.seen(PLACE);
        assert_eq!((x, y[0]), ([0.0, 256.0], 0.0));
        assert!((y[1] - 192.0).abs() < 1e-9);
        let line = View::first(768, 8, PLACE);
        let rect = line.rect(Pos2::ZERO, [0.0, 768.0], [0.0, 8.0]);
        assert!(rect.height() > 60.0, "{rect:?}");
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer_and_ends_at_the_whole() {
        let mut view = View::first(2560, 6912, PLACE);
        let at = vec2(123.0, 45.0);
        for _ in 0..5 {
            view.zoom(1.7, at, PLACE);
        }
        let before = view.weight_at(Pos2::ZERO, at.to_pos2()).unwrap();
        view.zoom(2.5, at, PLACE);
        assert_eq!(view.weight_at(Pos2::ZERO, at.to_pos2()).unwrap(), before);
        for _ in 0..100 {
            view.zoom(3.0, at, PLACE);
        }
        assert_eq!((view.points()[0], view.level(1.0)), (SCALE_MAX, 0));
        for _ in 0..100 {
            view.zoom(0.3, at, PLACE);
        }
        assert_eq!(view, View::whole(2560, 6912, PLACE));
        assert_eq!(view.level(1.0), 4, "23 weights a point");
    }

    #[test]
    fn panning_stops_at_the_edges() {
        let mut view = View::first(256, 50_257, PLACE);
        view.pan(vec2(50.0, 1e9), PLACE);
        assert_eq!(view.seen(PLACE)[1][0], 0.0);
        view.pan(vec2(-50.0, -1e9), PLACE);
        assert_eq!(view.seen(PLACE)[1][1], 50_257.0);
        assert_eq!(view.weight_at(pos2(10.0, 10.0), pos2(5.0, 10.0)), None);
        let outside = View::whole(256, 50_257, PLACE).weight_at(Pos2::ZERO, pos2(1.0, 150.0));
        assert_eq!(outside, None, "beside a slim picture there is nothing");
    }
}
