//! The app's own icons: strokes on a grid of 16 x 16, drawn in whatever colour is called for.

use eframe::egui::{
    Color32, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo, pos2,
    vec2,
};

use crate::tokens::{Tokens, space};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is what it is called")]
pub enum Icon {
    Pen,
    Grid,
    Gauge,
    Curve,
    Plug,
    Play,
    Stop,
    Pause,
    Redo,
    Undo,
    Die,
    Close,
    Down,
    Right,
    Left,
    Copy,
    Save,
    Folder,
    Plus,
    Minus,
    Expand,
    Shrink,
    Search,
    Eye,
    Panel,
    Branch,
    Bell,
    Check,
    Warn,
    More,
}

/// A line through points of the grid, or a circle.
enum Part {
    Line(&'static [(f32, f32)]),
    Closed(&'static [(f32, f32)]),
    Filled(&'static [(f32, f32)]),
    Circle(f32, f32, f32),
    Dot(f32, f32, f32),
}

use Part::{Circle, Closed, Dot, Filled, Line};

impl Icon {
    #[cfg(test)]
    pub const ALL: [Icon; 30] = [
        Icon::Pen,
        Icon::Grid,
        Icon::Gauge,
        Icon::Curve,
        Icon::Plug,
        Icon::Play,
        Icon::Stop,
        Icon::Pause,
        Icon::Redo,
        Icon::Undo,
        Icon::Die,
        Icon::Close,
        Icon::Down,
        Icon::Right,
        Icon::Left,
        Icon::Copy,
        Icon::Save,
        Icon::Folder,
        Icon::Plus,
        Icon::Minus,
        Icon::Expand,
        Icon::Shrink,
        Icon::Search,
        Icon::Eye,
        Icon::Panel,
        Icon::Branch,
        Icon::Bell,
        Icon::Check,
        Icon::Warn,
        Icon::More,
    ];

    fn parts(self) -> &'static [Part] {
        match self {
            Icon::Pen => &[
                Closed(&[(3.0, 13.0), (4.0, 9.5), (11.0, 2.5), (13.5, 5.0), (6.5, 12.0)]),
                Line(&[(9.5, 4.0), (12.0, 6.5)]),
            ],
            Icon::Grid => &[
                Closed(&[(2.5, 2.5), (13.5, 2.5), (13.5, 13.5), (2.5, 13.5)]),
                Line(&[(6.2, 2.5), (6.2, 13.5)]),
                Line(&[(9.8, 2.5), (9.8, 13.5)]),
                Line(&[(2.5, 6.2), (13.5, 6.2)]),
                Line(&[(2.5, 9.8), (13.5, 9.8)]),
            ],
            Icon::Gauge => &[
                Line(&[
                    (2.2, 11.5),
                    (1.9, 9.0),
                    (3.0, 6.0),
                    (5.2, 4.0),
                    (8.0, 3.3),
                    (10.8, 4.0),
                    (13.0, 6.0),
                    (14.1, 9.0),
                    (13.8, 11.5),
                ]),
                Line(&[(8.0, 10.5), (11.0, 6.5)]),
                Dot(8.0, 10.5, 1.3),
            ],
            Icon::Curve => &[
                Line(&[(2.5, 2.5), (2.5, 13.5), (13.5, 13.5)]),
                Line(&[(4.5, 4.0), (5.5, 8.0), (7.5, 10.0), (10.0, 11.0), (13.5, 11.4)]),
            ],
            Icon::Plug => &[
                Line(&[(5.5, 1.8), (5.5, 5.0)]),
                Line(&[(10.5, 1.8), (10.5, 5.0)]),
                Closed(&[(3.5, 5.0), (12.5, 5.0), (12.5, 7.5), (10.5, 10.5), (5.5, 10.5), (3.5, 7.5)]),
                Line(&[(8.0, 10.5), (8.0, 14.2)]),
            ],
            Icon::Play => &[Filled(&[(4.5, 2.8), (13.0, 8.0), (4.5, 13.2)])],
            Icon::Stop => &[Filled(&[(3.8, 3.8), (12.2, 3.8), (12.2, 12.2), (3.8, 12.2)])],
            Icon::Pause => &[
                Filled(&[(4.0, 3.0), (6.8, 3.0), (6.8, 13.0), (4.0, 13.0)]),
                Filled(&[(9.2, 3.0), (12.0, 3.0), (12.0, 13.0), (9.2, 13.0)]),
            ],
            Icon::Redo => &[
                Line(&[
                    (12.5, 4.8),
                    (10.6, 3.2),
                    (8.0, 2.6),
                    (5.2, 3.4),
                    (3.2, 5.6),
                    (2.7, 8.4),
                    (3.6, 11.0),
                    (5.8, 12.9),
                    (8.6, 13.3),
                    (11.2, 12.3),
                    (12.8, 10.2),
                ]),
                Line(&[(12.9, 1.9), (12.6, 4.9), (9.6, 5.1)]),
            ],
            Icon::Undo => &[
                Line(&[
                    (2.5, 6.0),
                    (9.5, 6.0),
                    (12.3, 7.0),
                    (13.4, 9.4),
                    (12.3, 11.8),
                    (9.5, 12.8),
                    (6.0, 12.8),
                ]),
                Line(&[(5.5, 2.8), (2.3, 6.0), (5.5, 9.2)]),
            ],
            Icon::Die => &[
                Closed(&[(2.8, 2.8), (13.2, 2.8), (13.2, 13.2), (2.8, 13.2)]),
                Dot(5.6, 5.6, 1.0),
                Dot(8.0, 8.0, 1.0),
                Dot(10.4, 10.4, 1.0),
                Dot(10.4, 5.6, 1.0),
                Dot(5.6, 10.4, 1.0),
            ],
            Icon::Close => &[Line(&[(4.0, 4.0), (12.0, 12.0)]), Line(&[(12.0, 4.0), (4.0, 12.0)])],
            Icon::Down => &[Line(&[(4.0, 6.2), (8.0, 10.2), (12.0, 6.2)])],
            Icon::Right => &[Line(&[(6.2, 4.0), (10.2, 8.0), (6.2, 12.0)])],
            Icon::Left => &[Line(&[(9.8, 4.0), (5.8, 8.0), (9.8, 12.0)])],
            Icon::Copy => &[
                Closed(&[(5.5, 5.5), (13.2, 5.5), (13.2, 13.2), (5.5, 13.2)]),
                Line(&[(3.8, 10.5), (2.8, 10.5), (2.8, 2.8), (10.5, 2.8), (10.5, 3.8)]),
            ],
            Icon::Save => &[
                Line(&[(8.0, 2.0), (8.0, 10.0)]),
                Line(&[(4.8, 7.0), (8.0, 10.2), (11.2, 7.0)]),
                Line(&[(2.8, 11.0), (2.8, 13.4), (13.2, 13.4), (13.2, 11.0)]),
            ],
            Icon::Folder => {
                &[Closed(&[(2.0, 12.8), (2.0, 3.4), (6.4, 3.4), (7.8, 5.2), (14.0, 5.2), (14.0, 12.8)])]
            }
            Icon::Plus => &[Line(&[(8.0, 3.0), (8.0, 13.0)]), Line(&[(3.0, 8.0), (13.0, 8.0)])],
            Icon::Minus => &[Line(&[(3.0, 8.0), (13.0, 8.0)])],
            Icon::Expand => &[
                Line(&[(9.5, 2.8), (13.2, 2.8), (13.2, 6.5)]),
                Line(&[(6.5, 13.2), (2.8, 13.2), (2.8, 9.5)]),
                Line(&[(13.2, 2.8), (9.2, 6.8)]),
                Line(&[(2.8, 13.2), (6.8, 9.2)]),
            ],
            Icon::Shrink => &[
                Line(&[(9.4, 2.8), (9.4, 6.6), (13.2, 6.6)]),
                Line(&[(6.6, 13.2), (6.6, 9.4), (2.8, 9.4)]),
                Line(&[(9.4, 6.6), (13.4, 2.6)]),
                Line(&[(6.6, 9.4), (2.6, 13.4)]),
            ],
            Icon::Search => &[Circle(7.0, 7.0, 4.4), Line(&[(10.3, 10.3), (13.8, 13.8)])],
            Icon::Eye => &[
                Closed(&[
                    (1.5, 8.0),
                    (4.5, 4.6),
                    (8.0, 3.6),
                    (11.5, 4.6),
                    (14.5, 8.0),
                    (11.5, 11.4),
                    (8.0, 12.4),
                    (4.5, 11.4),
                ]),
                Circle(8.0, 8.0, 2.0),
            ],
            Icon::Panel => &[
                Closed(&[(2.0, 3.0), (14.0, 3.0), (14.0, 13.0), (2.0, 13.0)]),
                Line(&[(10.0, 3.0), (10.0, 13.0)]),
            ],
            Icon::Branch => &[
                Circle(4.5, 3.6, 1.7),
                Circle(4.5, 12.4, 1.7),
                Circle(11.5, 5.2, 1.7),
                Line(&[(4.5, 5.3), (4.5, 10.7)]),
                Line(&[(11.5, 6.9), (11.0, 8.4), (9.4, 9.2), (4.5, 9.6)]),
            ],
            Icon::Bell => &[
                Closed(&[
                    (3.0, 11.5),
                    (4.4, 9.5),
                    (4.4, 6.4),
                    (6.0, 3.9),
                    (8.0, 3.2),
                    (10.0, 3.9),
                    (11.6, 6.4),
                    (11.6, 9.5),
                    (13.0, 11.5),
                ]),
                Line(&[(6.8, 13.4), (9.2, 13.4)]),
            ],
            Icon::Check => &[Line(&[(3.0, 8.5), (6.5, 12.0), (13.0, 4.5)])],
            Icon::Warn => &[
                Closed(&[(8.0, 2.4), (14.2, 13.2), (1.8, 13.2)]),
                Line(&[(8.0, 6.4), (8.0, 9.6)]),
                Dot(8.0, 11.4, 0.8),
            ],
            Icon::More => &[Dot(3.5, 8.0, 1.2), Dot(8.0, 8.0, 1.2), Dot(12.5, 8.0, 1.2)],
        }
    }

    /// Draws it in a square.
    pub fn paint(self, painter: &Painter, rect: Rect, color: Color32) {
        let scale = rect.width().min(rect.height()) / 16.0;
        let origin = rect.center() - vec2(8.0, 8.0) * scale;
        let at = |&(x, y): &(f32, f32)| -> Pos2 { origin + vec2(x, y) * scale };
        let stroke = Stroke::new((1.35 * scale).max(1.0), color);
        for part in self.parts() {
            match part {
                Line(points) => painter.add(Shape::line(points.iter().map(at).collect(), stroke)),
                Closed(points) => painter.add(Shape::closed_line(points.iter().map(at).collect(), stroke)),
                Filled(points) => {
                    painter.add(Shape::convex_polygon(points.iter().map(at).collect(), color, Stroke::NONE))
                }
                Circle(x, y, r) => painter.circle_stroke(at(&(*x, *y)), r * scale, stroke),
                Dot(x, y, r) => painter.circle_filled(at(&(*x, *y)), r * scale, color),
            };
        }
    }
}

/// A button that is an icon; `name` is what it does, for the tooltip and for who cannot see it.
pub fn icon_button(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    let enabled = ui.is_enabled();
    drawn(ui, icon, name, false, WidgetInfo::labeled(Role::Button, enabled, name))
}

/// The same for what is on or off.
pub fn icon_toggle(ui: &mut Ui, icon: Icon, name: &str, on: bool) -> Response {
    let enabled = ui.is_enabled();
    drawn(ui, icon, name, on, WidgetInfo::selected(Role::Button, enabled, on, name))
}

fn drawn(ui: &mut Ui, icon: Icon, name: &str, on: bool, info: WidgetInfo) -> Response {
    let t = Tokens::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(26.0, 26.0), Sense::click());
    response.widget_info(|| info.clone());
    if ui.is_rect_visible(rect) {
        let radius = f32::from(space::RADIUS);
        if response.hovered() || response.has_focus() || on {
            ui.painter().rect_filled(rect, radius, if on { t.raised } else { t.hover });
        }
        let dim = if ui.is_enabled() { t.text_dim } else { t.line };
        let color = match () {
            () if on => t.plus,
            () if response.hovered() => t.text,
            () => dim,
        };
        icon.paint(ui.painter(), Rect::from_center_size(rect.center(), vec2(15.0, 15.0)), color);
        if response.has_focus() {
            ui.painter().rect_stroke(rect, radius, Stroke::new(1.0, t.minus), StrokeKind::Inside);
        }
    }
    response.on_hover_text(name)
}

/// The mark of the app: three bars, one down, one flat, one up.
pub fn mark(painter: &Painter, rect: Rect, [minus, zero, plus]: [Color32; 3]) {
    let unit = rect.width() / 16.0;
    let bar = |x: f32, top: f32, bottom: f32, color| {
        let from = pos2(rect.left() + x * unit, rect.top() + top * unit);
        let to = pos2(rect.left() + (x + 4.0) * unit, rect.top() + bottom * unit);
        painter.rect_filled(Rect::from_min_max(from, to), unit, color);
    };
    bar(0.5, 7.0, 15.0, minus);
    bar(6.0, 7.0, 9.4, zero);
    bar(11.5, 1.0, 9.4, plus);
}
