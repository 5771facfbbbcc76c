//! What can be asked of the page, and how the palette lists it.

use std::path::PathBuf;

use eframe::egui::{Id, Key, Modifiers};

use super::Generate;
use super::preset::Preset;
use crate::command::{Command, Entry};
use crate::page::Page;
use crate::shared::Shared;
use crate::shell::typing_in;

/// What can be asked of this page.
#[derive(Clone, Debug, PartialEq)]
pub enum GenerateCommand {
    /// Goes on with the text.
    Write,
    /// Ends it.
    Stop,
    /// Writes the last part again, with a new seed unless one is fixed.
    Again,
    /// Writes the last part so many times more, each with another seed.
    Several(usize),
    /// Goes back to the version before.
    Undo,
    /// Forward again.
    Redo,
    /// Goes to a version.
    Version(usize),
    /// Puts another id in a token's place and goes on from there.
    Branch {
        /// Which token of the text.
        token: usize,
        /// What stands there instead.
        id: u32,
    },
    /// Replaces the text.
    Text(String),
    /// Sets the sampler.
    Preset(Preset),
    /// Fixes another seed.
    NewSeed,
    /// Fixes this seed.
    Seed(u64),
    /// Colours tokens by their probability, or no longer.
    Probabilities,
    /// Shows the panel of settings, or hides it.
    Panel,
    /// Shows earlier versions, or hides them.
    Strip,
    /// Copies the text.
    Copy,
    /// Asks where to save the text, and saves it.
    Save,
    /// Saves the text to a file of this name; its ending decides the kind.
    SaveTo(PathBuf),
    /// Begins a new text, or a new conversation.
    Clear,
    /// Says something to a model that converses, and has it answer.
    Say(String),
    /// Treats a model that converses as one that continues text, or no longer.
    Notebook,
}

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
            Preset::ALL
                .map(|p| of(&format!("Sampling: {}", p.name().to_lowercase()), GenerateCommand::Preset(p))),
        );
        list
    }
}
