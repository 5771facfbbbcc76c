//! A benchmark at work: a job that measures and tells through a bounded channel, and this end of it, which keeps count.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use bench::{Cell, Options, Outcome, Row, Skipped, Watch};
use runtime::gpu::{Gpu, GpuOptions};

use super::pace::{Estimate, Pace};
use crate::jobs::{self, Job, JobContext, Jobs};
use formats::sentence;

/// What may wait to be taken in; more than one cell tells of.
const NEWS: usize = 64;
/// The window is drawn no more often than this while something is measured: drawing takes its share of the machine.
pub const CALM: Duration = Duration::from_millis(250);

/// What is to be measured.
#[derive(Debug)]
pub struct MeasureRequest {
    /// Devices aside.
    pub options: Options,
    /// Names of the devices.
    pub adapters: Vec<String>,
    /// The model's file and its context, if one is measured.
    pub model: Option<(PathBuf, usize)>,
}

enum News {
    Next(Cell),
    Row(Box<Row>),
}

/// This end.
#[derive(Debug)]
pub struct Running {
    job: Option<Job<Result<Outcome, String>>>,
    news: Receiver<News>,
    /// When it began.
    pub started: Instant,
    cells: Vec<Cell>,
    begun: HashSet<String>,
    now: Option<(Cell, Instant)>,
}

/// How a run ended: what `bench` says, or why it broke down.
pub type Ended = Result<Outcome, String>;

impl Running {
    /// Begins, unless a benchmark is running already.
    pub fn start(request: MeasureRequest, jobs: &mut Jobs) -> Option<Running> {
        let (sender, news) = sync_channel(NEWS);
        let context = request.model.as_ref().map(|m| m.1);
        let cells = request.options.cells(context, &request.adapters);
        let total = cells.len();
        let job = jobs.start("Benchmark", move |job| work(request, job, sender, total))?;
        Some(Running {
            job: Some(job),
            news,
            started: Instant::now(),
            cells,
            begun: HashSet::new(),
            now: None,
        })
    }

    /// Takes in what happened: rows to `row`, how long cells took to `pace`; says once how it ended.
    pub fn poll(&mut self, pace: &mut Pace, row: &mut dyn FnMut(Row)) -> Option<Ended> {
        // The result comes behind the last row, but through another channel.
        let ended = jobs::take(&mut self.job);
        for news in self.news.try_iter() {
            match news {
                News::Row(news) => row(*news),
                News::Next(cell) => {
                    self.begun.insert(cell.name.clone());
                    if let Some((before, since)) = self.now.replace((cell, Instant::now())) {
                        pace.learn(&before, since.elapsed().as_secs_f64());
                    }
                }
            }
        }
        ended.map(|result| result.and_then(|r| r))
    }

    /// Asks it to end soon.
    pub fn cancel(&self) {
        if let Some(job) = &self.job {
            job.info.cancel();
        }
    }

    /// Whether it has been asked to.
    pub fn is_cancelled(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.info.is_cancelled())
    }

    /// What is measured now.
    pub fn cell(&self) -> Option<&str> {
        self.now.as_ref().map(|(cell, _)| cell.name.as_str())
    }

    /// Cells begun, and all of them.
    pub fn count(&self) -> (usize, usize) {
        (self.begun.len().min(self.cells.len()), self.cells.len())
    }

    /// Time for the rest of the cell under way and for those that have not begun.
    pub fn left(&self, pace: &Pace) -> Estimate {
        let mut rest = pace.guess(self.cells.iter().filter(|c| !self.begun.contains(&c.name)));
        if let Some((cell, since)) = &self.now {
            let now = pace.guess([cell]);
            rest.seconds += (now.seconds - since.elapsed().as_secs_f64()).max(0.0);
            rest.whole &= now.whole;
        }
        rest
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel();
    }
}

fn work(mut request: MeasureRequest, job: &JobContext, news: SyncSender<News>, total: usize) -> Ended {
    let mut teller = Teller { job, news, total, begun: 0 };
    if let (Some((path, _)), Some(model)) = (&request.model, &mut request.options.model) {
        job.progress(None, "reading the model's file");
        model.sha256 = Some(crate::hash::sha256(path).map_err(|e| sentence(&e))?);
    }
    for name in &request.adapters {
        job.progress(None, format!("opening {name}"));
        match Gpu::open(Some(name), GpuOptions::default()) {
            Ok(gpu) => request.options.gpus.push(Arc::new(gpu)),
            Err(error) => teller.row(Row::Skipped(Skipped { test: name.clone(), reason: sentence(&error) })),
        }
    }
    bench::run(&request.options, &mut teller, job.cancel_flag()).map_err(|e| sentence(&e))
}

/// That end.
struct Teller<'a> {
    job: &'a JobContext,
    news: SyncSender<News>,
    total: usize,
    begun: usize,
}

impl Teller<'_> {
    fn send(&self, news: News) {
        // Nobody listens any more.
        if self.news.send(news).is_err() {
            self.job.cancel_flag().store(true, Ordering::Relaxed);
        }
    }
}

impl Watch for Teller<'_> {
    fn next(&mut self, cell: Cell) {
        let share = self.begun as f32 / self.total.max(1) as f32;
        self.begun += 1;
        self.job.progress_within(Some(share.min(1.0)), cell.name.clone(), CALM);
        self.send(News::Next(cell));
    }

    fn row(&mut self, row: Row) {
        self.send(News::Row(Box::new(row)));
    }
}
