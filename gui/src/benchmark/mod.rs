//! The benchmark page.

use eframe::egui::Ui;

use crate::command::Entry;
use crate::shared::Shared;

/// What can be asked of this page.
#[derive(Clone, Debug, PartialEq)]
pub enum BenchmarkCommand {}

/// The page's state.
#[derive(Debug, Default)]
pub struct Benchmark {}

impl Benchmark {
    /// Takes in what happened elsewhere.
    pub fn logic(&mut self, _shared: &mut Shared) {}

    /// Carries out a command.
    pub fn run(&mut self, command: BenchmarkCommand, _shared: &mut Shared) {
        match command {}
    }

    /// The page's commands, for the palette and the shortcuts.
    pub fn entries(&self, _shared: &Shared) -> Vec<Entry> {
        Vec::new()
    }

    /// Draws the page.
    pub fn ui(&mut self, ui: &mut Ui, _shared: &mut Shared) {
        ui.label("Benchmark");
    }

    /// Draws the page's part of the status line.
    pub fn status(&self, _ui: &mut Ui, _shared: &Shared) {}
}
