//! The result as a picture: the same drawing as on the page, at its whole height, by a harness of its own, so that nothing is cut off
//! and no window is needed.

use std::cell::Cell;
use std::io::Cursor;
use std::rc::Rc;

use eframe::egui::{self, Frame, Margin, Theme, vec2};
use egui_kittest::Harness;
use image::ImageFormat;

use super::area;
use super::results::Results;
use super::view::View;
use crate::theme;
use crate::tokens::{Tokens, space};

/// Width of the picture in points, and pixels of a point.
const WIDTH: f32 = 1000.0;
const SCALE: f32 = 2.0;
/// Tallest picture in points; more than any device draws at once is of no use.
const HEIGHT_MAX: f32 = 4000.0;

/// What is to be drawn.
#[derive(Clone, Debug)]
pub struct Print {
    /// The result.
    pub results: Results,
    /// One from earlier.
    pub earlier: Option<Results>,
    /// How it is looked at.
    pub view: View,
    /// Dark or light.
    pub dark: bool,
}

impl Print {
    /// Draws it.
    ///
    /// # Errors
    /// A sentence, where nothing can be drawn with.
    pub fn png(self) -> Result<Vec<u8>, String> {
        let used = Rc::new(Cell::new(0.0f32));
        let seen = Rc::clone(&used);
        let theme = if self.dark { Theme::Dark } else { Theme::Light };
        let mut dressed = false;
        let draw = move |ui: &mut egui::Ui| {
            if !std::mem::replace(&mut dressed, true) {
                theme::install(ui.ctx());
                // Fonts take effect in the next frame.
                return;
            }
            let t = Tokens::of(ui.ctx());
            ui.painter().rect_filled(ui.ctx().content_rect(), 0.0, t.bg);
            let frame = Frame::new().inner_margin(Margin::same(space::XL as i8));
            let shown = frame.show(ui, |ui| {
                ui.set_width(WIDTH - 2.0 * space::XL);
                area::printed(ui, &self.results, self.earlier.as_ref(), &self.view);
            });
            seen.set(shown.response.rect.height());
        };
        let mut harness = Harness::builder()
            .allow_missing_glyphs()
            .with_size(vec2(WIDTH, HEIGHT_MAX))
            .with_pixels_per_point(SCALE)
            .with_theme(theme)
            .with_render_cursor(false)
            .wgpu()
            .build_ui(draw);
        harness.run_steps(4);
        harness.set_size(vec2(WIDTH, used.get().ceil().clamp(100.0, HEIGHT_MAX)));
        harness.run_steps(2);
        let image = harness.render().map_err(|e| format!("The picture cannot be drawn: {e}"))?;
        let mut png = Cursor::new(Vec::new());
        image
            .write_to(&mut png, ImageFormat::Png)
            .map_err(|e| format!("The picture cannot be written: {e}"))?;
        Ok(png.into_inner())
    }
}
