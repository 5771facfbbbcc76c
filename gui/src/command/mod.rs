//! Everything a person can do, as values: menu, shortcut, palette, button and test send the same ones, and a page has its own in a file
//! of that name. They know nothing of who carries them out, so that everybody may send any of them.

mod benchmark;
mod generate;
mod model;
mod server;
mod training;

pub use benchmark::{BenchmarkColumn, BenchmarkCommand, BenchmarkTab, FigureKind};
pub use generate::GenerateCommand;
pub use model::{Detail, ModelCommand, PictureMove, TensorColumn};
pub use server::ServerCommand;
pub use training::{CurveAxis, TrainingCommand};

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::open::Device;
use crate::page::Page;
use crate::question::Question;
use crate::settings::ThemeChoice;

/// Something that can be done, by whoever sends it.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Turns to a page.
    Show(Page),
    /// Asks for a model file.
    AskForModel,
    /// Asks for a file or a folder.
    Ask(Question<Command>),
    /// Opens a model.
    Open(PathBuf),
    /// Reads the open model's file again.
    Reload,
    /// Drops a model from the recent ones.
    Forget(PathBuf),
    /// Shows the open model's file in the system's file manager.
    Reveal,
    /// Moves the open model to another device.
    RunOn(Device),
    /// Runs models on so many threads of the processor, with so many tokens in sight; `None` is the engine's and the model's own.
    Engine {
        /// At most as many as the processor has.
        threads: Option<usize>,
        /// At most as many as the model was made for.
        context: Option<usize>,
    },
    /// Turns to dark or light colours, or to what the system has.
    Theme(ThemeChoice),
    /// Makes everything larger or smaller by steps of a tenth; 0 goes back.
    Zoom(i32),
    /// Opens or closes the palette.
    Palette,
    /// Opens or closes the list of shortcuts.
    Shortcuts,
    /// Opens or closes the list of notices.
    Notices,
    /// Closes the window; a training that goes on, and a server that runs, is asked about.
    Quit,
    /// The generate page's.
    Generate(GenerateCommand),
    /// The model page's.
    Model(ModelCommand),
    /// The benchmark page's.
    Benchmark(BenchmarkCommand),
    /// The training page's.
    Training(TrainingCommand),
    /// The server page's.
    Server(ServerCommand),
}

/// Where commands wait until the end of the frame; its clones are one queue.
#[derive(Clone, Debug, Default)]
pub struct Commands(Arc<Mutex<Vec<Command>>>);

impl Commands {
    /// Puts one behind those that wait.
    pub fn send(&self, command: Command) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(command);
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes all that wait, the first sent first.
    pub fn take(&self) -> Vec<Command> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
