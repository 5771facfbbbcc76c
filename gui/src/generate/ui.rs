//! The page drawn: the text in the middle, versions on the left, settings on the right, one button below.

use eframe::egui::{Align, Frame, Id, Layout, Margin, Panel, RichText, Ui};

use super::column::{below, column, stop_button};
use super::surprise::{self, Pointed};
use super::view::{self, Look};
use super::writer::Ended;
use super::{Generate, MANUSCRIPT, panel};
use crate::command::{Command, GenerateCommand};
use crate::icons::{Icon, icon_button, icon_toggle};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{chip, empty_state, error_card, primary_button, small};

/// A narrower page has no room for a side panel.
const NARROW: f32 = 700.0;

impl Generate {
    pub fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let t = Tokens::of(ui.ctx());
        if shared.model.get().is_none() && shared.model.opening().is_none() {
            let text = "Open a GGUF file, or drop one anywhere on the window; the model then goes on with what you write";
            if empty_state(ui, "No model is open", text, Some("Open…")) {
                shared.send(Command::AskForModel);
            }
            return;
        }
        let (chat, narrow) = (self.is_chat(shared), ui.available_width() < NARROW);
        let side = |fill| Frame::new().fill(fill).inner_margin(Margin::symmetric(space::L as i8, 0));
        if shared.settings.writing.panel {
            Panel::right("writing settings")
                .exact_size(if narrow { 220.0 } else { space::SIDE })
                .resizable(false)
                .frame(side(t.panel))
                .show(ui, |ui| panel::ui(ui, shared, &mut self.stops, chat));
        }
        if chat {
            self.chat_ui(ui, shared);
            return;
        }
        if self.strip {
            Panel::left("versions")
                .exact_size(if narrow { 150.0 } else { 210.0 })
                .resizable(false)
                .frame(side(t.panel))
                .show(ui, |ui| self.strip_ui(ui, shared));
        }
        below(ui, "writing", |ui| {
            self.pointed = Pointed::default();
            if shared.settings.writing.probabilities {
                self.pointed = surprise::strip(ui, self.text.tokens());
            }
            self.buttons(ui, shared);
        });
        // Once more when the last words have come.
        column(ui, self.is_writing() || self.rebased, |ui| {
            if let Some(Ended::Failed(why)) = &self.ended {
                let title = "Writing stopped; nothing of the text is lost";
                if error_card(ui, title, &why.clone()) {
                    self.ended = None;
                }
                ui.add_space(space::M);
            }
            self.manuscript(ui, shared);
        });
    }

    fn manuscript(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let look = Look {
            probabilities: shared.settings.writing.probabilities,
            editable: !self.is_writing(),
            marked: self.pointed.token.map(|token| (token, self.pointed.clicked)),
        };
        let id = Id::unique(MANUSCRIPT);
        if std::mem::take(&mut self.rebased)
            && let Some(mut state) = eframe::egui::TextEdit::load_state(ui.ctx(), id)
        {
            state.clear_undoer();
            state.store(ui.ctx(), id);
        }
        if std::mem::take(&mut self.focus) {
            let end = eframe::egui::text::CCursor::new(self.text.buffer.chars().count());
            let mut state = eframe::egui::TextEdit::load_state(ui.ctx(), id).unwrap_or_default();
            state.cursor.set_char_range(Some(eframe::egui::text::CCursorRange::one(end)));
            state.store(ui.ctx(), id);
            ui.memory_mut(|m| m.request_focus(id));
        }
        let (changed, hovered) = view::text(ui, &mut self.text, look, id);
        if changed {
            self.text.edited();
        }
        let pointer = ui.input(|i| i.pointer.hover_pos());
        let hovered = hovered.filter(|_| look.probabilities && look.editable);
        view::follow(&mut self.card, hovered, pointer);
        let Some(model) = shared.model.get().cloned() else { return };
        if let Some(card) = self.card.as_mut().filter(|_| look.probabilities)
            && let Some((token, id)) = view::alternatives(ui, card, &self.text, &model.opened.tokenizer)
        {
            shared.send(Command::Generate(GenerateCommand::Branch { token, id }));
        }
    }

    fn buttons(&mut self, ui: &mut Ui, shared: &Shared) {
        let t = Tokens::of(ui.ctx());
        let send = |command| shared.send(Command::Generate(command));
        ui.horizontal(|ui| {
            ui.set_min_height(30.0);
            if self.is_writing() {
                if stop_button(ui).clicked() {
                    send(GenerateCommand::Stop);
                }
            } else {
                let ready = shared.model.get().is_some();
                ui.add_enabled_ui(ready, |ui| {
                    if primary_button(ui, "Write", "Ctrl+Enter").clicked() {
                        send(GenerateCommand::Write);
                    }
                });
            }
            let again = self.can_again(false) && !self.is_writing();
            ui.add_enabled_ui(again, |ui| {
                if icon_button(ui, Icon::Redo, "Write the last part again").clicked() {
                    send(GenerateCommand::Again);
                }
            });
            ui.add_enabled_ui(self.can_undo(false)[0] && !self.is_writing(), |ui| {
                if icon_button(ui, Icon::Undo, "Undo").clicked() {
                    send(GenerateCommand::Undo);
                }
            });
            let wide = ui.available_width() > 460.0;
            if wide && !shared.settings.writing.probabilities {
                let hint = if self.is_writing() { "Esc stops" } else { "Ctrl+Enter" };
                ui.label(RichText::new(hint).size(size::SMALL).color(t.text_faint));
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Panel, "Settings panel").clicked() {
                    send(GenerateCommand::Panel);
                }
                if icon_button(ui, Icon::Save, "Save the text").clicked() {
                    send(GenerateCommand::Save);
                }
                if icon_button(ui, Icon::Copy, "Copy the text").clicked() {
                    send(GenerateCommand::Copy);
                }
                let toggle = |ui: &mut Ui, icon, name: &str, on| {
                    if wide { chip(ui, name, on) } else { icon_toggle(ui, icon, name, on) }
                };
                if toggle(ui, Icon::Branch, "Versions", self.strip).clicked() {
                    send(GenerateCommand::Strip);
                }
                if toggle(ui, Icon::Eye, "Probabilities", shared.settings.writing.probabilities).clicked() {
                    send(GenerateCommand::Probabilities);
                }
                if shared.settings.writing.probabilities && ui.available_width() > 260.0 {
                    surprise::legend(ui);
                }
            });
        });
        if let Some(path) = shared.model.opening() {
            ui.label(small(format!("Opening {}", path.display())));
        }
    }
}
