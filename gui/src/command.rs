//! Everything a person can do, as values. Menu, shortcut, palette, button and test send the same ones; they are carried out
//! in one place, between two frames.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

use crate::ask::Question;
use crate::benchmark::BenchmarkCommand;
use crate::generate::GenerateCommand;
use crate::inspect::ModelCommand;
use crate::open::Backend;
use crate::page::Page;
use crate::settings::ThemeChoice;
use crate::training::TrainingCommand;

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Turns to a page.
    Show(Page),
    /// Asks for a model file.
    AskForModel,
    /// Asks for a file or a folder.
    Ask(Question),
    /// Opens a model.
    Open(PathBuf),
    /// Reads the open model's file again.
    Reload,
    /// Drops a model from the recent ones.
    Forget(PathBuf),
    /// Shows the open model's file in the system's file manager.
    Reveal,
    /// Moves the open model to another backend.
    RunOn(Backend),
    /// Runs models on so many threads of the processor, with so many tokens in sight; `None` is the engine's and the model's own.
    Engine {
        /// Threads.
        threads: Option<usize>,
        /// Tokens.
        context: Option<usize>,
    },
    /// Light or dark.
    Theme(ThemeChoice),
    /// Makes everything larger or smaller by steps; 0 goes back.
    Zoom(i32),
    /// Opens or closes the palette.
    Palette,
    /// Opens or closes the list of shortcuts.
    Shortcuts,
    /// Opens or closes the list of notices.
    Notices,
    /// Ends the app.
    Quit,
    /// The generate page's.
    Generate(GenerateCommand),
    /// The model page's.
    Model(ModelCommand),
    /// The benchmark page's.
    Benchmark(BenchmarkCommand),
    /// The training page's.
    Training(TrainingCommand),
}

/// A command as the palette lists it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it does, as a person would say it.
    pub text: String,
    /// The command.
    pub command: Command,
    /// Its keys.
    pub keys: Option<KeyboardShortcut>,
    /// Whether it can be done now.
    pub enabled: bool,
}

impl Entry {
    /// A command that can be done.
    pub fn new(text: impl Into<String>, command: Command) -> Entry {
        Entry { text: text.into(), command, keys: None, enabled: true }
    }

    /// With keys.
    pub fn keys(mut self, modifiers: Modifiers, key: Key) -> Entry {
        self.keys = Some(KeyboardShortcut::new(modifiers, key));
        self
    }

    /// Only if.
    pub fn when(mut self, enabled: bool) -> Entry {
        self.enabled = enabled;
        self
    }
}

/// Where commands wait until the end of the frame.
#[derive(Clone, Debug, Default)]
pub struct Commands(Arc<Mutex<Vec<Command>>>);

impl Commands {
    /// Sends one.
    pub fn send(&self, command: Command) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(command);
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes all that wait.
    pub fn take(&self) -> Vec<Command> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
