//! The app: all state in one place, and what happens between frames. Commands are listed and carried out in `commands`, a frame is put
//! together in `frame`; drawing is the pages' and the shell's business.

mod commands;
mod frame;

use std::path::PathBuf;
use std::time::Instant;

use eframe::egui::{self, ThemePreference};
use runtime::gpu::AdapterInfo;

use crate::ask::{Answer, Asker};
use crate::benchmark::Benchmark;
use crate::command::{Command, Commands};
use crate::env::Env;
use crate::generate::Generate;
use crate::inspect::Inspect;
use crate::jobs::Jobs;
use crate::keep::Keeper;
use crate::notices::Notices;
use crate::open::{Device, Happened, OpenModel, Refused};
use crate::page::Page;
use crate::server::Server;
use crate::settings::{Settings, ThemeChoice};
use crate::shared::Shared;
use crate::shell::Shell;
use crate::stopwatch::Stopwatch;
use crate::theme;
use crate::training::Training;

/// What to begin with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// A model to open instead of the last one.
    pub file: Option<PathBuf>,
    /// A page to turn to instead of the last one.
    pub page: Option<Page>,
    /// The settings, and what was wrong with them, where they were read already.
    pub kept: Option<(Settings, Option<String>)>,
    /// The window is cleared to the ground's colour (`App::clear_color`) before each frame: a layer less to draw, which is felt where the
    /// processor draws.
    pub on_ground: bool,
    /// Measure from this moment: print when the first frame, the model and its first token were there, and end.
    pub timed_from: Option<Instant>,
}

/// See the top of this file; a window, a test and a picture drive it alike.
#[derive(Debug)]
pub struct App {
    shared: Shared,
    shell: Shell,
    pub(crate) generate: Generate, // a test of the writer looks inside
    inspect: Inspect,
    benchmark: Benchmark,
    training: Training,
    server: Server,
    /// See [`Start::on_ground`].
    on_ground: bool,
    asker: Asker,
    /// The model of last time, as long as nothing else was opened.
    from_last_time: Option<PathBuf>,
    stopwatch: Option<Stopwatch>,
    /// The settings as they are on disk.
    kept: Settings,
    keeper: Keeper<Settings>,
}

impl App {
    /// Dresses the context and begins.
    pub fn new(ctx: &egui::Context, env: Env, start: Start) -> App {
        theme::install(ctx);
        // It is the settings' business, so that it is kept.
        ctx.options_mut(|o| o.zoom_with_keyboard = false);
        let mut notices = Notices::default();
        let (mut settings, problem) = start.kept.unwrap_or_else(|| Settings::of(&env));
        if let Some(problem) = problem {
            notices.warn(problem);
        }
        let kept = settings.clone();
        settings.page = start.page.unwrap_or(settings.page);
        let mut shared = Shared {
            model: OpenModel::default(),
            jobs: Jobs::new(ctx),
            notices,
            writing: false,
            measuring: false,
            serving: None,
            commands: Commands::default(),
            ctx: ctx.clone(),
            settings,
            env,
        };
        shared.model.look_for_adapters(&mut shared.jobs);
        let last = shared.settings.recents.first().cloned().filter(|_| start.file.is_none());
        let file = start.file.or(last.clone()).or_else(|| shared.env.shipped_model.clone());
        if let Some(file) = file {
            shared.send(Command::Open(file));
        }
        let mut app = App {
            shell: Shell::default(),
            generate: Generate::default(),
            inspect: Inspect::default(),
            benchmark: Benchmark::default(),
            training: Training::default(),
            server: Server::default(),
            on_ground: start.on_ground,
            asker: Asker::default(),
            from_last_time: last,
            stopwatch: start.timed_from.map(Stopwatch::new),
            keeper: Keeper::default(),
            kept,
            shared,
        };
        app.dress(ctx);
        app.generate.restore(&mut app.shared);
        app
    }

    /// Sends a command, as a menu would.
    pub fn send(&self, command: Command) {
        self.shared.send(command);
    }

    /// The text on the generate page.
    pub fn text(&self) -> &str {
        self.generate.text()
    }

    /// How many of its tokens the model wrote.
    pub fn written_tokens(&self) -> usize {
        self.generate.written_tokens()
    }

    /// The conversation on the generate page: who spoke, true for the model, and what.
    pub fn conversation(&self) -> Vec<(bool, &str)> {
        self.generate.said()
    }

    /// How many steps were read of a training run that is drawn.
    pub fn steps_read(&self, run: &str) -> Option<u64> {
        self.training.steps_read(run)
    }

    /// What the app said so far, the oldest first.
    pub fn said(&self) -> Vec<&str> {
        self.shared.notices.lines().iter().map(|n| n.text.as_str()).collect()
    }

