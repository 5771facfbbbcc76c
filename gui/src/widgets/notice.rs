//! Things said in the place they are about: an error with what to do, a hint where there is nothing yet.

use eframe::egui::{
    Align, Color32, CornerRadius, Frame, Layout, Margin, Response, RichText, Stroke, Ui, vec2,
};

use super::button::primary_button;
use super::text::dim;
use crate::icons::{Icon, icon_button};
use crate::notices::Severity;
use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};

/// What a page is for, while there is nothing on it, and the one thing to do about that.
pub fn empty_state(ui: &mut Ui, title: &str, text: &str, action: Option<&str>) -> bool {
    let t = Tokens::of(ui.ctx());
    let mut asked = false;
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.28).max(space::XL));
        ui.label(RichText::new(title).font(strong_font(size::TITLE)).color(t.text));
        ui.scope(|ui| {
            ui.set_max_width(420.0);
            ui.label(dim(text));
        });
        if let Some(action) = action {
            ui.add_space(space::S);
            asked = primary_button(ui, action, "").clicked();
        }
    });
    asked
}

/// What went wrong, where it did. Answers whether it was read and can go.
pub fn error_card(ui: &mut Ui, title: &str, why: &str) -> bool {
    let t = Tokens::of(ui.ctx());
    message(ui, t.bad, Icon::Warn, |ui| {
        ui.label(RichText::new(title).font(strong_font(size::BODY)).color(t.text));
        ui.label(RichText::new(why).color(t.text));
    })
}

/// A line in a frame of a colour, with an icon and a way to close it. Answers whether it was closed.
pub fn message(ui: &mut Ui, color: Color32, icon: Icon, add: impl FnOnce(&mut Ui)) -> bool {
    let t = Tokens::of(ui.ctx());
    let mut closed = false;
    Frame::new()
        .fill(t.panel)
        .stroke(Stroke::new(1.0, color))
        .corner_radius(CornerRadius::same(space::RADIUS))
        .inner_margin(Margin::same(space::M as i8))
        .show(ui, |ui| {
            ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                closed = icon_button(ui, Icon::Close, "Dismiss").clicked();
                ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
                    let (rect, _): (_, Response) =
                        ui.allocate_exact_size(vec2(18.0, 18.0), eframe::egui::Sense::hover());
                    icon.paint(ui.painter(), rect, color);
                    ui.vertical(add);
                });
            });
        });
    closed
}

impl Severity {
    pub fn color(self, t: &Tokens) -> Color32 {
        match self {
            Severity::Info => t.minus,
            Severity::Good => t.good,
            Severity::Warn => t.warn,
            Severity::Bad => t.bad,
        }
    }

    /// Its icon; colour is never the only sign.
    pub fn icon(self) -> Icon {
        match self {
            Severity::Info => Icon::Bell,
            Severity::Good => Icon::Check,
            Severity::Warn | Severity::Bad => Icon::Warn,
        }
    }
}
