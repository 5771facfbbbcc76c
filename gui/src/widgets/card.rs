//! The surface that belongs together stands on.

use eframe::egui::{CornerRadius, Frame, Margin, Stroke, Ui};

use crate::tokens::{Tokens, space};

/// A raised surface with a hairline round it.
pub fn card(ui: &Ui) -> Frame {
    let t = Tokens::of(ui.ctx());
    Frame::new()
        .fill(t.panel)
        .stroke(Stroke::new(1.0, t.line))
        .corner_radius(CornerRadius::same(space::RADIUS))
        .inner_margin(Margin::same(space::M as i8))
}
