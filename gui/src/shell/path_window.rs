//! A small window with a field for a path. The file dialog of the system may not come, or hang: a path can always be typed.

use std::path::{Path, PathBuf};

use eframe::egui::{Align2, Context, Key, Role, TextEdit, WidgetInfo, Window, vec2};

use crate::command::Command;
use crate::question::{Question, Wanted};
use crate::shared::Shared;
use crate::tokens::Tokens;
use crate::widgets::{dim, typed_path};

/// See the top of this file.
#[derive(Debug, Default)]
pub struct PathWindow {
    question: Option<Question<Command>>,
    path: String,
    /// The field is to get the keys, once.
    focus: bool,
    /// There is no dialog beside it.
    alone: bool,
    /// A file that is there already, and would be written over.
    replaces: Option<PathBuf>,
}

impl PathWindow {
    /// Shows it beside the system's dialog.
    pub fn beside(&mut self, question: Question<Command>) {
        let path = std::mem::take(&mut self.path);
        *self = PathWindow { question: Some(question), path, focus: true, ..PathWindow::default() };
    }

    /// Shows it instead of the system's dialog.
    pub fn alone(&mut self, question: Question<Command>) {
        let open = self.question.as_ref() == Some(&question);
        if !open {
            self.beside(question.clone());
        }
        if let (Wanted::Save(name, _), false) = (&question.wanted, open) {
            let home = directories::UserDirs::new().map(|d| d.home_dir().join(name));
            self.path = home.map_or_else(|| name.clone(), |p| p.display().to_string());
        }
        self.alone = true;
    }

    /// Hides it.
    pub fn close(&mut self) {
        self.question = None;
    }

    /// What a typed path leads to; a file is written over when that was asked for twice.
    fn entered(&mut self, ctx: &Context) -> Option<PathBuf> {
        let path = typed_path(&self.path)?;
        let saves = self.question.as_ref().is_some_and(|q| matches!(q.wanted, Wanted::Save(..)));
        if saves && self.replaces.as_deref() != Some(&*path) && path.exists() {
            self.replaces = Some(path);
            ctx.request_repaint();
            return None;
        }
        Some(path)
    }
}

fn words(question: &Question<Command>, alone: bool, replaces: Option<&Path>) -> String {
    if let Some(path) = replaces {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return format!("{name} is there already; once more replaces it");
    }
    let what = match question.wanted {
        Wanted::Open(_) => "type the path of a file",
        Wanted::Save(..) => "type the path to write to",
        Wanted::Folder => "type the path of a folder",
    };
    match (alone, &question.wanted) {
        (true, _) => format!("This system shows no file dialog; {what}"),
        (false, _) => format!("Choose in the dialog, {what}, or drop a file on the window"),
    }
}

pub fn ui(window: &mut PathWindow, shared: &Shared, ctx: &Context) {
    let Some(question) = window.question.clone() else { return };
    let (mut open, focus) = (true, std::mem::take(&mut window.focus));
    let button = match question.wanted {
        Wanted::Open(_) => "Open path",
        Wanted::Save(..) => "Save there",
        Wanted::Folder => "Use folder",
    };
    let mut chosen = false;
    Window::new(question.title)
        .open(&mut open)
        .resizable(false)
        .collapsible(false)
        .anchor(Align2::CENTER_TOP, vec2(0.0, 60.0))
        .show(ctx, |ui| {
            let text = dim(words(&question, window.alone, window.replaces.as_deref()));
            let text = if window.replaces.is_some() { text.color(Tokens::of(ctx).warn) } else { text };
            ui.label(text);
            ui.horizontal(|ui| {
                let hint =
                    if question.wanted == Wanted::Folder { "/path/to/folder" } else { "/path/to/file" };
                let field = TextEdit::singleline(&mut window.path).hint_text(hint).desired_width(340.0);
                let field = ui.add(field);
                field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Path"));
                if focus {
                    field.request_focus();
                }
                if field.changed() {
                    window.replaces = None;
                }
                let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
                chosen = ui.button(button).clicked() || entered;
            });
        });
    if !open || ctx.input(|i| i.key_pressed(Key::Escape)) {
        window.close();
    }
    if chosen && let Some(path) = window.entered(ctx) {
        window.close();
        shared.send((question.then)(path));
    }
}
