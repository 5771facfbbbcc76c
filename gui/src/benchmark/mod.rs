//! The benchmark page: how fast this machine runs the open model and every kernel, what is right first, held against the machine's
//! own limits. `bench` measures; this plans, watches, compares and draws, each in a file of its own.

mod area;
mod bars;
mod colour;
mod commands;
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

use bench::{NoteRow, Row};

use crate::jobs::{self, Job};
use crate::page::Page;
use crate::settings::{BenchmarkPlan, PlanField};
use crate::shared::Shared;
use figure::Object;
use machine::Machine;
use pace::{Estimate, Pace};
use results::Results;
use runner::{CALM, Running};
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
        if shared.is_writing() && self.results.machine.notes.is_empty() {
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
}

/// The open model's file and its context.
fn open_model(shared: &Shared) -> Option<(PathBuf, usize)> {
    shared.model.get().map(|m| (m.opened.path.clone(), m.opened.model.config().context))
}
