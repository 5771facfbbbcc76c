//! The thread that reads: it looks at the folder of runs now and then and follows the logs of the runs that are drawn. What it found
//! comes through a channel that holds a few pieces, so that a window that does not draw does not make memory grow.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eframe::egui;
use formats::run_log::{BadLine, Chunk, Log, LogTail, SampleLine};

use super::found::{Finder, Found};
use super::metric::Point;

/// Bytes of a log that are read at a time.
const READ: usize = 2 << 20;
/// A piece below this is not worth a second thread.
const SPLIT: usize = 256 << 10;
/// Pieces on their way to the window.
const WAITING: usize = 8;
/// Between two looks at logs that had nothing new.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two looks at the folder.
const LOOK: Duration = Duration::from_secs(1);

/// What is to be read.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wish {
    folder: PathBuf,
    /// Names of runs, each with a number that comes back with its lines: what was asked for before is told apart.
    runs: Vec<(String, u64)>,
}

/// What was found.
#[derive(Debug)]
pub enum News {
    /// The runs of this folder.
    Runs(PathBuf, Vec<Found>),
    /// This folder cannot be read: a sentence.
    Unreadable(PathBuf, String),
    /// What a run's logs hold.
    Lines(Lines),
}

/// A piece of a run's logs.
#[derive(Debug, Default)]
pub struct Lines {
    /// The run's name, and the number it was asked for with.
    pub run: (String, u64),
    /// Forget the points before these.
    pub restarted: bool,
    /// Lines of the metrics log.
    pub points: Vec<Point>,
    /// Those that could not be read.
    pub bad: Vec<BadLine>,
    /// Forget the samples before these.
    pub samples_restarted: bool,
    /// Lines of the samples log.
    pub samples: Vec<SampleLine>,
    /// The log's end is not reached yet.
    pub more: bool,
    /// About how many points are still to come.
    pub to_come: usize,
    /// Why the logs cannot be read, or an empty text once they can.
    pub problem: Option<String>,
}

/// The window's side of the thread. The thread ends with it.
#[derive(Debug)]
pub struct Follower {
    wish: Arc<Mutex<Wish>>,
    wake: SyncSender<()>,
    news: Receiver<News>,
}

impl Follower {
    /// Starts the thread.
    ///
    /// # Errors
    /// A sentence, if the system gives none.
    pub fn start(ctx: &egui::Context) -> Result<Follower, String> {
        let wish = Arc::new(Mutex::new(Wish::default()));
        let (wake, woken) = sync_channel(1);
        let (tell, news) = sync_channel(WAITING);
        let reader = Reader { wish: Arc::clone(&wish), woken, tell, ctx: ctx.clone(), logs: HashMap::new() };
        let thread = std::thread::Builder::new().name("following runs".into());
        thread.spawn(move || reader.run()).map_err(|e| format!("No thread to read runs with: {e}"))?;
        Ok(Follower { wish, wake, news })
    }

    /// Says what is to be read.
    pub fn wish(&self, folder: &Path, runs: Vec<(String, u64)>) {
        let wish = Wish { folder: folder.to_owned(), runs };
        let mut now = self.wish.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != wish {
            *now = wish;
            drop(now);
            self.look();
        }
    }

    /// Has the folder looked at now.
    pub fn look(&self) {
        // A full channel means that it is about to.
        let _ = self.wake.try_send(());
    }

    /// What was found since the last call.
    pub fn news(&self) -> Option<News> {
        self.news.try_recv().ok()
    }
}

struct Reader {
    wish: Arc<Mutex<Wish>>,
    woken: Receiver<()>,
    tell: SyncSender<News>,
    ctx: egui::Context,
    logs: HashMap<String, Logs>,
}

/// The logs of one run.
struct Logs {
    ticket: u64,
    metrics: LogTail,
    samples: LogTail,
    /// A restart was seen and not told yet: the file may be gone for a moment only.
    restarted: bool,
    problem: Option<String>,
}

