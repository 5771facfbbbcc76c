//! The folder of a training run: its config, its append-only logs of JSON lines, and where its
//! checkpoints live. What a checkpoint holds is `checkpoint`'s business.
//!
//! ```text
//! run.toml          config, commit, data hash, seed: written once, replaced whole
//! metrics.jsonl     one line a step
//! samples.jsonl     texts the model wrote
//! events.jsonl      what happened: started, saved, stopped
//! checkpoints/      see `checkpoint`
//! lock              held by the process that writes
//! ```
//! A line is appended with one write, so a crash tears at most the last one; readers skip a torn
//! tail and writers cut it off before they append.

mod tail;

pub use tail::{BadLine, Chunk, LogTail, Tail};

use crate::{Error, Result, atomic, ordinary, shown};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two attempts to take a run for writing.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// One step's numbers. Absent values were not measured at that step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricLine {
    /// Steps done, this one included.
    pub step: u64,
    /// Training tokens seen, this step's included.
    pub tokens: u64,
    /// Training cross-entropy of this step's batch, nats a token. NaN is written as null.
    #[serde(deserialize_with = "nan_from_null")]
    pub loss: f64,
    /// The same as bits per byte of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_byte: Option<f64>,
    /// Cross-entropy of the whole validation part, nats a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// The same as bits per byte of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_bits_per_byte: Option<f64>,
    /// Learning rate of the ternary matrices.
    #[serde(deserialize_with = "nan_from_null")]
    pub lr: f64,
    /// Learning rate of everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_adam: Option<f64>,
    /// Norm of the whole gradient before clipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f64>,
    /// Training speed of this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_sec: Option<f64>,
    /// Training time since the run began, all its sessions together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Per ternary matrix or block, as `run.toml` names them: share of zero codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zeros: Vec<f32>,
    /// Likewise: share of codes that changed since the last report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flips: Vec<f32>,
    /// Likewise: mean scale now over mean scale at the start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scale_drift: Vec<f32>,
}

/// A text the model wrote while it was trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleLine {
    /// Steps done.
    pub step: u64,
    /// What it was given.
    pub prompt: String,
    /// What it wrote.
    pub text: String,
    /// Sampling temperature; 0 is greedy.
    pub temperature: f32,
    /// Sampling seed.
    pub seed: u64,
}

/// Something that happened to the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventLine {
    /// Steps done.
    pub step: u64,
    /// Seconds since 1970 (UTC).
    pub unix_seconds: u64,
    /// What: `started`, `resumed`, `saved`, `stopped`, `finished`, `failed`, ...
    pub event: String,
    /// A sentence about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

fn nan_from_null<'de, D: Deserializer<'de>>(d: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(d)?.unwrap_or(f64::NAN))
}

/// What all lines have: enough to cut a log at a step.
#[derive(Deserialize)]
struct Step {
    step: u64,
}

/// The logs of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// [`MetricLine`]s.
    Metrics,
    /// [`SampleLine`]s.
    Samples,
    /// [`EventLine`]s.
    Events,
}

impl Log {
    /// All of them.
    pub const ALL: [Log; 3] = [Log::Metrics, Log::Samples, Log::Events];

    /// Its file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            Log::Metrics => "metrics.jsonl",
            Log::Samples => "samples.jsonl",
            Log::Events => "events.jsonl",
        }
    }
}

/// A run's folder.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

