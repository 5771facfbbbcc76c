//! The page's commands: carrying them out, and how the palette lists them, with their keys.

use eframe::egui::{Id, Key, Modifiers};
use runtime::sampler::Sampling;

use super::Generate;
use super::begin::new_seed;
use super::chat::transcript;
use super::manuscript::Manuscript;
use super::save::Record;
use crate::command::{Command, GenerateCommand};
use crate::entry::Entry;
use crate::env::WRITTEN;
use crate::jobs;
use crate::page::Page;
use crate::question::Question;
use crate::settings::SamplingPreset;
use crate::shared::Shared;
use crate::widgets::typing_in;

impl Generate {
    pub fn run(&mut self, command: GenerateCommand, shared: &mut Shared) {
        let idle = self.writer.is_none();
        let chat = self.is_chat(shared);
        match command {
            GenerateCommand::Say(words) if idle && chat => {
                self.chat.say(words);
                self.answer(shared);
            }
            GenerateCommand::Again if idle && chat && self.chat.take_back() => self.answer(shared),
            GenerateCommand::Write if idle && chat && self.chat.can_go_on() => {
                self.chat.remember();
                self.answer(shared);
            }
            GenerateCommand::Undo if idle && chat => self.chat.undo(),
            GenerateCommand::Redo if idle && chat => self.chat.redo(),
            GenerateCommand::Clear if idle && chat => {
                self.chat.clear();
                (self.ended, self.answered) = (None, None);
            }
            GenerateCommand::Notebook if idle => {
                self.notebook ^= true;
                self.ended = None;
            }
            GenerateCommand::Write if idle && !chat => {
                self.tried = 0;
                self.keep();
                self.write(shared);
            }
            GenerateCommand::Stop => {
                self.to_try = 0;
                if let Some(writer) = &self.writer {
                    writer.cancel();
                }
            }
            GenerateCommand::Again if idle && !chat => {
                self.tried = 0;
                self.again(shared);
            }
            GenerateCommand::Several(tries) if idle && !chat && self.can_again(false) => {
                (self.to_try, self.tried) = (tries, 0);
                shared.ctx.request_repaint();
            }
            GenerateCommand::Undo if idle => {
                self.keep();
                if let Some(before) = self.history.before() {
                    self.show(before, shared);
                }
            }
            GenerateCommand::Redo if idle => {
                if let Some(after) = self.history.after() {
                    self.show(after, shared);
                }
            }
            GenerateCommand::Version(index) if idle => {
                // The oldest may have to go for what is on the page now.
                if let Some(index) = index.checked_sub(self.keep()) {
                    self.show(index, shared);
                }
            }
            GenerateCommand::Branch { token, id } if idle => self.branch(token, id, shared),
            GenerateCommand::Text(text) if idle => {
                self.keep();
                (self.text, self.rebased) = (Manuscript::typed(text), true);
                if let Some(model) = shared.model.get() {
                    self.text.belongs_to(model.vocabulary);
                }
                (self.made, self.ended, self.card) = (None, None, None);
                self.keep();
            }
            GenerateCommand::Clear if idle => {
                self.focus = true;
                self.run(GenerateCommand::Text(String::new()), shared);
            }
            GenerateCommand::Preset(preset) => {
                let usual = shared.model.get().map_or_else(Sampling::default, |m| m.opened.sampling);
                shared.settings.writing.set_sampling(&preset.sampling(&usual));
                shared.settings.writing.own = preset != SamplingPreset::Balanced;
            }
            GenerateCommand::NewSeed => shared.settings.writing.seed = Some(new_seed()),
            GenerateCommand::Seed(seed) => shared.settings.writing.seed = Some(seed),
            GenerateCommand::Probabilities => shared.settings.writing.probabilities ^= true,
            GenerateCommand::Panel => shared.settings.writing.panel ^= true,
            GenerateCommand::Strip => self.strip ^= true,
            GenerateCommand::Copy => {
                let text = if chat { transcript(&self.chat.turns) } else { self.text.buffer.clone() };
                shared.ctx.copy_text(text);
                shared.notices.good("The text is on the clipboard");
            }
            GenerateCommand::Save => {
                let then = |path| Command::Generate(GenerateCommand::SaveTo(path));
                shared.send(Command::Ask(Question::save("Save the text", "text.txt", &WRITTEN, then)));
            }
            GenerateCommand::SaveTo(path) => {
                let record = self.record(shared);
                let work = move |_: &jobs::JobContext| record.save(&path).map(|()| path);
                self.saving = shared.jobs.start("Saving the text", work).or(self.saving.take());
            }
            // While a text is being written the rest can wait.
            _ => {}
        }
    }

    fn record(&self, shared: &Shared) -> Record {
        if self.is_chat(shared) {
            return Record::talk(&self.chat.turns, &shared.settings.writing.system);
        }
        Record::text(&self.text, self.made.as_ref())
    }

    /// Keeps what a person changed as a version of its own; answers how many of the oldest had to go for it.
    pub(super) fn keep(&mut self) -> usize {
        self.history.keep(&self.text, None)
    }

    fn show(&mut self, index: usize, shared: &Shared) {
        let Some(version) = self.history.go(index) else { return };
        (self.text, self.made) = (version.text.clone(), version.made.clone());
        self.rebased = true;
        // It may be from before another model was opened.
        if let Some(model) = shared.model.get() {
            self.text.belongs_to(model.vocabulary);
        }
        (self.ended, self.card) = (None, None);
    }

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
