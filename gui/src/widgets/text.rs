//! Texts by what they are for: a title, an explanation, a small label; and texts that have to be cut.

use eframe::egui::{RichText, Ui};

use crate::theme::strong_font;
use crate::tokens::{Tokens, size};

/// The title of a page.
pub fn title(ui: &mut Ui, text: &str) {
    let t = Tokens::of(ui.ctx());
    ui.label(RichText::new(text).font(strong_font(size::TITLE)).color(t.text));
}

/// The title of a part of a page.
pub fn section(ui: &mut Ui, title: &str) {
    let t = Tokens::of(ui.ctx());
    ui.label(RichText::new(title).font(strong_font(size::BODY)).color(t.text));
}

/// A label that explains.
pub fn dim(text: impl Into<String>) -> RichText {
    RichText::new(text).weak()
}

/// A small label in a table or under a number.
pub fn small(text: impl Into<String>) -> RichText {
    RichText::new(text).size(size::SMALL).weak()
}

/// The beginning of a text, with … where it is cut.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{kept}…")
}
