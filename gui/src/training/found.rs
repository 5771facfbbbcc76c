//! What a folder of runs holds: each run's configuration, state and last value, without reading its whole log. A look costs a few
//! stats a run, and reads what changed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use formats::run_log::{EventLine, Log, RunDir};
use toml::{Table, Value};
use train_cuda::choice::Choice;

use super::metric::Point;
use crate::open::Stamp;

/// Bytes at the end of a log in which its last lines are.
const TAIL: u64 = 64 << 10;
/// A log up to this size is read whole for its picture; of a longer one so many pieces are.
const WHOLE: u64 = 256 << 10;
const PIECES: u64 = 48;
const PIECE: u64 = 3 << 10;
/// Largest `run.toml` that is read.
const CONFIG_MAX: u64 = 1 << 20;
/// A log that nobody on this machine holds and that has not grown for so long is quiet: it may come from another machine, now and then.
const QUIET: Duration = Duration::from_secs(20);
/// And after so long its trainer is gone.
const GONE: Duration = Duration::from_secs(900);

/// What a run is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being trained.
    Live,
    /// It is being trained, and waits.
    Held,
    /// All steps are done.
    Finished,
    /// It was stopped, and saved.
    Stopped,
    /// It stopped with an error.
    Failed(String),
    /// It is trained elsewhere, and nothing was heard of it for a while.
    Quiet,
    /// Its trainer is gone without a word.
    Lost,
    /// Its folder is.
    Gone,
}

impl State {
    /// Whether a trainer is at it.
    pub fn is_live(&self) -> bool {
        matches!(self, State::Live | State::Held)
    }
}

/// One run of a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its folder's name.
    pub name: String,
    pub path: PathBuf,
    /// What it is doing.
    pub state: State,
    /// Seconds since 1970 when it began.
    pub started: u64,
    /// Steps of the whole run; 0 if unknown.
    pub steps: u64,
    /// The last step in its log.
    pub step: u64,
    /// The last loss in its log.
    pub loss: Option<f32>,
    /// The loss at places spread over its log.
    pub spark: Vec<f32>,
    /// `run.toml`, flat: dotted keys and values.
    pub config: Arc<Vec<(String, String)>>,
    /// What is wrong with `run.toml`.
    pub problem: Option<String>,
    /// Tokens a second at the end of its log.
    pub speed: Option<f32>,
}

impl Found {
    /// What its record says it computed on last; one from before there was a choice was computed on the processor.
    pub fn device(&self) -> &str {
        self.config.iter().find(|(key, _)| key == "device").map_or("cpu", |(_, device)| device)
    }

    /// Where it goes on: on the processor if it was there, else on a card, the chosen one if one is chosen.
    pub fn goes_on(&self, chosen: Choice) -> Choice {
        match (self.device(), chosen) {
            ("cpu", _) => Choice::Cpu,
            (_, Choice::Cards(cards)) => Choice::Cards(cards),
            _ => Choice::Auto,
        }
    }
}

/// What was seen of a run's files, so that only what changed is read.
#[derive(Debug)]
struct Seen {
    config: Stamp,
    metrics: Stamp,
    events: Stamp,
    grown: Option<Instant>,
    /// A trainer on this machine was at it.
    was_locked: bool,
    last_event: Option<EventLine>,
    found: Found,
}

/// Looks at a folder of runs, again and again.
#[derive(Debug, Default)]
pub struct Finder {
    seen: HashMap<String, Seen>,
}

impl Finder {
    /// Every run in a folder, the newest first. A folder that is not there has none.
    ///
    /// # Errors
    /// A sentence on why the folder cannot be read.
    pub fn look(&mut self, folder: &Path) -> Result<Vec<Found>, String> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.seen.clear();
                return Ok(Vec::new());
            }
            Err(e) => return Err(format!("The folder of runs cannot be read: {e} ({})", folder.display())),
        };
        let mut names = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && entry.path().join("run.toml").is_file() {
                self.refresh(&name, &entry.path());
                names.push(name);
            }
        }
        self.seen.retain(|name, _| names.contains(name));
        let mut runs: Vec<Found> = self.seen.values().map(|seen| seen.found.clone()).collect();
        runs.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.name.cmp(&b.name)));
        Ok(runs)
    }

    fn refresh(&mut self, name: &str, path: &Path) {
        let Ok(dir) = RunDir::open(path) else { return };
        let stamps =
            [dir.config_path(), dir.log_path(Log::Metrics), dir.log_path(Log::Events)].map(|p| Stamp::of(&p));
        let [config, metrics, events] = stamps;
        let fresh = !self.seen.contains_key(name);
        let seen = self.seen.entry(name.to_owned()).or_insert_with(|| Seen {
            config: Stamp::default(),
            metrics: Stamp::default(),
            events: Stamp::default(),
            grown: None,
            was_locked: false,
            last_event: None,
            found: Found {
                name: name.to_owned(),
                path: path.to_owned(),
                state: State::Lost,
                started: 0,
                steps: 0,
                step: 0,
                loss: None,
                spark: Vec::new(),
                config: Arc::default(),
                problem: None,
                speed: None,
            },
        });
        if seen.config != config {
            seen.config = config;
            seen.read_config(&dir);
        }
        if seen.metrics != metrics {
            if !fresh && metrics.len > seen.metrics.len {
                seen.grown = Some(Instant::now());
            }
            seen.metrics = metrics;
            // What cannot be read now is said by whoever follows the log.
            if let Ok(points) = glance(&dir.log_path(Log::Metrics)) {
                seen.take(&points);
            }
        }
        if seen.events != events {
            seen.events = events;
            seen.read_events(&dir);
        }
        if seen.found.started == 0 {
            let since = |t: SystemTime| t.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
            seen.found.started = config.modified.map_or(0, since);
        }
        let locked = dir.is_locked();
        seen.was_locked |= locked;
        seen.found.state = seen.state(locked);
    }
}

