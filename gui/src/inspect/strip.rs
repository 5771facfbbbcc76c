//! The scales beside a picture of ternary weights: a line for each row in sight, a column for each group of 128 weights, the larger
//! the stronger.

use eframe::egui::{Color32, ColorImage, Id, Pos2, Rect, Sense, TextureHandle, Ui, pos2};

use super::paint::{TEXTURE, blend};
use super::portrait::Portrait;
use super::view::{View, size_of};
use crate::tokens::Tokens;

/// What the strip was drawn for, and its picture.
#[derive(Default)]
pub struct Strip(Option<(StripKey, TextureHandle)>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct StripKey {
    top: f64,
    bottom: f64,
    lines: usize,
    dark: bool,
}

impl Strip {
    pub fn ui(&mut self, ui: &Ui, portrait: &Portrait, view: View, rect: Rect, groups: usize) {
        let (Some(ternary), t) = (&portrait.measured.ternary, Tokens::of(ui.ctx())) else { return };
        let size = size_of(rect);
        let [_, [top, bottom]] = view.seen(size);
        let (first, end) = (top.floor() as usize, bottom.ceil() as usize);
        let pixels = (size.y * ui.ctx().pixels_per_point()) as usize;
        let lines = (end - first).min(pixels).max(1);
        let key = StripKey { top, bottom, lines, dark: ui.visuals().dark_mode };
        if self.0.as_ref().is_none_or(|(k, _)| *k != key) {
            let range = [portrait.histogram.low, portrait.histogram.high];
            // No more columns than there are pixels: a row may have any number of scales, and a texture has not.
            let columns =
                groups.min((size_of(rect).x * ui.ctx().pixels_per_point()).ceil().max(1.0) as usize);
            let mut colors = Vec::with_capacity(lines * columns);
            for line in 0..lines {
                let from = first + (end - first) * line / lines;
                let to = (first + (end - first) * (line + 1) / lines).max(from + 1);
                for column in 0..columns {
                    let these = groups * column / columns..groups * (column + 1) / columns;
                    let count = ((to - from) * these.len()) as f32;
                    let of_row =
                        |row: usize| these.clone().filter_map(move |g| ternary.scales.get(row * groups + g));
                    let mean = (from..to).flat_map(of_row).map(|s| s.to_f32()).sum::<f32>() / count;
                    colors.push(blend(t.raised, t.text, (mean - range[0]) / (range[1] - range[0])));
                }
            }
            let image = ColorImage::new([columns, lines], colors);
            match &mut self.0 {
                Some((k, texture)) => {
                    texture.set(image, TEXTURE);
                    *k = key;
                }
                None => self.0 = Some((key, ui.ctx().load_texture("scales", image, TEXTURE))),
            }
        }
        if let Some((_, texture)) = &self.0 {
            let mut area = view.rect(rect.min, [0.0, 1.0], [first as f64, end as f64]);
            (area.min.x, area.max.x) = (rect.left(), rect.right());
            let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
            painter.image(texture.id(), area, Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0)), Color32::WHITE);
        }
        let hint = format!(
            "Scales of the rows beside it, one column for each {} weights; the larger, the brighter",
            ternary.group
        );
        ui.interact(rect, Id::unique("scales"), Sense::hover()).on_hover_text(hint);
    }
}
