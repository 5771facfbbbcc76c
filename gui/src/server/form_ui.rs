//! The settings of a server, drawn: where it listens, who may ask, how much it does at once.

use eframe::egui::{Align, DragValue, Layout, RichText, Role, ScrollArea, TextEdit, Ui, WidgetInfo};

use super::{Server, State};
use crate::command::{Command, ServerCommand};
use crate::icons::{Icon, icon_button, icon_toggle};
use crate::settings::{CONTEXT_MIN, Serving, TEXTS_MAX};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{Range, chip, section, slider_row, small};

impl Server {
    pub(super) fn form_ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let t = Tokens::of(ui.ctx());
        ScrollArea::vertical().id_salt("server settings").auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            ui.add_space(space::M);
            let asked = match &self.state {
                State::Stopped => None,
                State::Starting(_, asked) => Some(asked),
                State::Serving(live) | State::Draining(live, _) => Some(&live.asked),
            };
            if asked.is_some_and(|asked| !asked.serves_as(&shared.settings.serving)) {
                let words = "What was changed holds from the next start on";
                ui.label(RichText::new(words).size(size::SMALL).color(t.warn));
            }
            section(ui, "Address");
            address(ui, &mut shared.settings.serving);
            ui.add_space(space::S);
            section(ui, "Key");
            self.key(ui, shared);
            ui.add_space(space::S);
            section(ui, "Model");
            let serving = &mut shared.settings.serving;
            let range = Range { slider: 1..=128, most: TEXTS_MAX, usual: Serving::default().texts, digits: 0, logarithmic: true };
            let hint = "Texts that are read and written in one pass; requests beyond them wait. More take more memory";
            slider_row(ui, "Texts at once", hint, &mut serving.texts, &range);
            if let Some(model) = shared.model.get() {
                context(ui, &mut shared.settings.serving.context, model.opened.model.config().context);
            }
            ui.add_space(space::S);
            ui.checkbox(&mut shared.settings.serving.at_start, "Start with the app");
            ui.add_space(space::XL);
        });
    }

    /// The key: shown on demand, copied, made anew.
    fn key(&self, ui: &mut Ui, shared: &mut Shared) {
        let t = Tokens::of(ui.ctx());
        let serving = &shared.settings.serving;
        if serving.key.is_empty() {
            if ui.button("Make a key").clicked() {
                shared.send(Command::Server(ServerCommand::NewKey));
            }
            let words = "None is asked for";
            if serving.others {
                ui.label(RichText::new("Other machines need one").size(size::SMALL).color(t.warn));
            } else {
                ui.label(small(words));
            }
            return;
        }
        let field = TextEdit::singleline(&mut shared.settings.serving.key)
            .password(!self.key_shown)
            .font(eframe::egui::TextStyle::Monospace)
            .desired_width(f32::INFINITY);
        let field = ui.add(field);
        field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Key"));
        let send = |command| shared.send(Command::Server(command));
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            if icon_toggle(ui, Icon::Eye, "Show the key", self.key_shown).clicked() {
                send(ServerCommand::ShowKey);
            }
            if icon_button(ui, Icon::Copy, "Copy the key").clicked() {
                send(ServerCommand::CopyKey);
            }
            if icon_button(ui, Icon::Redo, "Make a new key").clicked() {
                send(ServerCommand::NewKey);
            }
        });
        if let Some(wrong) = shared.settings.serving.wrong() {
            ui.label(RichText::new(wrong).size(size::SMALL).color(t.warn));
        } else {
            ui.label(small("Every request must carry it; empty for none"));
        }
    }
}

fn address(ui: &mut Ui, serving: &mut Serving) {
    let t = Tokens::of(ui.ctx());
    let row = |ui: &mut Ui, name: &str, hint: &str, add: &mut dyn FnMut(&mut Ui, eframe::egui::Id)| {
        ui.horizontal(|ui| {
            let label = ui.label(RichText::new(name).size(size::SMALL).color(t.text_dim)).on_hover_text(hint);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| add(ui, label.id));
        });
    };
    row(ui, "Port", "From 1 to 65535; 0 for any that is free", &mut |ui, label| {
        // Ports are names rather than amounts.
        let plain = |n: f64, _: std::ops::RangeInclusive<usize>| format!("{n:.0}");
        ui.add(DragValue::new(&mut serving.port).speed(0.2).custom_formatter(plain)).labelled_by(label);
    });
    ui.horizontal_wrapped(|ui| {
        if chip(ui, "This machine", !serving.others).clicked() {
            serving.others = false;
        }
        if chip(ui, "Other machines too", serving.others).clicked() {
            serving.others = true;
        }
    });
    ui.label(small(match serving.others {
        false => "Only programs of this machine reach it",
        true => "Whoever has the key reaches it over the network, unencrypted",
    }));
}

/// Tokens that a text has in sight.
fn context(ui: &mut Ui, context: &mut Option<usize>, most: usize) {
    let range =
        Range { slider: CONTEXT_MIN.min(most)..=most, most, usual: most, digits: 0, logarithmic: false };
    let mut tokens = context.unwrap_or(most).min(most);
    let hint = format!(
        "Tokens that each text has in sight, its prompt and its answer together, at most the {most} that the model was made for; fewer take \
         less memory"
    );
    if slider_row(ui, "Context", &hint, &mut tokens, &range) {
        *context = (tokens < most).then_some(tokens);
    }
}