impl Seen {
    fn read_config(&mut self, dir: &RunDir) {
        let path = dir.config_path();
        let text = formats::utf8::read(&path, CONFIG_MAX).map_err(|e| e.to_string());
        let table = text.and_then(|t| t.parse::<Table>().map_err(|e| formats::shown(e.message())));
        match table {
            Ok(table) => {
                let mut flat = Vec::new();
                flatten(&table, "", &mut flat);
                self.found.problem = None;
                let steps = flat.iter().find(|(key, _)| key == "train.steps");
                self.found.steps = steps.and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
                self.found.config = Arc::new(flat);
            }
            Err(why) => self.found.problem = Some(format!("run.toml cannot be read: {why}")),
        }
    }

    fn take(&mut self, points: &[Point]) {
        let losses = points.iter().map(|p| p.steps[0]);
        self.found.spark = losses.clone().filter(|v| v.is_finite()).collect();
        self.found.loss = losses.clone().rev().find(|v| !v.is_nan());
        self.found.step = points.last().map_or(0, |p| p.step as u64);
        self.found.speed = points.iter().rev().map(|p| p.steps[4]).find(|v| v.is_finite());
    }

    fn read_events(&mut self, dir: &RunDir) {
        let path = dir.log_path(Log::Events);
        let lines = |bytes: &[u8]| -> Vec<EventLine> {
            bytes.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
        };
        let Ok(mut file) = formats::ordinary::open(&path) else { return };
        if let Ok(head) = piece(&mut file.0, 0, 4096) {
            self.found.started = lines(&head).first().map_or(self.found.started, |e| e.unix_seconds);
        }
        if let Ok(tail) = piece(&mut file.0, file.1.saturating_sub(TAIL), TAIL) {
            // Events that leave a run as it was say nothing of its state.
            let telling = |e: &EventLine| !matches!(&*e.event, "saved" | "skipped");
            self.last_event = lines(&tail).into_iter().rev().find(telling);
        }
    }

    fn state(&self, locked: bool) -> State {
        let event = self.last_event.as_ref().map(|e| (&*e.event, &*e.message));
        match event {
            Some(("finished", _)) => return State::Finished,
            Some(("interrupted" | "paused", _)) => return State::Stopped,
            Some(("failed", why)) => return State::Failed(why.to_owned()),
            _ => {}
        }
        let since = |most: Duration| self.grown.is_some_and(|at| at.elapsed() < most);
        // A log may come without the events beside it, as from another machine.
        let complete = self.found.steps > 0 && self.found.step >= self.found.steps;
        match event {
            None if complete && !locked => State::Finished,
            // A lock that was let go of without a word is a trainer that died.
            _ if !locked && (self.was_locked || !since(GONE)) => State::Lost,
            _ if !locked && !since(QUIET) => State::Quiet,
            Some(("held", _)) => State::Held,
            _ => State::Live,
        }
    }
}

