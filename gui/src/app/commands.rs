//! The one place where commands are carried out, and the list of all that there are; a page's own are its own business.

use std::path::Path;

use eframe::egui::{self, Key, Modifiers};

use super::App;
use crate::command::Command;
use crate::entry::Entry;
use crate::env::GGUF;
use crate::open::Device;
use crate::page::Page;
use crate::question::Question;
use crate::settings::ThemeChoice;

impl App {
    /// Every command that can be listed: the shell's, and those of all pages.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let command = Modifiers::COMMAND;
        let numbers = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5];
        let mut list: Vec<Entry> = Page::ALL
            .into_iter()
            .zip(numbers)
            .map(|(page, key)| {
                Entry::new(format!("Go to {}", page.title()), Command::Show(page)).keys(command, key)
            })
            .collect();
        let open = self.shared.model.get().is_some();
        list.extend([
            Entry::new("Open a model…", Command::AskForModel).keys(command, Key::O),
            Entry::new("Reload the model", Command::Reload).keys(command, Key::R).when(open),
            Entry::new("Show the model's file", Command::Reveal).when(open),
        ]);
        list.extend(self.generate.entries(&self.shared));
        list.extend(self.inspect.entries(&self.shared));
        list.extend(self.benchmark.entries(&self.shared));
        list.extend(self.training.entries(&self.shared));
        list.extend(self.server.entries(&self.shared));
        let devices = Device::all(self.shared.model.adapters()).into_iter();
        list.extend(
            devices.map(|(name, device)| {
                Entry::new(format!("Run on {name}"), Command::RunOn(device)).when(open)
            }),
        );
        list.extend([
            Entry::new("Dark theme", Command::Theme(ThemeChoice::Dark)),
            Entry::new("Light theme", Command::Theme(ThemeChoice::Light)),
            Entry::new("Theme of the system", Command::Theme(ThemeChoice::System)),
            Entry::new("Larger", Command::Zoom(1)).keys(command, Key::Plus),
            Entry::new("Smaller", Command::Zoom(-1)).keys(command, Key::Minus),
            Entry::new("Usual size", Command::Zoom(0)).keys(command, Key::Num0),
            Entry::new("Commands", Command::Palette).keys(command, Key::K),
            Entry::new("Keyboard shortcuts", Command::Shortcuts).keys(Modifiers::NONE, Key::F1),
            Entry::new("Messages", Command::Notices),
            Entry::new("Quit", Command::Quit).keys(command, Key::Q),
        ]);
        list
    }

    pub(super) fn run(&mut self, command: Command, ctx: &egui::Context) {
        let shared = &mut self.shared;
        match command {
            Command::Show(page) => shared.settings.page = page,
            Command::AskForModel => {
                let question = Question::open("Open a model", &GGUF, Command::Open);
                self.shell.path_window.beside(question.clone());
                self.asker.ask(question, shared);
            }
            Command::Ask(question) => self.asker.ask(question, shared),
            Command::Open(path) => {
                self.shell.path_window.close();
                shared.open(path, None);
            }
            Command::Reload => {
                let opening = shared.model.opening().map(Path::to_owned);
                let open = shared.model.get().map(|m| m.opened.path.clone());
                if let Some(path) = opening.or(open) {
                    shared.send(Command::Open(path));
                }
            }
            Command::Forget(path) => shared.settings.recents.retain(|p| *p != path),
            Command::Reveal => {
                if let Some(folder) = shared.model.get().and_then(|m| m.opened.path.parent()) {
                    shared.reveal(folder);
                }
            }
            Command::RunOn(device) => {
                shared.settings.device = device;
                shared.restart();
            }
            Command::Engine { threads, context } => {
                (shared.settings.threads, shared.settings.context) = (threads, context);
                shared.restart();
            }
            Command::Theme(theme) => {
                shared.settings.theme = theme;
                self.dress(ctx);
            }
            Command::Zoom(steps) => {
                let zoom = if steps == 0 { 1.0 } else { shared.settings.zoom + 0.1 * steps as f32 };
                shared.settings.zoom = zoom.clamp(0.5, 3.0);
                self.dress(ctx);
            }
            Command::Palette => self.shell.palette.toggle(),
            Command::Shortcuts => self.shell.shortcuts ^= true,
            Command::Notices => shared.notices.open ^= true,
            Command::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
            Command::Generate(command) => self.generate.run(command, shared),
            Command::Model(command) => self.inspect.run(command, shared),
            Command::Benchmark(command) => self.benchmark.run(command, shared),
            Command::Training(command) => self.training.run(command, shared),
            Command::Server(command) => self.server.run(command, shared),
        }
    }
}
