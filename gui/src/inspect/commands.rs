//! The page's commands: carrying them out, and how the palette lists them, with their keys.

use eframe::egui::{Key, Modifiers};

use super::Inspect;
use crate::command::{Command, Detail, ModelCommand, PictureMove, TensorColumn};
use crate::entry::Entry;
use crate::env::GGUF;
use crate::page::Page;
use crate::question::Question;
use crate::shared::Shared;

impl Inspect {
    pub fn run(&mut self, command: ModelCommand, shared: &mut Shared) {
        match command {
            ModelCommand::Select(name) => self.select(name),
            ModelCommand::Step(by) => self.step(by),
            ModelCommand::Sort(column) => {
                self.sort = self.sort.clicked(column);
                (self.stale, self.reveal) = (true, true);
            }
            ModelCommand::FindTensors(text) => (self.tensor_filter, self.stale) = (text, true),
            ModelCommand::FindKeys(text) => (self.key_filter, self.stale) = (text, true),
            ModelCommand::Unfold(key) => {
                if !self.unfolded.remove(&key) {
                    self.unfolded.insert(key);
                }
                self.stale = true;
            }
            ModelCommand::Wide => self.wide ^= true,
            ModelCommand::Detail(tab) => self.tab = tab,
            ModelCommand::Tokenize(text) => (self.tab, self.playground.text) = (Detail::Tokens, text),
            ModelCommand::Picture(step) => self.canvas.go(step),
            ModelCommand::AskCompare => {
                self.tab = Detail::Compare;
                let then = |path| Command::Model(ModelCommand::CompareWith(path));
                shared.send(Command::Ask(Question::open("Compare with", &GGUF, then)));
            }
            ModelCommand::CompareWith(other) => {
                self.tab = Detail::Compare;
                if let Some(subject) = &self.subject {
                    self.comparison.start(subject, other, shared);
                }
            }
            copy => self.copy_or_save(copy, shared),
        }
        self.refresh_lists(shared);
        self.look(shared);
    }

    fn select(&mut self, name: String) {
        let there = self.subject.as_ref().is_some_and(|s| s.header.find(&name).is_some());
        if there {
            if self.failed.as_ref().is_some_and(|(n, _)| *n == name) {
                // Chosen once more, it is tried once more.
                self.failed = None;
            }
            (self.chosen, self.tab, self.reveal) = (Some(name), Detail::Tensor, true);
        }
    }

    fn step(&mut self, by: i32) {
        let Some(subject) = &self.subject else { return };
        let name_at = |i: &u32| subject.header.tensors().get(*i as usize).map(|t| t.name.as_str());
        let here = self.order.iter().position(|i| name_at(i) == self.chosen.as_deref());
        let last = self.order.len().saturating_sub(1);
        let next = here.map_or(0, |i| i.saturating_add_signed(by as isize).min(last));
        if let Some(name) = self.order.get(next).and_then(name_at) {
            self.select(name.to_owned());
        }
    }

    /// The page's commands, for the palette and the shortcuts.
    pub fn entries(&self, shared: &Shared) -> Vec<Entry> {
        let here = shared.settings.page == Page::Model && self.subject.is_some();
        let picture = here && self.portrait().is_some_and(|p| p.pyramid.is_some());
        let of = |text: &str, command| Entry::new(text, Command::Model(command));
        let mut list = vec![
            of("Copy all metadata as JSON", ModelCommand::CopyMetadata).when(here),
            of("Copy the list of tensors", ModelCommand::CopyTensors).when(here),
            of("Save the picture of the weights…", ModelCommand::SavePicture)
                .keys(Modifiers::COMMAND, Key::S)
                .when(picture),
            of("Copy the picture of the weights", ModelCommand::CopyPicture).when(picture),
            of("Large picture, or small again", ModelCommand::Wide)
                .keys(Modifiers::COMMAND, Key::E)
                .when(here),
            of("Whole picture", ModelCommand::Picture(PictureMove::Whole)).when(picture),
            of("One point for each weight", ModelCommand::Picture(PictureMove::Actual)).when(picture),
            of("Nearer to the weights", ModelCommand::Picture(PictureMove::Zoom(2))).when(picture),
            of("Farther from the weights", ModelCommand::Picture(PictureMove::Zoom(-2))).when(picture),
            of("Next tensor", ModelCommand::Step(1)).keys(Modifiers::ALT, Key::ArrowDown).when(here),
            of("Previous tensor", ModelCommand::Step(-1)).keys(Modifiers::ALT, Key::ArrowUp).when(here),
        ];
        let streams = self.subject.as_ref().is_some_and(|s| !s.connections.is_empty());
        let runs = self.subject.as_ref().is_some_and(|s| s.loaded().is_some());
        list.extend([
            of("Show the chosen tensor", ModelCommand::Detail(Detail::Tensor)).when(here),
            of("Show the hyper-connections", ModelCommand::Detail(Detail::Streams)).when(here && streams),
            of("Show text as tokens", ModelCommand::Detail(Detail::Tokens)).when(here && runs),
            of("Show the chat template", ModelCommand::Detail(Detail::Template))
                .when(here && self.subject.as_ref().is_some_and(|s| s.converses())),
            of("Compare with another model…", ModelCommand::AskCompare).when(here),
        ]);
        list.extend(TensorColumn::SHOWN.into_iter().map(|column| {
            of(&format!("Order tensors by {}", column.title().to_lowercase()), ModelCommand::Sort(column))
                .when(here)
        }));
        list
    }
}
