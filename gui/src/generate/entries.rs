//! The page's commands as the palette lists them, with their keys.

use eframe::egui::{Id, Key, Modifiers};

use super::Generate;
use crate::command::{Command, GenerateCommand};
use crate::entry::Entry;
use crate::page::Page;
use crate::settings::SamplingPreset;
use crate::shared::Shared;
use crate::widgets::typing_in;

impl Generate {
    /// The page's commands, for the palette and the shortcuts.
    pub fn entries(&self, shared: &Shared) -> Vec<Entry> {
        let here = shared.settings.page == Page::Generate;
        let ready = shared.model.get().is_some() && self.writer.is_none();
        let command = Modifiers::COMMAND;
        let chat = self.is_chat(shared);
        let [undo, redo] = self.can_undo(chat);
        // A field that is being typed in takes its own words back first.
        let own = match typing_in(&shared.ctx) {
            Some(id) if id == Id::unique(super::MANUSCRIPT) => !chat && self.is_edited(),
            other => other.is_some(),
        };
        let of = |text: &str, c| Entry::new(text, Command::Generate(c));
        let steps = |text: &str, c, modifiers, can: bool| {
            let entry = of(text, c).when(here && ready && can);
            if own { entry } else { entry.keys(modifiers, Key::Z) }
        };
        let go_on = if chat { self.chat.can_go_on() } else { true };
        let mut list = vec![
            of(if chat { "Go on with the answer" } else { "Write" }, GenerateCommand::Write)
                .keys(command, Key::Enter)
                .when(here && ready && go_on),
            of("Stop writing", GenerateCommand::Stop)
                .keys(Modifiers::NONE, Key::Escape)
                .when(here && self.is_writing()),
            of(if chat { "Answer again" } else { "Write the last part again" }, GenerateCommand::Again)
                .keys(command | Modifiers::SHIFT, Key::Enter)
                .when(here && ready && self.can_again(chat)),
            of("Write the last part three times more", GenerateCommand::Several(3))
                .when(here && ready && !chat && self.can_again(false)),
            steps("Undo", GenerateCommand::Undo, command, undo),
            steps("Redo", GenerateCommand::Redo, command | Modifiers::SHIFT, redo),
            of(if chat { "New conversation" } else { "New text" }, GenerateCommand::Clear)
                .keys(command, Key::N)
                .when(here && ready),
            of("Continue text instead of conversing, or back", GenerateCommand::Notebook)
                .when(here && shared.model.get().is_some_and(|m| m.opened.chat_template.is_some())),
            of("New seed", GenerateCommand::NewSeed),
            of("Token probabilities", GenerateCommand::Probabilities).keys(command, Key::P).when(here),
            of("Settings panel", GenerateCommand::Panel).keys(command, Key::Backslash).when(here),
            of("Earlier versions", GenerateCommand::Strip).keys(command, Key::H).when(here),
            of("Copy the text", GenerateCommand::Copy),
            of("Save the text…", GenerateCommand::Save).keys(command, Key::S).when(here),
        ];
        list.extend(
            SamplingPreset::ALL
                .map(|p| of(&format!("Sampling: {}", p.name().to_lowercase()), GenerateCommand::Preset(p))),
        );
        list
    }
}