fn piece(file: &mut File, from: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Some lines of a metrics log, in order: all of a short one, a line here and there of a long one, and the last ones in any case.
fn glance(path: &Path) -> Result<Vec<Point>, String> {
    let (mut file, len) = formats::ordinary::open(path).map_err(|e| e.to_string())?;
    let mut points = Vec::new();
    let mut add = |bytes: &[u8], most: usize| {
        let lines = bytes.split(|&b| b == b'\n').filter(|l| !l.is_empty());
        points.extend(lines.filter_map(|l| Point::read(l).ok()).take(most));
    };
    let wrong = |e: io::Error| e.to_string();
    if len <= WHOLE {
        add(&piece(&mut file, 0, WHOLE).map_err(wrong)?, usize::MAX);
        // Thinned to about as many as of a long one.
        let stride = (points.len() as u64 / (4 * PIECES)).max(1) as usize;
        let last = points.last().cloned();
        let mut kept: Vec<Point> = points.into_iter().step_by(stride).collect();
        kept.extend(last);
        return Ok(kept);
    }
    for i in 0..PIECES {
        add(&piece(&mut file, i * (len - TAIL) / PIECES, PIECE).map_err(wrong)?, 1);
    }
    add(&piece(&mut file, len - TAIL, TAIL).map_err(wrong)?, usize::MAX);
    points.sort_by(|a, b| a.step.total_cmp(&b.step));
    Ok(points)
}

/// Dotted keys and values. What the trainer keeps under `config` stands without that word.
pub fn flatten(table: &Table, prefix: &str, out: &mut Vec<(String, String)>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) if prefix.is_empty() && key == "config" => flatten(inner, "", out),
            Value::Table(inner) => flatten(inner, &format!("{prefix}{key}."), out),
            Value::String(text) => out.push((format!("{prefix}{key}"), text.clone())),
            value => out.push((format!("{prefix}{key}"), value.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(dir: &RunDir, event: &str, message: &str) {
        let line = EventLine { step: 3, unix_seconds: 1000, event: event.into(), message: message.into() };
        dir.writer(Log::Events).unwrap().append(&line).unwrap();
    }

    #[test]
    fn finder_tells_the_states_of_runs_apart() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&folder.path().join("a")).unwrap();
        let mut finder = Finder::default();
        assert_eq!(finder.look(folder.path()).unwrap(), []);
        std::fs::write(
            dir.config_path(),
            "seed = 7\n[config.train]\nsteps = 9\n[config.data]\ntext = [\"x\"]\n",
        )
        .unwrap();
        std::fs::create_dir(folder.path().join("no run")).unwrap();
        let mut state = || {
            let found = finder.look(folder.path()).unwrap();
            assert_eq!(found.len(), 1);
            found[0].state.clone()
        };
        assert_eq!(state(), State::Lost);
        event(&dir, "started", "");
        assert_eq!(state(), State::Lost);
        let lock = dir.lock().unwrap();
        assert_eq!(state(), State::Live);
        event(&dir, "held", "");
        assert_eq!(state(), State::Held);
        event(&dir, "saved", "");
        assert_eq!(state(), State::Held);
        drop(lock);
        assert_eq!(state(), State::Lost);
        event(&dir, "interrupted", "");
        assert_eq!(state(), State::Stopped);
        event(&dir, "failed", "the disk is full");
        assert_eq!(state(), State::Failed("the disk is full".into()));
        event(&dir, "finished", "");
        assert_eq!(state(), State::Finished);
        let found = finder.look(folder.path()).unwrap().remove(0);
        assert_eq!((found.steps, found.started, found.problem), (9, 1000, None));
        assert!(found.config.contains(&("seed".into(), "7".into())));
        assert!(found.config.contains(&("data.text".into(), "[\"x\"]".into())));
        std::fs::write(dir.config_path(), "seed = ").unwrap();
        let found = finder.look(folder.path()).unwrap().remove(0);
        assert!(found.problem.unwrap().starts_with("run.toml cannot be read"));
    }

    #[test]
    fn finder_takes_a_log_that_grows_for_a_live_one() {
        // A folder that is synced from another machine: nobody here holds its lock.
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::create(&folder.path().join("a")).unwrap();
        std::fs::write(dir.config_path(), "").unwrap();
        let log = dir.log_path(Log::Metrics);
        std::fs::write(&log, "{\"step\":1,\"loss\":2.0}\n").unwrap();
        let mut finder = Finder::default();
        assert_eq!(finder.look(folder.path()).unwrap()[0].state, State::Lost);
        std::fs::write(&log, "{\"step\":1,\"loss\":2.0}\n{\"step\":2,\"loss\":1.5}\n").unwrap();
        let found = finder.look(folder.path()).unwrap().remove(0);
        assert_eq!((found.state, found.step, found.loss), (State::Live, 2, Some(1.5)));
        // Nothing is heard of it for a minute, then for an hour. A machine that has just started has no such past.
        for (seconds, state) in [(60, State::Quiet), (3600, State::Lost)] {
            if let Some(past) = Instant::now().checked_sub(Duration::from_secs(seconds)) {
                finder.seen.get_mut("a").unwrap().grown = Some(past);
                assert_eq!(finder.look(folder.path()).unwrap()[0].state, state);
            }
        }
        std::fs::write(&log, "{\"step\":1,\"loss\":2.0}\n{\"step\":2,\"loss\":1.5}\n\n").unwrap();
        // All of its steps are there, and no word on how it ended.
        std::fs::write(dir.config_path(), "[config.train]\nsteps = 3\n").unwrap();
        assert_eq!(finder.look(folder.path()).unwrap()[0].state, State::Live);
        std::fs::write(&log, "{\"step\":2,\"loss\":1.5}\n{\"step\":3,\"loss\":1.4}\n").unwrap();
        assert_eq!(finder.look(folder.path()).unwrap()[0].state, State::Finished);
    }

    #[test]
    fn finder_glances_at_a_long_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let log: String =
            (1..=50_000).map(|s| format!("{{\"step\":{s},\"loss\":{}}}\n", 1.0 / f64::from(s))).collect();
        std::fs::write(&path, log).unwrap();
        let points = glance(&path).unwrap();
        assert_eq!(points.last().unwrap().step, 50_000.0);
        assert!(points.windows(2).all(|p| p[0].step <= p[1].step) && points[0].step < 100.0);
    }
}
