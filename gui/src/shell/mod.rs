//! The frame round every page: the rail, the bar on top, the status line, and what floats over them.

mod bar;
mod closing;
mod overlay;
mod palette;
mod path_window;
mod rail;
mod status;

pub use bar::backends;
pub use palette::Palette;
use path_window::PathWindow;

use eframe::egui::{CentralPanel, Context, Event, Frame, Id, Key, Margin, Modifiers, Panel, TextEdit, Ui};

use crate::app::App;
use crate::command::Command;
use crate::page::Page;
use crate::tokens::{Tokens, space};
use crate::widgets::error_card;

/// What the shell itself remembers.
#[derive(Debug, Default)]
pub struct Shell {
    /// Whether the list of shortcuts is shown.
    pub shortcuts: bool,
    /// The window with a field for a path.
    pub path_window: PathWindow,
    /// What is in a field for a path.
    pub path: String,
    /// The recent models, as they were found when their menu was opened.
    recents: bar::Recents,
    /// What becomes of trainings when the window closes.
    closing: closing::Closing,
}

/// Draws everything.
pub fn ui(app: &mut App, ui: &mut Ui) {
    let ctx = ui.ctx().clone();
    keys(app, &ctx);
    overlay::take_dropped(app, &ctx);
    note_size(app, &ctx);
    let t = Tokens::of(&ctx);
    if !app.on_ground {
        ui.painter().rect_filled(ctx.content_rect(), 0.0, t.bg);
    }
    let plain = |fill, margin| Frame::new().fill(fill).inner_margin(margin);
    Panel::left("rail")
        .exact_size(space::RAIL)
        .resizable(false)
        .frame(plain(t.panel, Margin::same(0)))
        .show(ui, |ui| rail::ui(app, ui));
    Panel::top("bar")
        .exact_size(44.0)
        .resizable(false)
        .frame(Frame::new().inner_margin(Margin::symmetric(space::L as i8, 0)))
        .show(ui, |ui| bar::ui(app, ui));
    Panel::bottom("status")
        .exact_size(30.0)
        .resizable(false)
        .frame(plain(t.panel, Margin::symmetric(space::L as i8, 0)))
        .show(ui, |ui| status::ui(app, ui));
    CentralPanel::default().frame(Frame::new()).show(ui, |ui| {
        if let Some(refused) = app.shared.model.refused.clone() {
            let name = refused.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut read = false;
            Frame::new().inner_margin(Margin::same(space::M as i8)).show(ui, |ui| {
                read = error_card(ui, &format!("{name} cannot be opened"), &refused.why);
            });
            if read {
                app.shared.model.refused = None;
            }
        }
        let shared = &mut app.shared;
        match shared.settings.page {
            Page::Generate => app.generate.ui(ui, shared),
            Page::Model => app.inspect.ui(ui, shared),
            Page::Benchmark => app.benchmark.ui(ui, shared),
            Page::Training => app.training.ui(ui, shared),
            Page::Server => app.server.ui(ui, shared),
        }
    });
    overlay::ui(app, &ctx);
    path_window::ui(app, &ctx);
    palette::ui(app, &ctx);
    closing::ui(app, &ctx);
}

/// The field that somebody types in.
pub fn typing_in(ctx: &Context) -> Option<Id> {
    ctx.memory(|m| m.focused()).filter(|id| TextEdit::load_state(ctx, *id).is_some())
}

/// Shortcuts, before any widget sees the keys.
fn keys(app: &mut App, ctx: &Context) {
    let pressed = ctx.input(|i| i.events.iter().any(|e| matches!(e, Event::Key { pressed: true, .. })));
    if app.palette.is_open() || !pressed {
        return;
    }
    // On many keyboards Ctrl and the key with the plus on it.
    if ctx.input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::Equals)) {
        app.send(Command::Zoom(1));
    }
    // A question mark means nothing but itself while somebody types.
    if typing_in(ctx).is_none()
        && ctx.input_mut(|i| {
            i.consume_key(Modifiers::NONE, Key::Questionmark)
                || i.consume_key(Modifiers::SHIFT, Key::Questionmark)
        })
    {
        app.send(Command::Shortcuts);
    }
    // Ctrl+Shift+Z would also do as Ctrl+Z: what needs more keys comes first.
    let mut entries = app.entries();
    entries.sort_by_key(|e| e.keys.is_none_or(|k| !k.modifiers.shift));
    for entry in entries {
        if let Some(keys) = entry.keys
            && entry.enabled
            && ctx.input_mut(|i| i.consume_shortcut(&keys))
        {
            app.send(entry.command);
        }
    }
    // What was pressed is done in this frame's end, not when something else moves.
    if !app.shared.commands.is_empty() {
        ctx.request_repaint();
    }
}

/// The window's size, to begin with next time. A window is made before anything is zoomed.
fn note_size(app: &mut App, ctx: &Context) {
    let settings = &mut app.shared.settings;
    let maximized = ctx.input(|i| i.viewport().maximized).unwrap_or(false);
    settings.maximized = maximized;
    let size = ctx.content_rect().size() * ctx.zoom_factor();
    if !maximized && ctx.input(|i| i.viewport().inner_rect.is_some()) && size.x >= 200.0 && size.y >= 200.0 {
        settings.window = Some([size.x.round(), size.y.round()]);
    }
}
