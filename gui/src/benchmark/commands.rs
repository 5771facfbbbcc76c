//! The page's commands: carrying them out, and how the palette lists them, with their keys.

use std::path::PathBuf;

use bench::Format;
use eframe::egui::{Key, Modifiers};

use super::print::Print;
use super::runner::{MeasureRequest, Running};
use super::{Benchmark, open_model, save, table};
use crate::command::{BenchmarkColumn, BenchmarkCommand, BenchmarkTab, Command};
use crate::entry::Entry;
use crate::env::{EARLIER, RESULTS};
use crate::jobs;
use crate::page::Page;
use crate::question::Question;
use crate::settings::BenchmarkPreset;
use crate::shared::Shared;

impl Benchmark {
    pub fn run(&mut self, command: BenchmarkCommand, shared: &mut Shared) {
        match command {
            BenchmarkCommand::Run => self.begin(shared),
            BenchmarkCommand::Cancel => {
                if let Some(running) = &self.running {
                    running.cancel();
                }
            }
            BenchmarkCommand::Preset(preset) => {
                let plan = &mut shared.settings.measuring;
                *plan = plan.with_tests_of(preset.plan());
            }
            BenchmarkCommand::Plan(plan) => shared.settings.measuring = *plan,
            BenchmarkCommand::Tab(tab) => self.view.tab = tab,
            BenchmarkCommand::Kind(kind) => self.view.kind = kind,
            BenchmarkCommand::Matrix(shape) => self.view.shape = shape,
            BenchmarkCommand::Baseline(backend) => self.view.baseline = Some(backend),
            BenchmarkCommand::Threads(threads) => self.view.threads = Some(threads),
            BenchmarkCommand::Family(family) => {
                if !self.view.hidden.remove(&family) {
                    self.view.hidden.insert(family);
                }
            }
            BenchmarkCommand::Sort(column) => {
                // Numbers begin with the largest.
                let down = match self.view.sort {
                    Some((c, down)) if c == column => !down,
                    _ => !matches!(
                        column,
                        BenchmarkColumn::Test | BenchmarkColumn::Backend | BenchmarkColumn::Result
                    ),
                };
                self.view.sort = Some((column, down));
            }
            BenchmarkCommand::Copy => {
                shared.ctx.copy_text(save::text(&self.rows, Format::Markdown));
                shared.notices.good("Copied as Markdown.");
            }
            BenchmarkCommand::CopyTable => {
                shared.ctx.copy_text(table::copied(&self.results, self.earlier.as_ref(), &self.view));
                shared.notices.good("Copied the table.");
            }
            BenchmarkCommand::Save => {
                let then = |path| Command::Benchmark(BenchmarkCommand::SaveTo(path));
                shared.send(Command::Ask(Question::save("Save results", "benchmark.json", &RESULTS, then)));
            }
            BenchmarkCommand::SaveTo(path) => self.save(path, shared),
            BenchmarkCommand::Overlay => {
                let then = |path| Command::Benchmark(BenchmarkCommand::OverlayFrom(path));
                shared.send(Command::Ask(Question::open("Overlay earlier results", &EARLIER, then)));
            }
            BenchmarkCommand::OverlayFrom(path) => self.open(path, shared),
            BenchmarkCommand::ClearOverlay => (self.earlier, self.chosen_earlier) = (None, false),
        }
    }

    fn begin(&mut self, shared: &mut Shared) {
        if self.running.is_some() {
            return;
        }
        let model = open_model(shared);
        let plan = &shared.settings.measuring;
        // What is wrong with the plan stands beside its field already.
        let Ok(options) = plan.options(model.as_ref().map(|m| m.0.as_path()), &shared.env.commit) else {
            return;
        };
        if options.model.is_none() && options.products.is_none() && !options.whole_machine {
            return;
        }
        let model = model.filter(|_| options.model.is_some());
        let adapters = plan.chosen_adapters(shared.model.adapters());
        self.running = Running::start(MeasureRequest { options, adapters, model }, &mut shared.jobs);
        if self.running.is_none() {
            self.failed = Some((
                "The benchmark did not start".into(),
                "The system gives no thread to measure on.".into(),
            ));
            return;
        }
        // What was measured last is not lost to a key: it is what the new run is compared with, unless somebody chose another one.
        let last = std::mem::take(&mut self.results);
        if !self.rows.is_empty() && !self.chosen_earlier {
            self.earlier = Some(last);
        }
        self.rows.clear();
        (self.view.kind, self.view.shape) = (None, None);
        (self.failed, self.last) = (None, None);
    }

    fn save(&mut self, path: PathBuf, shared: &mut Shared) {
        let dark = shared.ctx.theme() == eframe::egui::Theme::Dark;
        let print = Print {
            results: self.results.clone(),
            earlier: self.earlier.clone(),
            view: self.view.clone(),
            dark,
        };
        let rows = self.rows.clone();
        let work = move |_: &jobs::JobContext| save::save(&path, &rows, print).map(|()| path);
        if let Some(job) = shared.jobs.start("Saving results", work) {
            self.saving = Some(job);
        }
    }

    fn open(&mut self, path: PathBuf, shared: &mut Shared) {
        let work = move |_: &jobs::JobContext| match save::open(&path) {
            Ok(results) => Ok((path, results)),
            Err(why) => Err((path, why)),
        };
        if let Some(job) = shared.jobs.start("Opening earlier results", work) {
            self.opening = Some(job);
        }
    }

    /// The page's commands, for the palette and the shortcuts.
    pub fn entries(&self, shared: &Shared) -> Vec<Entry> {
        let here = shared.settings.page == Page::Benchmark;
        let some = !self.rows.is_empty();
        let entry = |text: &str, command| Entry::new(text, Command::Benchmark(command));
        let run = entry("Run the benchmark", BenchmarkCommand::Run).when(self.running.is_none());
        // The keys are another page's on other pages.
        let run = if here { run.keys(Modifiers::COMMAND, Key::Enter) } else { run };
        let mut list = vec![
            run,
            entry("Cancel the benchmark", BenchmarkCommand::Cancel).when(self.running.is_some()),
            entry("Copy the benchmark as Markdown", BenchmarkCommand::Copy).when(some),
            entry("Copy the benchmark's table", BenchmarkCommand::CopyTable).when(some),
            entry("Save benchmark results…", BenchmarkCommand::Save).when(some),
            entry("Overlay earlier results…", BenchmarkCommand::Overlay),
            entry("Take the earlier results away", BenchmarkCommand::ClearOverlay)
                .when(self.earlier.is_some()),
        ];
        for preset in BenchmarkPreset::ALL {
            list.push(entry(&format!("{} benchmark plan", preset.name()), BenchmarkCommand::Preset(preset)));
        }
        for tab in BenchmarkTab::ALL {
            list.push(
                entry(&format!("Benchmark {}", tab.name().to_lowercase()), BenchmarkCommand::Tab(tab))
                    .when(some),
            );
        }
        list
    }
}
