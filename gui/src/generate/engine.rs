//! What the engine has to work with: threads of the processor, and tokens in sight. Both take effect when the model is opened again, which is
//! done as soon as a number is settled.

use std::ops::RangeInclusive;

use eframe::egui::{Align, DragValue, Layout, RichText, Ui};

use crate::command::Command;
use crate::icons::{Icon, icon_button};
use crate::settings::{CONTEXT_MIN, THREADS_MAX};
use crate::shared::Shared;
use crate::tokens::{Tokens, size};
use crate::widgets::section;

/// Draws the settings.
pub fn ui(ui: &mut Ui, shared: &Shared) {
    let Some(model) = shared.model.get() else { return };
    section(ui, "Engine");
    let (threads, context) = (shared.settings.threads, shared.settings.context);
    let idle = !shared.writing && shared.model.opening().is_none();
    ui.add_enabled_ui(idle && model.engine.gpu().is_none(), |ui| {
        let hint = "Threads of the processor that share every product; more than it has cores make it slower";
        let now = model.engine.threads();
        if let Some(threads) = row(ui, "Threads", hint, now, 1..=THREADS_MAX, threads.is_some()) {
            shared.send(Command::Engine { threads, context });
        }
    });
    ui.add_enabled_ui(idle, |ui| {
        let most = model.opened.model.config().context;
        let hint = format!(
            "Tokens the model has in sight, at most the {most} it was made for; fewer take less memory. When they are full, the older half \
             is forgotten"
        );
        let range = CONTEXT_MIN.min(most)..=most;
        if let Some(context) = row(ui, "Context", &hint, model.engine.context(), range, context.is_some()) {
            shared.send(Command::Engine { threads, context });
        }
    });
}

/// A number that takes effect once it is settled; answers what it is to be, where that is another one.
fn row(
    ui: &mut Ui,
    name: &str,
    hint: &str,
    now: usize,
    range: RangeInclusive<usize>,
    chosen: bool,
) -> Option<Option<usize>> {
    let t = Tokens::of(ui.ctx());
    let settling = ui.scope_id().with(("settling", name));
    let mut value = ui.data(|d| d.get_temp(settling)).unwrap_or(now);
    let mut answer = None;
    ui.horizontal(|ui| {
        let label = ui.label(RichText::new(name).size(size::SMALL).color(t.text_dim)).on_hover_text(hint);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let number = DragValue::new(&mut value).range(range).speed(0.2).update_while_editing(false);
            let number = ui.add(number).labelled_by(label.id);
            if number.dragged() || number.has_focus() {
                ui.data_mut(|d| d.insert_temp(settling, value));
            } else {
                ui.data_mut(|d| d.remove::<usize>(settling));
                if value != now {
                    answer = Some(Some(value));
                }
            }
            number.on_hover_text(hint);
            if chosen && icon_button(ui, Icon::Undo, &format!("Reset {}", name.to_lowercase())).clicked() {
                answer = Some(None);
            }
        });
    });
    answer
}
