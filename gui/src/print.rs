//! Drawings as PNG, by a harness of their own: at their whole height, with nothing cut off, and without the window.

use std::cell::{Cell, RefCell};
use std::io::Cursor;
use std::rc::Rc;

use eframe::egui::{self, Theme, Vec2, vec2};
use egui_kittest::Harness;
use image::ImageFormat;

use crate::theme;
use crate::tokens::Tokens;

/// Pixels of a point.
const SCALE: f32 = 2.0;
/// Tallest picture in points, and in pixels: more than that no device draws at once. A tall one has fewer pixels a point.
const HEIGHT_MAX: f32 = 16_000.0;
const PIXELS_MAX: f32 = 8000.0;

/// A picture `width` points wide of what `draw` draws; `draw` answers how high that is.
///
/// # Errors
/// A sentence, where nothing can be drawn with, or the picture is too tall.
pub fn png(
    dark: bool,
    width: f32,
    draw: impl FnMut(&mut egui::Ui) -> f32 + 'static,
) -> Result<Vec<u8>, String> {
    let draw: Draw = Rc::new(RefCell::new(draw));
    // First to see how high it is, then at that height.
    let used = Rc::new(Cell::new(0.0f32));
    page(dark, vec2(width, 1000.0), 1.0, &draw, &used);
    let height = used.get().ceil().max(100.0);
    if height > HEIGHT_MAX {
        return Err("It is too tall for one picture. Show less of it, or save it as Markdown.".into());
    }
    let mut harness = page(dark, vec2(width, height), SCALE.min(PIXELS_MAX / height), &draw, &used);
    let image = harness.render().map_err(|e| format!("The picture cannot be drawn: {e}"))?;
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).map_err(|e| format!("The picture cannot be written: {e}"))?;
    Ok(png.into_inner())
}

type Draw = Rc<RefCell<dyn FnMut(&mut egui::Ui) -> f32>>;

/// A page of a size, drawn a few times so that everything has found its place.
fn page(dark: bool, size: Vec2, scale: f32, draw: &Draw, used: &Rc<Cell<f32>>) -> Harness<'static> {
    let (draw, seen) = (Rc::clone(draw), Rc::clone(used));
    let mut dressed = false;
    let page = move |ui: &mut egui::Ui| {
        if !std::mem::replace(&mut dressed, true) {
            theme::install(ui.ctx());
            // Fonts take effect in the next frame.
            return;
        }
        ui.painter().rect_filled(ui.ctx().content_rect(), 0.0, Tokens::of(ui.ctx()).bg);
        seen.set((draw.borrow_mut())(ui));
    };
    let mut harness = Harness::builder()
        .allow_missing_glyphs()
        .with_size(size)
        .with_pixels_per_point(scale)
        .with_theme(if dark { Theme::Dark } else { Theme::Light })
        .with_render_cursor(false)
        .wgpu()
        .build_ui(page);
    harness.run_steps(4);
    harness
}

#[cfg(test)]
mod tests {
    use eframe::egui::{Color32, Rect, pos2};

    use super::*;

    #[test]
    fn a_tall_picture_is_drawn_to_its_end_or_refused() {
        if std::env::var("TERCET_REQUIRE_GPU").as_deref() != Ok("1") {
            eprintln!("skipped: pictures are drawn where a graphics adapter is");
            return;
        }
        for height in [300.0, 3000.0, 6000.0, 15_000.0] {
            let bytes = png(true, 200.0, move |ui| {
                let line = Rect::from_min_max(pos2(0.0, height - 40.0), pos2(200.0, height));
                ui.ctx().layer_painter(ui.layer_id()).rect_filled(line, 0.0, Color32::RED);
                height
            });
            let image = image::load_from_memory(&bytes.unwrap()).unwrap().to_rgb8();
            let scale = image.height() as f32 / height;
            assert!(
                (image.width() as f32 - 200.0 * scale).abs() <= 2.0,
                "{:?} of {height}",
                image.dimensions()
            );
            assert!(image.height() <= 8000);
            let [last, above] = [2.0, 60.0].map(|up| image.height() - (up * scale).ceil() as u32);
            assert_eq!(image.get_pixel(10, last).0, [255, 0, 0], "{height}");
            assert_ne!(image.get_pixel(10, above).0, [255, 0, 0], "{height}");
        }
        assert!(png(true, 200.0, |_| 16_100.0).unwrap_err().contains("too tall"));
    }
}