    /// The graphics adapters found so far.
    pub fn adapters(&self) -> &[AdapterInfo] {
        self.shared.model.adapters()
    }

    /// What is kept.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Whether anything is on its way: a model being opened, text being written, a job.
    pub fn is_busy(&mut self) -> bool {
        self.shared.model.opening().is_some()
            || self.asker.is_asking()
            || self.generate.is_writing()
            || self.inspect.is_busy()
            || self.training.is_reading()
            || self.server.is_starting()
            || !self.shared.jobs.running().is_empty()
            || !self.shared.commands.is_empty()
    }

    /// Whether a benchmark is running.
    pub(crate) fn is_measuring(&self) -> bool {
        self.shared.measuring
    }

    /// Theme and size, as the settings have them.
    fn dress(&mut self, ctx: &egui::Context) {
        ctx.set_theme(match self.shared.settings.theme {
            ThemeChoice::System => ThemePreference::System,
            ThemeChoice::Dark => ThemePreference::Dark,
            ThemeChoice::Light => ThemePreference::Light,
        });
        ctx.set_zoom_factor(self.shared.settings.zoom);
    }

    /// Everything but drawing: what came in from elsewhere, then what was asked for.
    fn step(&mut self, ctx: &egui::Context) {
        let shared = &mut self.shared;
        match self.asker.answer() {
            Some(Answer::Then(command)) => {
                self.shell.path_window.close();
                shared.send(command);
            }
            Some(Answer::NoDialog(question)) => self.shell.path_window.alone(question),
            Some(Answer::Nothing) => self.shell.path_window.close(),
            None => {}
        }
        match shared.model.poll(ctx) {
            Some(Happened::Ready) => self.opened(),
            // What did not work is not tried again at the next start.
            Some(Happened::Refused { moved: true }) => {
                shared.settings.device = shared.model.get().map_or(Device::Cpu, |m| m.device.clone());
            }
            Some(Happened::Refused { moved: false }) => self.fall_back(),
            None => {}
        }
        let shared = &mut self.shared;
        // The trainer's export rewrites a file that is open; a text being written is finished first.
        if !self.generate.is_writing() && shared.model.take_changed() {
            shared.notices.info("The model's file changed on disk; it is read again.");
            shared.send(Command::Reload);
        }
        self.generate.logic(shared);
        shared.writing = self.generate.is_writing();
        self.inspect.logic(shared);
        self.benchmark.logic(shared);
        self.training.logic(shared);
        self.server.logic(shared);
        if let Some(stopwatch) = &mut self.stopwatch {
            let tokens = self.generate.written_tokens();
            stopwatch.look(&self.shared, tokens);
        }
        for command in self.shared.commands.take() {
            self.run(command, ctx);
        }
        if let Some(soon) = self.shared.notices.expire() {
            ctx.request_repaint_after(soon);
        }
        self.keep();
    }

    /// The model of last time is gone or broken: the shipped one is opened instead, so that there is something to write with.
    fn fall_back(&mut self) {
        let shared = &mut self.shared;
        let refused = shared.model.refused.as_ref();
        if self.from_last_time.take().is_none_or(|last| refused.is_none_or(|r| r.path != last)) {
            return;
        }
        let Some(shipped) = shared.env.shipped_model.clone() else { return };
        if let Some(Refused { path, why }) = shared.model.refused.take().filter(|r| r.path != shipped) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            shared.notices.warn(format!("{name} was open last time and cannot be opened now: {why}"));
            shared.send(Command::Open(shipped));
        }
    }

    fn opened(&mut self) {
        self.from_last_time = None;
        let shared = &mut self.shared;
        let Some(loaded) = shared.model.get().cloned() else { return };
        shared.settings.remember(&loaded.opened.path);
        if let Some(fault) = &loaded.fault {
            shared.notices.warn(format!("{fault}. The CPU runs the model instead."));
        }
        self.generate.model_opened(&loaded, shared);
    }

    /// Has the settings written down once they have been different for a while.
    fn keep(&mut self) {
        let shared = &mut self.shared;
        if let Some(kept) = self.keeper.written(shared, |why| why) {
            self.kept = kept;
        }
        let Some(folder) = shared.env.config_dir.clone() else { return };
        if self.keeper.is_due(shared.settings != self.kept, shared) {
            let settings = shared.settings.clone();
            self.keeper.write(shared, "keeping settings", move || settings.save(&folder).map(|()| settings));
        }
    }

    /// Writes the settings down now: nothing follows.
    fn keep_now(&mut self) {
        self.keeper.wait();
        let folder = self.shared.env.config_dir.as_deref();
        if let Some(folder) = folder.filter(|_| self.shared.settings != self.kept) {
            // There is nobody left to tell.
            let _ = self.shared.settings.save(folder);
        }
    }
}
