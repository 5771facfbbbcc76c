//! What can be asked of the page, and how the palette lists it.

use std::path::PathBuf;

use eframe::egui::{Key, Modifiers};

use super::Inspect;
use super::canvas::Move;
use super::tensors::Column;
use crate::command::{Command, Entry};
use crate::page::Page;
use crate::shared::Shared;

/// What the detail is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// The chosen tensor.
    #[default]
    Tensor,
    /// The hyper-connections.
    Streams,
    /// Text as tokens.
    Tokens,
    /// The chat template at work.
    Template,
    /// What differs from another file.
    Compare,
}

/// What can be asked of this page.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelCommand {
    /// Shows a tensor, by its name.
    Select(String),
    /// Shows the tensor so many further down the list.
    Step(i32),
    /// Orders the tensors by a column; by the same again, the other way round, then not at all.
    Sort(Column),
    /// Lists the tensors that contain these words.
    FindTensors(String),
    /// Lists the metadata that contain this.
    FindKeys(String),
    /// Shows the elements of the array that a key holds, or hides them.
    Unfold(String),
    /// Copies a key, or a tensor's name.
    CopyKey(String),
    /// Copies the value of a key.
    CopyValue(String),
    /// Copies a key and its value.
    CopyRow(String),
    /// Copies one element of the array that a key holds.
    CopyElement(String, usize),
    /// Copies all metadata as JSON.
    CopyMetadata,
    /// Copies a tensor's name, type, shape, size and offset.
    CopyTensor(String),
    /// Copies the list of tensors as it is shown.
    CopyTensors,
    /// Copies the picture of the chosen tensor.
    CopyPicture,
    /// Asks where to save the picture of the chosen tensor.
    SavePicture,
    /// Saves it there.
    SavePictureTo(PathBuf),
    /// Moves the picture.
    Picture(Move),
    /// Gives the detail the whole page, or takes that back.
    Wide,
    /// Turns the detail to something.
    Detail(Tab),
    /// Shows a text as tokens.
    Tokenize(String),
    /// Asks for a file to compare with.
    AskCompare,
    /// Compares with a file.
    CompareWith(PathBuf),
}

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
            of("Whole picture", ModelCommand::Picture(Move::Whole)).when(picture),
            of("One point for each weight", ModelCommand::Picture(Move::Actual)).when(picture),
            of("Nearer to the weights", ModelCommand::Picture(Move::Zoom(2))).when(picture),
            of("Farther from the weights", ModelCommand::Picture(Move::Zoom(-2))).when(picture),
            of("Next tensor", ModelCommand::Step(1)).keys(Modifiers::ALT, Key::ArrowDown).when(here),
            of("Previous tensor", ModelCommand::Step(-1)).keys(Modifiers::ALT, Key::ArrowUp).when(here),
        ];
        let streams = self.subject.as_ref().is_some_and(|s| !s.connections.is_empty());
        let runs = self.subject.as_ref().is_some_and(|s| s.loaded().is_some());
        list.extend([
            of("Show the chosen tensor", ModelCommand::Detail(Tab::Tensor)).when(here),
            of("Show the hyper-connections", ModelCommand::Detail(Tab::Streams)).when(here && streams),
            of("Show text as tokens", ModelCommand::Detail(Tab::Tokens)).when(here && runs),
            of("Show the chat template", ModelCommand::Detail(Tab::Template))
                .when(here && self.subject.as_ref().is_some_and(|s| s.converses())),
            of("Compare with another model…", ModelCommand::AskCompare).when(here),
        ]);
        list.extend(Column::SHOWN.into_iter().map(|column| {
            of(&format!("Order tensors by {}", column.title().to_lowercase()), ModelCommand::Sort(column))
                .when(here)
        }));
        list
    }
}