/// Keeps other processes from writing to the run until dropped.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunDir {
    /// Makes the folder with its parents. Refuses one that already holds a run.
    pub fn create(path: &Path) -> Result<RunDir> {
        let run = RunDir { path: path.to_owned() };
        if run.config_path().exists() {
            return Err(run.problem("a run is here already; resume it or choose another folder"));
        }
        let checkpoints = run.checkpoints();
        std::fs::create_dir_all(&checkpoints).map_err(io_error("create", &checkpoints))?;
        Ok(run)
    }

    /// An existing run: a folder with a `run.toml`.
    pub fn open(path: &Path) -> Result<RunDir> {
        let run = RunDir { path: path.to_owned() };
        if !run.config_path().is_file() {
            return Err(run.problem("not a run, as it has no run.toml"));
        }
        Ok(run)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `run.toml`.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("run.toml")
    }

    /// The folder of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// A log's file.
    pub fn log_path(&self, log: Log) -> PathBuf {
        self.path.join(log.file_name())
    }

    /// Takes the run for writing; fails when another process has it. The system lets go of it
    /// when the process ends, however it ends.
    pub fn lock(&self) -> Result<RunLock> {
        let path = self.path.join("lock");
        let file = ordinary::open_to_change(&path)?;
        for attempt in 0.. {
            match file.try_lock() {
                Ok(()) => break,
                // Whoever asks [`RunDir::is_locked`] holds it for an instant.
                Err(TryLockError::WouldBlock) if attempt < 10 => std::thread::sleep(LOCK_RETRY),
                Err(TryLockError::WouldBlock) => {
                    return Err(self.problem("another process is training this run"));
                }
                Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
            }
        }
        Ok(RunLock { _file: file })
    }

    /// Whether a process on this machine has the run for writing.
    pub fn is_locked(&self) -> bool {
        let lock = ordinary::open(&self.path.join("lock"));
        lock.is_ok_and(|(file, _)| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Writes `run.toml`, whole or not at all.
    pub fn write_config<T: Serialize>(&self, config: &T) -> Result<()> {
        let path = self.config_path();
        let text = toml::to_string_pretty(config).map_err(|e| Error::Run {
            path: path.clone(),
            problem: format!("cannot be written as TOML: {e}"),
        })?;
        atomic::write_atomic(&path, |w| w.write_all(text.as_bytes()))
    }

    /// Reads `run.toml`.
    pub fn read_config<T: DeserializeOwned>(&self) -> Result<T> {
        let path = self.config_path();
        let text = read_text(&path)?;
        toml::from_str(&text).map_err(|e| {
            let at = e.span().map_or(0, |s| text[..s.start].lines().count().max(1));
            Error::Run { path, problem: format!("line {at}: {}", shown(e.message())) }
        })
    }

    /// Opens a log to append to it, cutting off a torn tail first.
    pub fn writer(&self, log: Log) -> Result<LogWriter> {
        LogWriter::open(&self.log_path(log))
    }

    /// A log's lines; none if there is no such file yet. A torn tail is skipped.
    pub fn read<T: DeserializeOwned>(&self, log: Log) -> Result<Vec<T>> {
        let path = self.log_path(log);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = read_bytes(&path)?;
        lines(&text, &path)
    }

    /// Follows a log as it grows.
    pub fn tail(&self, log: Log) -> LogTail {
        LogTail::new(self.log_path(log))
    }

    /// Drops what the logs say about steps after `step`, before training goes on from there: no
    /// step is logged twice. Events stay: they happened.
    pub fn truncate_after_step(&self, step: u64) -> Result<()> {
        for log in [Log::Metrics, Log::Samples] {
            let path = self.log_path(log);
            if !path.exists() {
                continue;
            }
            let bytes = read_bytes(&path)?;
            let mut kept = Vec::with_capacity(bytes.len());
            for line in bytes[..whole_lines(&bytes)].split_inclusive(|&b| b == b'\n') {
                let keep = serde_json::from_slice::<Step>(line).is_ok_and(|l| l.step <= step);
                if keep {
                    kept.extend_from_slice(line);
                }
            }
            if kept != bytes {
                atomic::write_atomic(&path, |w| w.write_all(&kept))?;
            }
        }
        Ok(())
    }

    fn problem(&self, problem: &str) -> Error {
        Error::Run { path: self.path.clone(), problem: problem.to_owned() }
    }
}

/// Appends lines to a log.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: File,
    /// Where the last whole line ends.
    end: u64,
}

impl LogWriter {
    fn open(path: &Path) -> Result<LogWriter> {
        let mut file = ordinary::open_to_change(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io_error("read", path))?;
        let end = whole_lines(&bytes) as u64;
        let cut = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
        cut.map_err(io_error("write to", path))?;
        Ok(LogWriter { path: path.to_owned(), file, end })
    }

