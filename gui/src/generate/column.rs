//! What the notebook and the conversation share: text in a column of 68 characters in the middle of the page, and the bar of
//! buttons below it.

use eframe::egui::{Button, CentralPanel, Frame, Margin, Panel, Response, ScrollArea, Ui, vec2};

use crate::tokens::space;

/// Width of 68 characters of the manuscript's type.
const WIDTH: f32 = 560.0;

/// The bar at the bottom.
pub fn below(ui: &mut Ui, id: &str, add: impl FnOnce(&mut Ui)) {
    let frame = Frame::new().inner_margin(Margin::symmetric(space::XL as i8, space::M as i8));
    Panel::bottom(id).frame(frame).show_separator_line(false).resizable(false).show(ui, add);
}

/// The column above it, which scrolls; at its end it stays there if asked.
pub fn column(ui: &mut Ui, stick_to_end: bool, add: impl FnOnce(&mut Ui)) {
    CentralPanel::default().frame(Frame::new()).show(ui, |ui| {
        let margin = ((ui.available_width() - WIDTH) / 2.0).max(space::XL);
        ScrollArea::vertical().auto_shrink(false).stick_to_bottom(stick_to_end).show(ui, |ui| {
            let width = ui.available_width() - 2.0 * margin;
            ui.horizontal_top(|ui| {
                ui.add_space(margin);
                ui.vertical(|ui| {
                    ui.set_width(width);
                    ui.add_space(space::XL);
                    add(ui);
                    ui.add_space(space::XL);
                });
            });
        });
    });
}

/// In the place of the primary button while the model writes.
pub fn stop_button(ui: &mut Ui) -> Response {
    ui.add(Button::new("Stop").min_size(vec2(84.0, 30.0))).on_hover_text("Stop (Esc)")
}
