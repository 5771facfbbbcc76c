//! What pages are made of: a few widgets, each a function that returns its `Response`. They know the tokens and nothing of
//! the app.

mod button;
mod figure;
#[cfg(test)]
mod gallery;
mod notice;
mod slider;

pub use button::{chip, primary_button, tab};
pub use figure::{bytes, count, duration, per_second, share};
pub use notice::{empty_state, error_card, message};
pub use slider::{Range, slider_row};

use std::path::PathBuf;

use eframe::egui::{CornerRadius, Frame, Margin, RichText, Stroke, Ui};

use crate::theme::strong_font;
use crate::tokens::{Tokens, size, space};

/// A path as a person types or pastes it, in quotes perhaps; `None` for nothing.
pub fn typed_path(text: &str) -> Option<PathBuf> {
    let path = text.trim().trim_matches('"');
    (!path.is_empty()).then(|| path.into())
}

/// The title of a part of a page.
pub fn section(ui: &mut Ui, title: &str) {
    let t = Tokens::of(ui.ctx());
    ui.label(RichText::new(title).font(strong_font(size::BODY)).color(t.text));
}

/// The title of a page.
pub fn title(ui: &mut Ui, text: &str) {
    let t = Tokens::of(ui.ctx());
    ui.label(RichText::new(text).font(strong_font(size::TITLE)).color(t.text));
}

/// A label that explains.
pub fn dim(text: impl Into<String>) -> RichText {
    RichText::new(text).weak()
}

/// A small label in a table or under a number.
pub fn small(text: impl Into<String>) -> RichText {
    RichText::new(text).size(size::SMALL).weak()
}

/// A raised surface with a hairline round it.
pub fn card(ui: &Ui) -> Frame {
    let t = Tokens::of(ui.ctx());
    Frame::new()
        .fill(t.panel)
        .stroke(Stroke::new(1.0, t.line))
        .corner_radius(CornerRadius::same(space::RADIUS))
        .inner_margin(Margin::same(space::M as i8))
}

/// The beginning of a text, with … where it is cut.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{kept}…")
}
