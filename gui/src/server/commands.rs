//! The page's commands: carrying them out, and how the palette lists them, with their keys.

use eframe::egui::{Key, Modifiers, OpenUrl};
use serve::Example;

use super::{Server, State};
use crate::command::{Command, ServerCommand};
use crate::entry::Entry;
use crate::page::Page;
use crate::settings::ExampleKind;
use crate::shared::Shared;

/// Letters and digits of a key that is made: 190 bits of chance.
const KEY_LETTERS: usize = 32;

impl Server {
    pub fn run(&mut self, command: ServerCommand, shared: &mut Shared) {
        use ServerCommand as C;
        match command {
            C::Start => self.start(shared),
            C::Stop => self.stop(shared),
            C::End => self.end(),
            C::Cancel(id) => {
                if let Some(live) = self.live() {
                    live.server().cancel(id);
                }
            }
            C::OpenPage => {
                if let Some(live) = self.live() {
                    shared.ctx.open_url(OpenUrl::new_tab(&live.url));
                }
            }
            C::CopyAddress => {
                if let Some(live) = self.live() {
                    shared.ctx.copy_text(live.best_url().to_owned());
                }
            }
            C::CopyKey => {
                if let Some(key) = shared.settings.serving.key() {
                    shared.ctx.copy_text(key.to_owned());
                }
            }
            C::NewKey => shared.settings.serving.key = new_key(),
            C::ShowKey => self.key_shown ^= true,
            C::Example(kind) => shared.settings.serving.example = kind,
            C::CopyExample => {
                if let Some(text) = self.example(shared.settings.serving.example, |key| key) {
                    shared.ctx.copy_text(text);
                }
            }
            C::Panel => shared.settings.serving.panel ^= true,
        }
    }

    /// How others ask the server that runs, with its key as `key` shows it.
    pub(super) fn example(&self, kind: ExampleKind, key: impl Fn(&str) -> &str) -> Option<String> {
        let live = self.live()?;
        let key = live.asked.key().map(key);
        let example = Example { url: live.best_url(), model: &live.model, key, converses: live.converses };
        Some(match kind {
            ExampleKind::Curl => example.curl(),
            ExampleKind::Python => example.python(),
            ExampleKind::JavaScript => example.javascript(),
            ExampleKind::OpenWebUi => example.open_webui(),
        })
    }

    /// Whether it can be started now.
    pub(super) fn can_start(&self, shared: &Shared) -> bool {
        let stopped = matches!(self.state, State::Stopped);
        stopped && shared.model.get().is_some() && shared.settings.serving.wrong().is_none()
    }

    /// The page's commands, for the palette and the shortcuts.
    pub fn entries(&self, shared: &Shared) -> Vec<Entry> {
        use ServerCommand as C;
        let here = shared.settings.page == Page::Server;
        let entry = |text: &str, command: C| Entry::new(text, Command::Server(command));
        let (live, key) = (self.live().is_some(), shared.settings.serving.key().is_some());
        let start = entry("Start server", C::Start).when(self.can_start(shared));
        let mut list = vec![
            if here { start.keys(Modifiers::COMMAND, Key::Enter) } else { start },
            entry("Stop server", C::Stop).when(matches!(self.state, State::Serving(_))),
            entry("End server at once", C::End).when(!matches!(self.state, State::Stopped)),
            entry("Open chat page", C::OpenPage).when(live),
            entry("Copy the server's address", C::CopyAddress).when(live),
            entry("Copy the server's key", C::CopyKey).when(key),
            entry("New server key", C::NewKey).when(here),
            entry("Show or hide the server's key", C::ShowKey).when(here && key),
            entry("Copy the example", C::CopyExample).when(here && live),
            entry("Server settings", C::Panel).keys(Modifiers::COMMAND, Key::Backslash).when(here),
        ];
        list.extend(
            ExampleKind::ALL.map(|kind| {
                entry(&format!("Example for {}", kind.name()), C::Example(kind)).when(here && live)
            }),
        );
        list
    }
}

/// A key that nobody guesses, in the form that clients of OpenAI's API expect.
fn new_key() -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letter = || char::from(LETTERS[rand::random_range(0..LETTERS.len())]);
    let letters: String = (0..KEY_LETTERS).map(|_| letter()).collect();
    format!("sk-{letters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_new_each_time_and_can_be_sent() {
        let [a, b] = [new_key(), new_key()];
        assert!(a != b && a.len() == 35 && a.chars().all(|c| c.is_ascii_graphic()), "{a} {b}");
    }
}