struct Gone;

impl Reader {
    fn run(mut self) {
        // The window being gone is the only way out.
        let _ = self.go();
    }

    fn go(&mut self) -> Result<(), Gone> {
        let mut finder = Finder::default();
        let mut folder = PathBuf::new();
        let mut looked: Option<Instant> = None;
        let mut told: Option<Result<Vec<Found>, String>> = None;
        loop {
            let wish = self.wish.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if wish.folder != folder {
                folder = wish.folder.clone();
                (finder, looked, told) = (Finder::default(), None, None);
                self.logs.clear();
            }
            if looked.is_none_or(|at| at.elapsed() >= LOOK) && folder != PathBuf::new() {
                let found = finder.look(&folder);
                if told.as_ref() != Some(&found) {
                    told = Some(found.clone());
                    self.tell(match found {
                        Ok(runs) => News::Runs(folder.clone(), runs),
                        Err(why) => News::Unreadable(folder.clone(), why),
                    })?;
                }
                looked = Some(Instant::now());
            }
            let more = self.follow(&wish)?;
            if more {
                continue;
            }
            match self.woken.recv_timeout(PAUSE) {
                Ok(()) => looked = None,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Gone),
            }
        }
    }

    /// Reads a piece of every log; says whether there is more.
    fn follow(&mut self, wish: &Wish) -> Result<bool, Gone> {
        self.logs
            .retain(|name, logs| wish.runs.iter().any(|(n, ticket)| n == name && *ticket == logs.ticket));
        let mut more = false;
        for (name, ticket) in &wish.runs {
            let log = |log: Log| LogTail::new(wish.folder.join(name).join(log.file_name()));
            let logs = self.logs.entry(name.clone()).or_insert_with(|| Logs {
                ticket: *ticket,
                metrics: log(Log::Metrics),
                samples: log(Log::Samples),
                restarted: false,
                problem: None,
            });
            if let Some(mut lines) = logs.read() {
                more |= lines.more;
                lines.run = (name.clone(), *ticket);
                self.tell(News::Lines(lines))?;
            }
        }
        Ok(more)
    }

    fn tell(&self, news: News) -> Result<(), Gone> {
        let told = self.tell.send(news).map_err(|_| Gone);
        self.ctx.request_repaint();
        told
    }
}

impl Logs {
    /// The next piece; `None` if there is nothing to tell.
    fn read(&mut self) -> Option<Lines> {
        let mut lines = Lines::default();
        let mut problem = String::new();
        match self.metrics.read(READ) {
            Ok(mut chunk) => {
                self.restarted |= chunk.restarted;
                lines.more = chunk.more;
                lines.bad = std::mem::take(&mut chunk.bad);
                parse(&chunk, &mut lines);
                let line = chunk.bytes.len() / lines.points.len().max(1) + 1;
                lines.to_come = usize::try_from(chunk.left).unwrap_or(0) / line;
            }
            Err(e) => problem = e.to_string(),
        }
        match self.samples.poll::<SampleLine>(READ) {
            Ok(tail) => {
                lines.more |= tail.more;
                lines.samples_restarted = tail.restarted;
                lines.samples = tail.lines;
                lines.bad.extend(tail.bad);
            }
            Err(e) if problem.is_empty() => problem = e.to_string(),
            Err(_) => {}
        }
        let new = !lines.points.is_empty() || !lines.bad.is_empty();
        if new {
            // What was drawn stays until there is something else to draw.
            lines.restarted = std::mem::take(&mut self.restarted);
        }
        if self.problem.as_ref() != Some(&problem) && !(self.problem.is_none() && problem.is_empty()) {
            lines.problem = Some(problem.clone());
        }
        self.problem = Some(problem);
        let samples = lines.samples_restarted || !lines.samples.is_empty();
        (new || samples || lines.more || lines.problem.is_some()).then_some(lines)
    }
}

