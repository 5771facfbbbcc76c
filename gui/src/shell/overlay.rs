//! What floats over the pages: a file held over the window, notices, the list of shortcuts.

use std::path::PathBuf;

use eframe::egui::{
    Align2, Area, Context, FontId, Grid, Id, Key, LayerId, Order, RichText, ScrollArea, Window, vec2,
};

use crate::command::Command;
use crate::entry::Entry;
use crate::notices::Severity;
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{dim, duration, message, small};

/// Opens what was dropped on the window.
pub fn take_dropped(shared: &mut Shared, ctx: &Context) {
    let dropped: Vec<PathBuf> =
        ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
    let mut dropped = dropped.into_iter();
    if let Some(path) = dropped.next() {
        shared.send(Command::Open(path));
    }
    if dropped.next().is_some() {
        shared.notices.info("One file is opened at a time; the first was taken.");
    }
}

/// Draws what floats; `shortcuts` says whether their list is shown, and hides it.
pub fn ui(shortcuts: &mut bool, entries: &[Entry], shared: &mut Shared, ctx: &Context) {
    held_file(ctx);
    edge(shared, ctx);
    notices(shared, ctx);
    if *shortcuts {
        *shortcuts = shortcut_list(entries, ctx);
    }
}

/// While a file is held over the window, the whole of it is the place to drop it, and says which file that is.
fn held_file(ctx: &Context) {
    let held = ctx.input(|i| i.raw.hovered_files.first().map(|f| f.path.clone()));
    let Some(path) = held else { return };
    let t = Tokens::of(ctx);
    let painter = ctx.layer_painter(LayerId::new(Order::Foreground, Id::unique("held file")));
    let rect = ctx.content_rect();
    painter.rect_filled(rect, 0.0, t.bg.gamma_multiply(0.92));
    painter.rect_stroke(
        rect.shrink(space::L),
        f32::from(space::RADIUS),
        eframe::egui::Stroke::new(2.0, t.plus),
        eframe::egui::StrokeKind::Inside,
    );
    let name = path.and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    let text = name.map_or("Drop to open".to_owned(), |n| format!("Drop to open {n}"));
    painter.text(rect.center(), Align2::CENTER_CENTER, text, FontId::proportional(size::TITLE), t.text);
}

/// Lines at the edge that have not been read.
fn edge(shared: &mut Shared, ctx: &Context) {
    let t = Tokens::of(ctx);
    let mut dismissed = None;
    let unread: Vec<_> = shared.notices.lines().iter().enumerate().filter(|(_, n)| !n.read).collect();
    if unread.is_empty() {
        return;
    }
    Area::new(Id::unique("edge"))
        .anchor(Align2::RIGHT_BOTTOM, vec2(-space::L, -92.0))
        .order(Order::Foreground)
        .show(ctx, |ui| {
            ui.set_width(360.0);
            for (index, n) in unread.iter().rev().take(4).rev() {
                if message(ui, n.severity.color(t), n.severity.icon(), |ui| {
                    ui.label(RichText::new(&n.text).color(t.text));
                }) {
                    dismissed = Some(*index);
                }
            }
        });
    if let Some(index) = dismissed {
        shared.notices.dismiss(index);
    }
}

fn notices(shared: &mut Shared, ctx: &Context) {
    let t = Tokens::of(ctx);
    let mut open = shared.notices.open;
    Window::new("Messages").open(&mut open).default_size([460.0, 300.0]).show(ctx, |ui| {
        let lines = shared.notices.lines();
        if lines.is_empty() {
            ui.label(dim("Nothing has been said yet"));
        }
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            for n in lines.iter().rev() {
                let word = match n.severity {
                    Severity::Info => "Note",
                    Severity::Good => "Done",
                    Severity::Warn => "Warning",
                    Severity::Bad => "Problem",
                };
                ui.horizontal_wrapped(|ui| {
                    ui.label(RichText::new(word).size(size::SMALL).color(n.severity.color(t)));
                    ui.label(small(format!("{} ago", duration(n.at.elapsed()))));
                    ui.label(RichText::new(&n.text).color(t.text));
                });
            }
        });
    });
    shared.notices.open = open;
}

/// The commands that have keys; answers whether the list stays.
fn shortcut_list(entries: &[Entry], ctx: &Context) -> bool {
    let mut open = true;
    Window::new("Keyboard shortcuts")
        .open(&mut open)
        .resizable(false)
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .show(ctx, |ui| {
            Grid::new("shortcuts").num_columns(2).spacing([space::XL, 6.0]).show(ui, |ui| {
                for entry in entries {
                    let Some(keys) = entry.keys else { continue };
                    ui.label(&entry.text);
                    ui.label(dim(ctx.format_shortcut(&keys)));
                    ui.end_row();
                }
            });
        });
    if open && ctx.input_mut(|i| i.consume_key(eframe::egui::Modifiers::NONE, Key::Escape)) {
        open = false;
    }
    open
}
