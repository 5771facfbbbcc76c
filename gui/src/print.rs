//! Drawings as PNG, by a harness of their own: at their whole height, with nothing cut off, and without the window.

use std::cell::Cell;
use std::io::Cursor;
use std::rc::Rc;

use eframe::egui::{self, Theme, vec2};
use egui_kittest::Harness;
use image::ImageFormat;

use crate::theme;
use crate::tokens::Tokens;

/// Pixels of a point.
const SCALE: f32 = 2.0;
/// Tallest picture in points; more than any device draws at once is of no use.
const HEIGHT_MAX: f32 = 4000.0;

/// A picture `width` points wide of what `draw` draws; `draw` answers how high that is.
///
/// # Errors
/// A sentence, where nothing can be drawn with.
pub fn png(
    dark: bool,
    width: f32,
    mut draw: impl FnMut(&mut egui::Ui) -> f32 + 'static,
) -> Result<Vec<u8>, String> {
    let used = Rc::new(Cell::new(0.0f32));
    let seen = Rc::clone(&used);
    let mut dressed = false;
    let page = move |ui: &mut egui::Ui| {
        if !std::mem::replace(&mut dressed, true) {
            theme::install(ui.ctx());
            // Fonts take effect in the next frame.
            return;
        }
        ui.painter().rect_filled(ui.ctx().content_rect(), 0.0, Tokens::of(ui.ctx()).bg);
        seen.set(draw(ui));
    };
    let mut harness = Harness::builder()
        .allow_missing_glyphs()
        .with_size(vec2(width, HEIGHT_MAX))
        .with_pixels_per_point(SCALE)
        .with_theme(if dark { Theme::Dark } else { Theme::Light })
        .with_render_cursor(false)
        .wgpu()
        .build_ui(page);
    harness.run_steps(4);
    harness.set_size(vec2(width, used.get().ceil().clamp(100.0, HEIGHT_MAX)));
    harness.run_steps(2);
    let image = harness.render().map_err(|e| format!("The picture cannot be drawn: {e}"))?;
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).map_err(|e| format!("The picture cannot be written: {e}"))?;
    Ok(png.into_inner())
}
