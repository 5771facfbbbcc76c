//! The picture of a tensor: each weight a pixel, to be zoomed and panned, its scales beside it. Which cells are in sight is `view`'s
//! business, where they come from `tiles`' and `pyramid`'s, their colours `paint`'s.

use std::collections::HashMap;
use std::sync::Arc;

use eframe::egui::{
    Color32, Id, Key, Painter, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, TextureHandle, Ui,
    WidgetInfo, pos2, vec2,
};

use super::marks::{bars, marks, written};
use super::paint::{Ink, TEXTURE};
use super::portrait::Portrait;
use super::pyramid::{Cell, Cells, TILE};
use super::spot::Spot;
use super::strip::Strip;
use super::tensors::shown_name;
use super::tiles::{TileKey, Tiles};
use super::view::{View, size_of};
use crate::command::PictureMove;
use crate::tokens::{Tokens, space};

/// Tiles that are made into textures in one frame.
const PER_FRAME: usize = 3;
/// Tiles that are kept, beyond those in sight.
const KEPT: usize = 48;
/// Most points of the strip of scales.
const STRIP_MAX: f32 = 48.0;
/// A tile here.
struct Held {
    cells: Cells,
    texture: Option<TextureHandle>,
    /// The frame it was last drawn in.
    used: u64,
}

/// The picture's state.
#[derive(Default)]
pub struct Canvas {
    of: Option<Arc<Portrait>>,
    view: Option<View>,
    place: Option<Rect>,
    moves: Vec<PictureMove>,
    tiles: Option<Tiles>,
    held: HashMap<TileKey, Held>,
    dark: bool,
    frame: u64,
    strip: Strip,
    /// What the pointer is on.
    pub spot: Option<Spot>,
    /// Each cell that is drawn is 2^level weights wide and high.
    pub level: u32,
    /// Why no more of it can be read.
    pub fault: Option<String>,
}

impl std::fmt::Debug for Canvas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canvas")
            .field("view", &self.view)
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

impl Canvas {
    /// Turns to a tensor; `tiles` reads it.
    pub fn show(&mut self, portrait: Option<Arc<Portrait>>, tiles: Option<Tiles>) {
        *self = Canvas { of: portrait, tiles, frame: self.frame, ..Canvas::default() };
    }

