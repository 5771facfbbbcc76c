//! What every page may use: the surroundings, the settings, the open model, jobs, notices, and a way to send commands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui;

use crate::command::{Command, Commands};
use crate::env::Env;
use crate::jobs::Jobs;
use crate::notices::Notices;
use crate::open::{Loaded, OpenModel, OpenRequest};
use crate::settings::Settings;
use crate::tokens::Tokens;

/// See the top of this file.
#[derive(Debug)]
pub struct Shared {
    pub env: Env,
    /// What is kept.
    pub settings: Settings,
    /// The open model, and one on its way.
    pub model: OpenModel,
    /// Work in the background.
    pub jobs: Jobs,
    /// What is said.
    pub notices: Notices,
    /// Whether text is being written: whoever measures should know.
    pub writing: bool,
    /// Whether a benchmark is running: whoever writes should know.
    pub measuring: bool,
    /// How many requests are being answered, while a model is served: whoever measures should know, and who leaves.
    pub serving: Option<usize>,
    /// Where commands go.
    pub commands: Commands,
    /// The window, to be told that there is news.
    pub ctx: egui::Context,
}

impl Shared {
    pub fn send(&self, command: Command) {
        self.commands.send(command);
    }

    /// Whether any text is being written, here or for others.
    pub fn is_writing(&self) -> bool {
        self.writing || self.serving.is_some_and(|requests| requests > 0)
    }

    /// Opens a model with the settings there are; or gives the open one another engine.
    pub fn open(&mut self, path: PathBuf, moves: Option<Arc<Loaded>>) {
        let request = OpenRequest {
            path,
            device: self.settings.device.clone(),
            threads: self.settings.threads,
            context: self.settings.context,
            cache: self.env.cache_dir.clone(),
            shipped: self.env.shipped_model.clone(),
            moves,
        };
        self.model.open(request, &mut self.jobs);
    }

    /// Has the engine's settings take effect: for the model that is being opened, else for the open one.
    pub fn restart(&mut self) {
        // One that is on the move already moves on from where it is.
        let reading = self.model.reading().map(Path::to_owned);
        let open = self.model.get().cloned();
        match (reading, open) {
            (Some(path), _) => self.open(path, None),
            (None, Some(model)) => self.open(model.opened.path.clone(), Some(model)),
            (None, None) => {}
        }
    }

    /// Shows a folder in the system's file manager.
    pub fn reveal(&self, folder: &Path) {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        self.ctx.open_url(egui::OpenUrl::new_tab(file_url(&folder.to_string_lossy())));
    }

    /// The colours that are on.
    pub fn tokens(&self) -> &'static Tokens {
        Tokens::of(&self.ctx)
    }
}

/// An absolute path as an address: what is neither a letter, a digit nor plain punctuation is spelled in hexadecimal (RFC 3986, 2.1).
fn file_url(path: &str) -> String {
    let path = path.replace('\\', "/");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let spelled = path.bytes().map(|b| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' | b':' => {
            (b as char).to_string()
        }
        b => format!("%{b:02X}"),
    });
    format!("file://{slash}{}", spelled.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::file_url;

    #[test]
    fn paths_are_spelled_as_addresses() {
        assert_eq!(file_url("/home/a/my runs/50 %#1"), "file:///home/a/my%20runs/50%20%25%231");
        assert_eq!(file_url("/é"), "file:///%C3%A9");
        assert_eq!(file_url(r"C:\runs"), "file:///C:/runs");
    }
}
