//! The training page.

use eframe::egui::Ui;

use crate::command::Entry;
use crate::shared::Shared;

/// What can be asked of this page.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingCommand {}

/// The page's state.
#[derive(Debug, Default)]
pub struct Training {}

impl Training {
    /// The app ends: trainings that it started go on or save, as their owner chose.
    pub fn leave(&mut self, _shared: &mut Shared) {}

    /// Takes in what happened elsewhere.
    pub fn logic(&mut self, _shared: &mut Shared) {}

    /// Carries out a command.
    pub fn run(&mut self, command: TrainingCommand, _shared: &mut Shared) {
        match command {}
    }

    /// The page's commands, for the palette and the shortcuts.
    pub fn entries(&self, _shared: &Shared) -> Vec<Entry> {
        Vec::new()
    }

    /// Draws the page.
    pub fn ui(&mut self, ui: &mut Ui, _shared: &mut Shared) {
        ui.label("Training");
    }

    /// Draws the page's part of the status line.
    pub fn status(&self, _ui: &mut Ui, _shared: &Shared) {}
}
