//! The desktop app, as a library: [`run`] opens the window, [`screenshot`] takes a picture without one, [`App`] is what tests drive.
//!
//! `logic` takes in what happened and carries out commands; `ui` draws what is there and sends commands. Nothing in either waits.

mod app;
mod ask;
mod benchmark;
mod command;
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
pub use benchmark::{
    BenchmarkCommand, Column as BenchmarkColumn, Plan as BenchmarkPlan, Preset as BenchmarkPreset,
    Tab as BenchmarkTab,
};
pub use command::{Command, Commands};
pub use env::{Answers, Dialogs, Env, Filter};
pub use generate::GenerateCommand;
pub use inspect::{Column, ModelCommand, PictureMove, Tab};
pub use open::Backend;
pub use page::Page;
pub use picture::{Picture, screenshot};
pub use settings::{Settings, ThemeChoice};
pub use training::{Axis, Order, TrainingCommand};
pub use window::{Error, run};
