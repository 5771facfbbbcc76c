//! The result as a picture: the same drawing as on the page.

use eframe::egui::{Frame, Margin};

use super::area;
use super::results::Results;
use super::view::View;
use crate::print;
use crate::tokens::space;

/// Width of the picture in points.
const WIDTH: f32 = 1000.0;

/// What is to be drawn.
#[derive(Clone, Debug)]
pub struct Print {
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
        print::png(self.dark, WIDTH, move |ui| {
            let frame = Frame::new().inner_margin(Margin::same(space::XL as i8));
            let shown = frame.show(ui, |ui| {
                ui.set_width(WIDTH - 2.0 * space::XL);
                area::printed(ui, &self.results, self.earlier.as_ref(), &self.view);
            });
            shown.response.rect.height()
        })
    }
}
