//! The page's commands as the palette lists them, with their keys.

use eframe::egui::{Key, Modifiers};

use super::Inspect;
use crate::command::{Command, Detail, ModelCommand, PictureMove, TensorColumn};
use crate::entry::Entry;
use crate::page::Page;
use crate::shared::Shared;

impl Inspect {
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
