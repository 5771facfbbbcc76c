//! A conversation, for models whose file says how one is written down. The turns are plain text; how they become a prompt is
//! `text::chat`'s business.

use eframe::egui::{
    Align, Id, Key, KeyboardShortcut, Label, Layout, Modifiers, RichText, Role, TextEdit, Ui, WidgetInfo,
};
use serde::{Deserialize, Serialize};
use text::chat::{self as template, Turn};

use super::column::{below, column, stop_button};
use super::manuscript::Manuscript;
use super::writer::Ended;
use super::{Generate, GenerateCommand};
use crate::command::Command;
use crate::icons::{Icon, icon_button};
use crate::shared::Shared;
use crate::tokens::{Tokens, size, space};
use crate::widgets::{error_card, primary_button, small};

/// One turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Whether the model says it.
    pub by_model: bool,
    /// What is said.
    pub text: Manuscript,
}

/// A conversation.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// The turns so far; while the model speaks, the last is its own.
    pub turns: Vec<Said>,
    input: String,
}

impl Chat {
    /// The turns as the template takes them, after what holds for all.
    pub fn for_template(&self, system: &str) -> Vec<Turn> {
        let role = |by_model| if by_model { template::Role::Assistant } else { template::Role::User };
        let turns = self.turns.iter().map(|t| Turn { role: role(t.by_model), text: t.text.buffer.clone() });
        let system = Turn { role: template::Role::System, text: system.to_owned() };
        (!system.text.trim().is_empty()).then_some(system).into_iter().chain(turns).collect()
    }

    /// The turn that the model is at.
    pub fn answer(&mut self) -> &mut Manuscript {
        if self.turns.last().is_none_or(|t| !t.by_model) {
            self.turns.push(Said { by_model: true, text: Manuscript::default() });
        }
        &mut self.turns.last_mut().expect("one was just pushed").text
    }

    /// The conversation as plain text.
    pub fn transcript(&self) -> String {
        let turn =
            |t: &Said| format!("{}\n{}\n", if t.by_model { "Model" } else { "You" }, t.text.buffer.trim());
        self.turns.iter().map(turn).collect::<Vec<_>>().join("\n")
    }

    /// Says something, and makes room for the answer.
    pub fn say(&mut self, words: String) {
        self.turns.push(Said { by_model: false, text: Manuscript::typed(words) });
    }

    /// Takes the last answer back.
    pub fn take_back(&mut self) -> bool {
        if self.turns.last().is_some_and(|t| t.by_model) {
            self.turns.pop();
        }
        self.turns.last().is_some()
    }
}

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
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Panel, "Settings panel").clicked() {
                    send(GenerateCommand::Panel);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_takes_turns() {
        let mut chat = Chat::default();
        chat.say("hello".into());
        chat.answer().push(1, "good", None, Vec::new());
        chat.answer().push(2, " day", None, Vec::new());
        chat.say("and you".into());
        let turns = chat.for_template("be brief");
        let roles: Vec<_> = turns.iter().map(|t| (t.role.name(), t.text.as_str())).collect();
        assert_eq!(
            roles,
            [("system", "be brief"), ("user", "hello"), ("assistant", "good day"), ("user", "and you")]
        );
        assert_eq!(chat.for_template(" ").len(), 3);
        assert!(chat.take_back() && chat.turns.len() == 3);
        chat.answer().push(3, "well", None, Vec::new());
        assert!(chat.take_back() && chat.turns.len() == 3);
        assert_eq!(chat.transcript(), "You\nhello\n\nModel\ngood day\n\nYou\nand you\n");
    }
}