    /// Whether it shows this.
    pub fn is_of(&self, portrait: &Arc<Portrait>) -> bool {
        self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, portrait))
    }

    /// Whether something is on its way.
    pub fn is_busy(&self) -> bool {
        self.tiles.as_ref().is_some_and(Tiles::is_busy)
    }

    /// Asks for a step.
    pub fn go(&mut self, step: PictureMove) {
        self.moves.push(step);
    }

    /// Takes in the tiles that came.
    pub fn logic(&mut self) {
        let arrived = self.tiles.as_mut().map(Tiles::arrived).unwrap_or_default();
        for answer in arrived {
            match answer {
                Ok((key, cells)) => {
                    drop(self.held.insert(key, Held { cells, texture: None, used: self.frame }))
                }
                Err(why) => self.fault = Some(why),
            }
        }
    }

    pub fn ui(&mut self, ui: &mut Ui, rect: Rect) {
        let Some(portrait) = self.of.clone() else { return };
        let t = Tokens::of(ui.ctx());
        self.frame += 1;
        if self.dark != ui.visuals().dark_mode {
            self.dark = ui.visuals().dark_mode;
            self.held.values_mut().for_each(|h| h.texture = None);
        }
        let dims = portrait.info.dims;
        let groups = portrait.measured.ternary.as_ref().map_or(0, |ternary| ternary.groups(dims.row()));
        let strip_width = if groups == 0 { 0.0 } else { (3.0 * groups as f32).clamp(10.0, STRIP_MAX) };
        let gap = if groups == 0 { 0.0 } else { space::S };
        let place = Rect::from_min_max(pos2(rect.left() + strip_width + gap, rect.top()), rect.max);
        let response = ui.interact(place, Id::unique("weights"), Sense::click_and_drag());
        let name = format!("Weights of {}", shown_name(&portrait.info.name));
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        let view = self.moved(ui, &response, &portrait, place);
        let painter = ui.painter().with_clip_rect(place.intersect(ui.clip_rect()));
        self.weights(ui, &painter, &portrait, view, place);
        self.spot = self.spot_at(ui, &response, &portrait, view, place);
        marks(&painter, &portrait, view, place, self.spot.as_ref(), t);
        written(&painter, |col, row| self.cell(0, col, row), view, place, &portrait, t);
        bars(&painter, view, place, t);
        if response.has_focus() {
            ui.painter().rect_stroke(place, 2.0, Stroke::new(1.0, t.minus), StrokeKind::Outside);
        }
        if groups > 0 {
            // Beside the picture, which may be narrower than its place.
            let picture = view.rect(place.min, [0.0, 1.0], [0.0, 1.0]).left().max(place.left());
            let right = picture - gap;
            let strip = Rect::from_min_max(pos2(right - strip_width, rect.top()), pos2(right, rect.bottom()));
            self.strip.ui(ui, &portrait, view, strip, groups);
        }
    }

    /// The view after what was asked for by commands, keys and the pointer.
    fn moved(&mut self, ui: &Ui, response: &Response, portrait: &Portrait, place: Rect) -> View {
        let (dims, size) = (portrait.info.dims, size_of(place));
        let mut view = self.view.unwrap_or_else(|| View::first(dims.row(), dims.rows(), size));
        if self.place.is_some_and(|p| p.size() != place.size()) {
            // A picture that was whole stays whole in another place.
            let was = self.place.map_or(size, size_of);
            view = if view == View::first(dims.row(), dims.rows(), was) {
                View::first(dims.row(), dims.rows(), size)
            } else {
                view.settle(size);
                view
            };
        }
        for step in self.moves.drain(..) {
            match step {
                PictureMove::Whole => view = View::whole(dims.row(), dims.rows(), size),
                PictureMove::Actual => view.set_scale(1.0, size),
                PictureMove::Zoom(steps) => view.zoom(1.5f64.powi(steps), size / 2.0, size),
            }
        }
        if response.double_clicked() {
            view = View::whole(dims.row(), dims.rows(), size);
        }
        if response.dragged() {
            view.pan(response.drag_delta(), size);
        }
        if let Some(at) = response.hover_pos() {
            let (wheel, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
            let factor = f64::from(pinch) * (f64::from(wheel) / 160.0).exp();
            if factor != 1.0 {
                view.zoom(factor, at - place.min, size);
            }
        }
        if response.has_focus() {
            let keys = [
                (Key::ArrowLeft, vec2(60.0, 0.0)),
                (Key::ArrowRight, vec2(-60.0, 0.0)),
                (Key::ArrowUp, vec2(0.0, 60.0)),
                (Key::ArrowDown, vec2(0.0, -60.0)),
            ];
            ui.memory_mut(|m| {
                let all = eframe::egui::EventFilter {
                    horizontal_arrows: true,
                    vertical_arrows: true,
                    ..Default::default()
                };
                m.set_focus_lock_filter(response.id, all);
            });
            for (key, by) in keys {
                if ui.input(|i| i.key_pressed(key)) {
                    view.pan(by, size);
                }
            }
            for (key, factor) in [(Key::Plus, 1.5), (Key::Equals, 1.5), (Key::Minus, 1.0 / 1.5)] {
                if ui.input(|i| i.modifiers.is_none() && i.key_pressed(key)) {
                    view.zoom(factor, size / 2.0, size);
                }
            }
        }
        (self.view, self.place) = (Some(view), Some(place));
        view
    }

    /// The tiles in sight, over the whole picture from afar as long as some are missing.
    fn weights(&mut self, ui: &Ui, painter: &Painter, portrait: &Portrait, view: View, place: Rect) {
        let (Some(pyramid), dims) = (&portrait.pyramid, portrait.info.dims) else { return };
        let (ink, t) = (Ink::of(&portrait.measured), Tokens::of(ui.ctx()));
        let level = view.level(ui.ctx().pixels_per_point()).min(pyramid.top());
        self.level = level;
        let keys = in_sight(view, place, level);
        // From the middle outwards: that is where one looks.
        let all = [TileKey { level: pyramid.top(), x: 0, y: 0 }].into_iter().chain(keys.iter().copied());
        let mut made = 0;
        let mut missing = Vec::new();
        for key in all {
            if let Some(cells) = pyramid.level(key.level) {
                self.held.entry(key).or_insert_with(|| Held {
                    cells: cells.tile(key.x, key.y),
                    texture: None,
                    used: 0,
                });
            }
            let Some(held) = self.held.get_mut(&key) else {
                missing.push(key);
                continue;
            };
            held.used = self.frame;
            if held.texture.is_none() && made < PER_FRAME {
                made += 1;
                let image = ink.image(&held.cells, key.level, t);
                held.texture = Some(ui.ctx().load_texture("weights", image, TEXTURE));
            }
            let Some(texture) = &held.texture else {
                ui.ctx().request_repaint();
                continue;
            };
            let side = (TILE as u64) << key.level;
            let (x, y) = (key.x as u64 * side, key.y as u64 * side);
            let cell = 1u64 << key.level;
            let (wide, high) = (held.cells.width as u64 * cell, held.cells.height as u64 * cell);
            let area = view.rect(place.min, [x as f64, (x + wide) as f64], [y as f64, (y + high) as f64]);
            // The last cells may stand for fewer weights than they are wide.
            let edge = view.rect(place.min, [0.0, dims.row() as f64], [0.0, dims.rows() as f64]);
            painter.with_clip_rect(edge.intersect(painter.clip_rect())).image(
                texture.id(),
                area,
                Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0)),
                Color32::WHITE,
            );
        }
        if let Some(tiles) = self.tiles.as_mut().filter(|_| self.fault.is_none()) {
            tiles.wish(missing);
        }
        let frame = self.frame;
        if self.held.len() > keys.len() + KEPT {
            let mut ages: Vec<u64> = self.held.values().map(|h| h.used).collect();
            ages.sort_unstable();
            let oldest = ages[ages.len() / 2];
            self.held.retain(|_, h| h.used == frame || h.used > oldest);
        }
    }

    fn spot_at(
        &self,
        ui: &Ui,
        response: &Response,
        portrait: &Portrait,
        view: View,
        place: Rect,
    ) -> Option<Spot> {
        let [col, row] = view.weight_at(place.min, response.hover_pos()?)?;
        let top = portrait.pyramid.as_ref()?.top();
        let level = view.level(ui.ctx().pixels_per_point()).min(top);
        // What is here of the weight itself says more than what is drawn of its surroundings.
        let (level, cell) = [0, level]
            .into_iter()
            .find_map(|l| Some((l, self.cell(l, col, row)?)))
            .map_or((level, None), |(l, c)| (l, Some(c)));
        let scale = portrait
            .measured
            .ternary
            .as_ref()
            .and_then(|ternary| ternary.scale_of(row * portrait.info.dims.row() + col));
        let side = 1u64 << level;
        Some(Spot { at: [col / side * side, row / side * side], side, cell, scale })
    }

    /// What is here of a weight's cell at a level.
    pub fn cell(&self, level: u32, col: u64, row: u64) -> Option<Cell> {
        let (x, y) = ((col >> level) as usize, (row >> level) as usize);
        let held = self.held.get(&TileKey { level, x: x / TILE, y: y / TILE })?;
        held.cells.cells.get(y % TILE * held.cells.width + x % TILE).copied()
    }
}

/// The tiles of a level that are in sight, those in the middle first.
fn in_sight(view: View, place: Rect, level: u32) -> Vec<TileKey> {
    let side = (TILE as u64) << level;
    let [x, y] = view.seen(size_of(place)).map(|[from, to]| {
        let last = (to.ceil() as u64).saturating_sub(1) / side;
        (from as u64 / side) as usize..last as usize + 1
    });
    let middle = [(x.start + x.end) as f64 / 2.0, (y.start + y.end) as f64 / 2.0];
    let mut keys: Vec<TileKey> = y.flat_map(|y| x.clone().map(move |x| TileKey { level, x, y })).collect();
    let far = |k: &TileKey| (k.x as f64 + 0.5 - middle[0]).hypot(k.y as f64 + 0.5 - middle[1]);
    keys.sort_by(|a, b| far(a).total_cmp(&far(b)));
    keys
}
