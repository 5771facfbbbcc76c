//! Shortcuts: which command a key sends. They are looked at before any widget sees the keys.

use eframe::egui::{Context, Event, Key, Modifiers};

use crate::command::Command;
use crate::entry::Entry;
use crate::shared::Shared;
use crate::widgets::typing_in;

/// Whether a key went down since the last frame.
pub fn are_pressed(ctx: &Context) -> bool {
    ctx.input(|i| i.events.iter().any(|e| matches!(e, Event::Key { pressed: true, .. })))
}

/// Takes the keys that belong to commands, and sends those.
pub fn take(mut entries: Vec<Entry>, shared: &Shared, ctx: &Context) {
    // On many keyboards Ctrl and the key with the plus on it.
    if ctx.input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::Equals)) {
        shared.send(Command::Zoom(1));
    }
    // A question mark means nothing but itself while somebody types.
    if typing_in(ctx).is_none()
        && ctx.input_mut(|i| {
            i.consume_key(Modifiers::NONE, Key::Questionmark)
                || i.consume_key(Modifiers::SHIFT, Key::Questionmark)
        })
    {
        shared.send(Command::Shortcuts);
    }
    // Ctrl+Shift+Z would also do as Ctrl+Z: what needs more keys comes first.
    entries.sort_by_key(|e| e.keys.is_none_or(|k| !k.modifiers.shift));
    for entry in entries {
        if let Some(keys) = entry.keys
            && entry.enabled
            && ctx.input_mut(|i| i.consume_shortcut(&keys))
        {
            shared.send(entry.command);
        }
    }
    // What was pressed is done in this frame's end, not when something else moves.
    if !shared.commands.is_empty() {
        ctx.request_repaint();
    }
}