/// Parses a piece, on two threads if it is long.
fn parse(chunk: &Chunk, lines: &mut Lines) {
    let all: Vec<(u64, &[u8])> = chunk.lines().collect();
    let one = |part: &[(u64, &[u8])]| {
        let mut points = Vec::with_capacity(part.len());
        let mut bad = Vec::new();
        for &(line, bytes) in part {
            match Point::read(bytes) {
                Ok(point) => points.push(point),
                Err(problem) => bad.push(BadLine { line, problem }),
            }
        }
        (points, bad)
    };
    if chunk.bytes.len() < SPLIT {
        let (points, bad) = one(&all);
        lines.points = points;
        lines.bad.extend(bad);
        return;
    }
    let (first, second) = all.split_at(all.len() / 2);
    let (first, second) = std::thread::scope(|scope| {
        let other = std::thread::Builder::new().spawn_scoped(scope, || one(second));
        let first = one(first);
        // Without a thread it is read here.
        (first, other.map_or_else(|_| one(second), |other| other.join().unwrap_or_default()))
    });
    lines.points = first.0;
    lines.points.extend(second.0);
    lines.bad.extend(first.1);
    lines.bad.extend(second.1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn log(steps: std::ops::RangeInclusive<u64>) -> String {
        steps.fold(String::new(), |mut text, s| {
            writeln!(text, "{{\"step\":{s},\"loss\":1.5}}").unwrap();
            text
        })
    }

    /// Everything until a condition holds over all that came.
    fn until(follower: &Follower, all: &mut Vec<Lines>, is_so: impl Fn(&[Lines]) -> bool) {
        for _ in 0..20_000 {
            match follower.news() {
                Some(News::Lines(lines)) => all.push(lines),
                Some(_) => {}
                None => std::thread::sleep(Duration::from_millis(2)),
            }
            if is_so(all) {
                return;
            }
        }
        panic!("it did not come: {all:?}");
    }

    fn points(all: &[Lines]) -> usize {
        all.iter().map(|l| l.points.len()).sum()
    }

    #[test]
    fn follower_reads_what_is_added_and_survives_what_happens_to_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a");
        let path = run.join("metrics.jsonl");
        let follower = Follower::start(&egui::Context::default()).unwrap();
        // It is asked for before it is there.
        follower.wish(folder.path(), vec![("a".into(), 1)]);
        std::thread::sleep(Duration::from_millis(50));
        std::fs::create_dir(&run).unwrap();
        std::fs::write(run.join("run.toml"), "").unwrap();
        std::fs::write(&path, log(1..=200_000) + "{\"step\":").unwrap();
        let mut all = Vec::new();
        until(&follower, &mut all, |all| points(all) == 200_000);
        assert!(all.len() > 1 && all.iter().all(|l| l.bad.is_empty() && !l.restarted));

        // The file is replaced by a shorter one with lines that are none.
        all.clear();
        std::fs::write(&path, log(1..=3) + "junk\n{}\n" + &log(4..=5)).unwrap();
        until(&follower, &mut all, |all| points(all) == 5);
        assert!(all[0].restarted);
        assert_eq!(all.iter().flat_map(|l| &l.bad).map(|b| b.line).collect::<Vec<_>>(), [4, 5]);

        // The folder vanishes, and something that is no file takes the log's place.
        all.clear();
        std::fs::remove_dir_all(&run).unwrap();
        std::fs::create_dir_all(&path).unwrap();
        until(&follower, &mut all, |all| {
            all.iter().any(|l| l.problem.as_ref().is_some_and(|p| p.contains("folder")))
        });
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, log(1..=2)).unwrap();
        until(&follower, &mut all, |all| points(all) == 2);
        assert!(all.iter().any(|l| l.restarted));
        assert_eq!(all.last().unwrap().problem.as_deref(), Some(""));
    }
}
