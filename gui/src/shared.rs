//! What every page may use: the surroundings, the settings, the open model, jobs, notices, and a way to send commands.

use eframe::egui;

use crate::command::{Command, Commands};
use crate::env::Env;
use crate::jobs::Jobs;
use crate::notices::Notices;
use crate::open::OpenModel;
use crate::settings::Settings;
use crate::tokens::Tokens;

/// See the top of this file.
#[derive(Debug)]
pub struct Shared {
    /// The surroundings.
    pub env: Env,
    /// What is kept.
    pub settings: Settings,
    /// The open model.
    pub model: OpenModel,
    /// Work in the background.
    pub jobs: Jobs,
    /// What is said.
    pub notices: Notices,
    /// Whether text is being written: whoever measures should know.
    pub writing: bool,
    /// Whether a benchmark is running: whoever writes should know.
    pub measuring: bool,
    /// Where commands go.
    pub commands: Commands,
    /// The window, to be told that there is news.
    pub ctx: egui::Context,
}

impl Shared {
    /// Sends a command.
    pub fn send(&self, command: Command) {
        self.commands.send(command);
    }

    /// The colours that are on.
    pub fn tokens(&self) -> &'static Tokens {
        Tokens::of(&self.ctx)
    }
}
