//! The desktop app, as a library: [`run`] opens the window, [`screenshot`] takes a picture without one, [`App`] is what tests drive.
//!
//! `logic` takes in what happened and carries out commands; `ui` draws what is there and sends commands. Nothing in either waits.

mod app;
mod ask;
mod benchmark;
mod command;
mod entry;
mod env;
mod generate;
mod hash;
mod icons;
mod inspect;
mod jobs;
mod keep;
mod notices;
mod open;
mod page;
mod picture;
mod print;
mod question;
mod server;
mod settings;
mod shared;
mod shell;
mod stopwatch;
mod theme;
mod tokens;
mod training;
mod widgets;
mod window;

pub use app::{App, Start};
pub use command::{
    BenchmarkColumn, BenchmarkCommand, BenchmarkTab, Command, Commands, CurveAxis, Detail, FigureKind,
    GenerateCommand, ModelCommand, PictureMove, ServerCommand, TensorColumn, TrainingCommand,
};
pub use env::{Answers, Dialogs, Env, Filter};
pub use open::Device;
pub use page::Page;
pub use picture::{Picture, screenshot};
pub use settings::{
    BenchmarkPlan, BenchmarkPreset, ExampleKind, SamplingPreset, Serving, Settings, ThemeChoice,
};
pub use train::run::Order;
pub use window::{Error, run};
