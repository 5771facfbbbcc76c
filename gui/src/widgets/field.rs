//! What is known of fields that somebody types in.

use std::path::PathBuf;

use eframe::egui::{Context, Id, TextEdit};

/// The field that somebody types in.
pub fn typing_in(ctx: &Context) -> Option<Id> {
    ctx.memory(|m| m.focused()).filter(|id| TextEdit::load_state(ctx, *id).is_some())
}

/// A path as a person types or pastes it, in quotes perhaps; `None` for nothing.
pub fn typed_path(text: &str) -> Option<PathBuf> {
    let path = text.trim().trim_matches('"');
    (!path.is_empty()).then(|| path.into())
}
