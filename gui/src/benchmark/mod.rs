//! The benchmark page: how fast this machine runs the open model and every kernel, what is right first, held against the machine's
//! own limits. `bench` measures; this plans, watches, compares and draws, each in a file of its own.

mod area;
mod bars;
mod colour;
mod figure;
mod machine;
mod machine_ui;
mod pace;
mod plan_ui;
mod print;
mod results;
mod roofline;
mod roofline_ui;
mod runner;
mod save;
mod table;
mod ui;
mod view;

use std::path::PathBuf;
use std::time::Duration;

use bench::{Format, NoteRow, Row};
use eframe::egui::{Key, Modifiers};

use crate::command::{BenchmarkColumn, BenchmarkCommand, BenchmarkTab, Command};
use crate::entry::Entry;
use crate::env::{EARLIER, RESULTS};
use crate::jobs::{self, Job};
use crate::page::Page;
use crate::question::Question;
use crate::settings::{BenchmarkPlan, BenchmarkPreset, PlanField};
use crate::shared::Shared;
use figure::Object;
use machine::Machine;
use pace::{Estimate, Pace};
use print::Print;
use results::Results;
use runner::{CALM, Request, Running};
use view::View;

/// What the plan comes to, until something of it changes.
#[derive(Debug)]
struct Forecast {
    of: (BenchmarkPlan, Option<(PathBuf, usize)>, Vec<String>),
    result: Result<(usize, Estimate), (PlanField, String)>,
}

/// How the last run ended.
#[derive(Debug)]
struct Last {
    took: Duration,
    cancelled: bool,
}

type Opening = Job<Result<(PathBuf, Results), (PathBuf, String)>>;

/// The page's state.
#[derive(Debug, Default)]
pub struct Benchmark {
    /// Rows as they were measured, for files.
    rows: Vec<Row>,
    results: Results,
    earlier: Option<Results>,
    view: View,
    running: Option<Running>,
    pace: Pace,
    forecast: Option<Forecast>,
    /// The machine before anything is measured.
    here: Machine,
    describing: Option<Job<Row>>,
    last: Option<Last>,
    /// Whether somebody chose it; else it is the run before.
    chosen_earlier: bool,
    saving: Option<Job<Result<PathBuf, String>>>,
    opening: Option<Opening>,
    failed: Option<(String, String)>,
}

impl Benchmark {
    /// Takes in what happened elsewhere.
    pub fn logic(&mut self, shared: &mut Shared) {
        self.take_rows(shared);
        self.describe(shared);
        match jobs::take(&mut self.saving) {
            Some(Ok(Ok(path))) => shared.notices.good(format!("Saved to {}.", path.display())),
            Some(Ok(Err(why)) | Err(why)) => self.failed = Some(("The results were not saved".into(), why)),
            None => {}
        }
        match jobs::take(&mut self.opening) {
            Some(Ok(Ok((_, results)))) => (self.earlier, self.chosen_earlier) = (Some(results), true),
            Some(Ok(Err((path, why)))) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.failed = Some((format!("{name} cannot be laid over this"), why));
            }
            Some(Err(why)) => self.failed = Some(("The earlier results were not opened".into(), why)),
            None => {}
        }
        if shared.settings.page == Page::Benchmark && self.running.is_none() {
            self.forecast(shared);
        }
        shared.measuring = self.running.is_some();
    }

    fn take_rows(&mut self, shared: &mut Shared) {
        let Some(running) = &mut self.running else { return };
        let mut rows = Vec::new();
        let ended = running.poll(&mut self.pace, &mut |row| rows.push(row));
        if shared.writing && self.results.machine.notes.is_empty() {
            let note = "Text was written meanwhile: figures are too low.".to_owned();
            rows.push(Row::Note(NoteRow { test: "note", note }));
        }
        for row in rows {
            self.results.push(&bench::object(&row));
            self.rows.push(row);
        }
        let Some(ended) = ended else {
            // The seconds that are left go on counting in a long cell.
            shared.ctx.request_repaint_after(4 * CALM);
            return;
        };
        let took = running.started.elapsed();
        self.running = None;
        self.forecast = None;
        match ended {
            Ok(outcome) => self.last = Some(Last { took, cancelled: outcome.cancelled }),
            Err(why) => {
                self.last = Some(Last { took, cancelled: true });
                self.failed = Some(("The benchmark ended early; what was measured is kept".into(), why));
            }
        }
    }

    /// Once the page is seen, the machine is asked what it is.
    fn describe(&mut self, shared: &mut Shared) {
        if let Some(Ok(row)) = jobs::take(&mut self.describing) {
            self.here.take(&Object(&bench::object(&row)));
            // When it was asked is of no interest before something is measured.
            self.here.date.clear();
        }
        if shared.settings.page == Page::Benchmark && !self.here.is_known() && self.describing.is_none() {
            let commit = shared.env.commit.clone();
            self.describing = shared.jobs.start("Asking the machine what it is", move |_| {
                Row::Machine(bench::machine::describe(&commit))
            });
        }
    }

    /// What the plan comes to.
    fn forecast(&mut self, shared: &Shared) {
        let plan = &shared.settings.measuring;
        let model = open_model(shared);
        let adapters = plan.chosen_adapters(shared.model.adapters());
        let of = (plan.clone(), model, adapters);
        if self.forecast.as_ref().is_some_and(|f| f.of == of) {
            return;
        }
        let options = plan.options(of.1.as_ref().map(|m| m.0.as_path()), &shared.env.commit);
        let result = options.map(|options| {
            if options.model.is_none() && options.products.is_none() && !options.whole_machine {
                return (0, Estimate::default());
            }
            let cells = options.cells(of.1.as_ref().map(|m| m.1), &of.2);
            (cells.len(), self.pace.guess(&cells))
        });
        self.forecast = Some(Forecast { of, result });
    }

    /// Carries out a command.
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
        self.running = Running::start(Request { options, adapters, model }, &mut shared.jobs);
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

/// The open model's file and its context.
fn open_model(shared: &Shared) -> Option<(PathBuf, usize)> {
    shared.model.get().map(|m| (m.opened.path.clone(), m.opened.model.config().context))
}
