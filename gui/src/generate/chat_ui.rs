//! The conversation drawn: the turns, the field for what is said next, and what can be done about both.

use eframe::egui::{
    Align, Id, Key, KeyboardShortcut, Label, Layout, Modifiers, RichText, Role, TextEdit, Ui, WidgetInfo,
};

use super::Generate;
use super::column::{below, column, stop_button};
use super::writer::Ended;
use crate::command::{Command, GenerateCommand};
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{chip, error_card, primary_button, small};

impl Generate {
    /// Draws the conversation and what is being said.
    pub(super) fn chat_ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        below(ui, "saying", |ui| self.say_ui(ui, shared));
        column(ui, true, |ui| self.turns_ui(ui));
    }

    fn turns_ui(&mut self, ui: &mut Ui) {
        let t = Tokens::of(ui.ctx());
        if self.chat.turns.is_empty() {
            ui.label(small("Say something; the model answers as its file's chat template has it"));
        }
        for turn in &self.chat.turns {
            ui.label(small(if turn.by_model { "Model" } else { "You" }));
            let color = if turn.by_model { t.plus } else { t.text };
            let text = RichText::new(&turn.text.buffer)
                .size(size::MANUSCRIPT)
                .line_height(Some(size::MANUSCRIPT * 1.5));
            ui.add(Label::new(text.color(color)).wrap().selectable(true));
            ui.add_space(space::M);
        }
        if let Some(Ended::Failed(why)) = self.ended.clone()
            && error_card(ui, "The model did not answer", &why)
        {
            self.ended = None;
        }
    }

    fn say_ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let send = |command| shared.send(Command::Generate(command));
        let writing = self.is_writing();
        let id = Id::unique("say");
        // Enter says it, Shift+Enter begins a line.
        let entered = ui.memory(|m| m.has_focus(id))
            && !writing
            && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter));
        let field = TextEdit::multiline(&mut self.chat.input)
            .id(id)
            .hint_text("Say something")
            .desired_rows(2)
            .desired_width(f32::INFINITY)
            .return_key(KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter));
        let field = ui.add(field);
        field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "What you say"));
        ui.horizontal(|ui| {
            ui.set_min_height(30.0);
            if writing {
                if stop_button(ui).clicked() {
                    send(GenerateCommand::Stop);
                }
            } else if primary_button(ui, "Say", "Enter").clicked() || entered {
                let words = std::mem::take(&mut self.chat.input);
                if !words.trim().is_empty() {
                    send(GenerateCommand::Say(words));
                }
            }
            ui.add_enabled_ui(!writing && !self.chat.turns.is_empty(), |ui| {
                if icon_button(ui, Icon::Redo, "Answer again").clicked() {
                    send(GenerateCommand::Again);
                }
            });
            ui.add_enabled_ui(!writing && self.chat.can_undo()[0], |ui| {
                if icon_button(ui, Icon::Undo, "Undo").clicked() {
                    send(GenerateCommand::Undo);
                }
            });
            let broken_off = matches!(self.ended, Some(Ended::Length | Ended::Cancelled));
            if !writing && broken_off && self.chat.can_go_on() {
                let hint = "Go on with the last answer where it was broken off (Ctrl+Enter)";
                if chip(ui, "Go on", false).on_hover_text(hint).clicked() {
                    send(GenerateCommand::Write);
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Panel, "Settings panel").clicked() {
                    send(GenerateCommand::Panel);
                }
                if icon_button(ui, Icon::Save, "Save the conversation").clicked() {
                    send(GenerateCommand::Save);
                }
                if icon_button(ui, Icon::Copy, "Copy the conversation").clicked() {
                    send(GenerateCommand::Copy);
                }
                if icon_button(ui, Icon::Plus, "New conversation").clicked() {
                    send(GenerateCommand::Clear);
                }
            });
        });
    }
}
