//! A small window with a field for a path. The file dialog of the system may not come, or hang: a path can always be typed.

use std::time::Duration;

use eframe::egui::{Align2, Context, Key, Role, TextEdit, WidgetInfo, Window, vec2};

use crate::app::App;
use crate::command::Command;
use crate::widgets::dim;

/// A dialog that answers within so little time was never seen by anybody.
const UNSEEN: Duration = Duration::from_millis(400);

/// See the top of this file.
#[derive(Debug, Default)]
pub struct PathField {
    open: bool,
    /// The field is to get the keys, once.
    focus: bool,
    /// The system has no dialog.
    alone: bool,
}

impl PathField {
    /// Shows it.
    pub fn open(&mut self) {
        *self = PathField { open: true, focus: true, alone: false };
    }

    /// Hides it.
    pub fn close(&mut self) {
        self.open = false;
    }

    /// The dialog beside it gave no file after this time: somebody closed it, or there was none.
    pub fn no_answer(&mut self, after: Duration) {
        if after < UNSEEN {
            self.alone = true;
        } else {
            self.close();
        }
    }
}

/// Draws it.
pub fn ui(app: &mut App, ctx: &Context) {
    let field = &mut app.shell.path_field;
    let (mut open, focus, alone) = (field.open, std::mem::take(&mut field.focus), field.alone);
    if !open {
        return;
    }
    let mut chosen = false;
    Window::new("Open a model")
        .open(&mut open)
        .resizable(false)
        .collapsible(false)
        .anchor(Align2::CENTER_TOP, vec2(0.0, 60.0))
        .show(ctx, |ui| {
            ui.label(dim(if alone {
                "This system shows no file dialog; type the path of a file, or drop one on the window"
            } else {
                "Choose a file in the dialog, type its path, or drop one on the window"
            }));
            ui.horizontal(|ui| {
                let field = TextEdit::singleline(&mut app.shell.path)
                    .hint_text("/path/to/model.gguf")
                    .desired_width(340.0);
                let field = ui.add(field);
                field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Path to open"));
                if focus {
                    field.request_focus();
                }
                let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
                chosen = ui.button("Open path").clicked() || entered;
            });
        });
    if chosen && !app.shell.path.trim().is_empty() {
        app.send(Command::Open(app.shell.path.trim().trim_matches('"').into()));
    }
    app.shell.path_field.open = open && !ctx.input(|i| i.key_pressed(Key::Escape));
}