    /// Appends one line. After an error (a full disk) the log holds whole lines only, and appending may be tried again.
    pub fn append<T: Serialize>(&mut self, line: &T) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).map_err(|e| Error::Run {
            path: self.path.clone(),
            problem: format!("a line cannot be written as JSON: {e}"),
        })?;
        bytes.push(b'\n');
        match self.file.write_all(&bytes) {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(())
            }
            Err(source) => {
                // Whether or not this works, the next writer to open the file cuts the tail.
                let _ = self.file.set_len(self.end).and_then(|()| self.file.seek(SeekFrom::Start(self.end)));
                Err(io_error("write to", &self.path)(source))
            }
        }
    }

    /// Waits until everything appended is on the disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(io_error("sync", &self.path))
    }
}

/// Length of the part of a log up to the end of its last whole line. What follows was
/// torn by a crash: a line without its end, or the zeros some file systems leave.
fn whole_lines(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    loop {
        end = bytes[..end].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        if end == 0 {
            return 0;
        }
        let from = bytes[..end - 1].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes[from..end]).is_ok() {
            return end;
        }
        end = from;
    }
}

/// Parses the whole lines of a log. A bad one among them is damage, and named.
fn lines<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<Vec<T>> {
    let whole = &bytes[..whole_lines(bytes)];
    let lines = whole.split(|&b| b == b'\n').enumerate().filter(|(_, l)| !l.trim_ascii().is_empty());
    lines
        .map(|(i, line)| {
            serde_json::from_slice(line).map_err(|e| Error::Run {
                path: path.to_owned(),
                problem: format!("line {} is not a record: {}", i + 1, shown(&e.to_string())),
            })
        })
        .collect()
}

/// A number that changes when a file is replaced by another of its name.
fn file_number(meta: &std::fs::Metadata) -> Option<u64> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::MetadataExt::ino(meta));
    #[cfg(not(unix))]
    return meta.created().ok()?.duration_since(std::time::UNIX_EPOCH).ok().map(|d| d.as_nanos() as u64);
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    ordinary::read(path, u64::MAX)
}

fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read_bytes(path)?)
        .map_err(|_| Error::Run { path: path.to_owned(), problem: "it is not UTF-8 text".into() })
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn run() -> (TempDir, RunDir) {
        let dir = TempDir::new().unwrap();
        let run = RunDir::create(&dir.path().join("a/run")).unwrap();
        (dir, run)
    }

    fn line(step: u64) -> MetricLine {
        MetricLine { step, loss: 1.0 / step as f64, zeros: vec![0.25, 0.5], ..MetricLine::default() }
    }

    fn steps(run: &RunDir) -> Vec<u64> {
        run.read::<MetricLine>(Log::Metrics).unwrap().iter().map(|l| l.step).collect()
    }

    #[test]
    fn run_log_lines_come_back_as_written() {
        let (_dir, run) = run();
        assert!(steps(&run).is_empty());
        let mut w = run.writer(Log::Metrics).unwrap();
        let full = MetricLine { val_loss: Some(0.1 + 0.2), grad_norm: Some(1e-300), ..line(3) };
        w.append(&full).unwrap();
        w.append(&MetricLine { step: 4, loss: f64::NAN, ..MetricLine::default() }).unwrap();
        w.sync().unwrap();
        let back: Vec<MetricLine> = run.read(Log::Metrics).unwrap();
        assert_eq!(back[0], full);
        assert!(back[1].step == 4 && back[1].loss.is_nan());
        // What was not measured takes no room, and fields that a reader does not know do no harm.
        let text = std::fs::read_to_string(run.log_path(Log::Metrics)).unwrap();
        assert!(!text.contains("flips") && !text.lines().nth(1).unwrap().contains("val_loss"), "{text}");
        let events: Vec<EventLine> = lines(text.as_bytes(), Path::new("x")).unwrap();
        assert_eq!(events[1].step, 4);
    }

    #[test]
    fn run_log_torn_anywhere_loses_at_most_the_last_line() {
        let (_dir, run) = run();
        let path = run.log_path(Log::Metrics);
        let mut w = run.writer(Log::Metrics).unwrap();
        (1..=4).for_each(|s| w.append(&line(s)).unwrap());
        let whole = std::fs::read(&path).unwrap();
        let third = whole.split_inclusive(|&b| b == b'\n').take(3).map(<[u8]>::len).sum::<usize>();
        for cut in third..whole.len() {
            for tail in [&b""[..], b"\0\0\0", b"\0\0\n\0"] {
                std::fs::write(&path, [&whole[..cut], tail].concat()).unwrap();
                assert_eq!(steps(&run), [1, 2, 3], "cut at {cut}");
                run.writer(Log::Metrics).unwrap().append(&line(9)).unwrap();
                assert_eq!(steps(&run), [1, 2, 3, 9], "cut at {cut}");
            }
        }
    }

    #[test]
    fn run_log_damage_in_the_middle_is_named() {
        let (_dir, run) = run();
        std::fs::write(run.log_path(Log::Metrics), "{\"step\":1}\n{\"step\":\u{1b}}\n{\"step\":3}\n")
            .unwrap();
        let error = run.read::<MetricLine>(Log::Metrics).unwrap_err().to_string();
        assert!(error.contains("line 2 is not a record") && error.contains("metrics.jsonl"), "{error}");
        assert!(!error.contains('\u{1b}'));
    }

    #[test]
    fn run_log_truncates_so_that_no_step_is_logged_twice() {
        let (_dir, run) = run();
        let mut w = run.writer(Log::Metrics).unwrap();
        (1..=9).for_each(|s| w.append(&line(s)).unwrap());
        let mut events = run.writer(Log::Events).unwrap();
        events.append(&EventLine { step: 9, event: "stopped".into(), ..EventLine::default() }).unwrap();
        drop(w);
        run.truncate_after_step(6).unwrap();
        let mut w = run.writer(Log::Metrics).unwrap();
        (7..=8).for_each(|s| w.append(&line(s)).unwrap());
        assert_eq!(steps(&run), (1..=8).collect::<Vec<_>>());
        assert_eq!(run.read::<EventLine>(Log::Events).unwrap().len(), 1);
        run.truncate_after_step(100).unwrap();
        assert_eq!(steps(&run).len(), 8);
    }

    #[test]
    fn run_log_tail_follows_growth_and_notices_a_cut() {
        let (_dir, run) = run();
        let mut tail = run.tail(Log::Metrics);
        let mut poll = || {
            let t = tail.poll::<MetricLine>(1 << 20).unwrap();
            assert!(t.bad.is_empty() && !t.more);
            (t.restarted, t.lines.iter().map(|l| l.step).collect::<Vec<_>>())
        };
        assert_eq!(poll(), (false, vec![]));
        let mut w = run.writer(Log::Metrics).unwrap();
        (1..=3).for_each(|s| w.append(&line(s)).unwrap());
        assert_eq!(poll(), (false, vec![1, 2, 3]));
        // Half a line is not there yet.
        w.file.write_all(b"{\"step\":").unwrap();
        assert_eq!(poll(), (false, vec![]));
        w.file.write_all(b"4}\n").unwrap();
        assert_eq!(poll(), (false, vec![4]));
        drop(w);
        // Cut and grown again beyond where it was, between two looks.
        run.truncate_after_step(2).unwrap();
        let mut w = run.writer(Log::Metrics).unwrap();
        (3..=8).for_each(|s| w.append(&line(s)).unwrap());
        assert_eq!(poll(), (true, (1..=8).collect()));
        assert_eq!(poll(), (false, vec![]));
    }

    #[test]
    fn run_folder_is_not_shared_nor_overwritten() {
        let (_dir, run) = run();
        assert!(RunDir::open(run.path()).unwrap_err().to_string().contains("no run.toml"));
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Config {
            seed: u64,
            name: String,
        }
        let config = Config { seed: 7, name: "a\"b".into() };
        run.write_config(&config).unwrap();
        let open = RunDir::open(run.path()).unwrap();
        assert_eq!(open.read_config::<Config>().unwrap(), config);
        assert!(RunDir::create(run.path()).unwrap_err().to_string().contains("a run is here already"));
        assert!(!open.is_locked());
        let lock = run.lock().unwrap();
        assert!(open.is_locked());
        assert!(open.lock().unwrap_err().to_string().contains("another process"));
        drop(lock);
        assert!(!open.is_locked());
        open.lock().unwrap();
        std::fs::write(run.config_path(), "seed = 7\nname = 8\n").unwrap();
        let error = run.read_config::<Config>().unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("run.toml"), "{error}");
    }
}
