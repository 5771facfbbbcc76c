//! A run's folder: where its parts are, reading and writing its configuration, and its logs as wholes.

use super::lock::{self, RunLock};
use super::tail::LogTail;
use super::whole::{records, whole_lines};
use super::writer::LogWriter;
use crate::{Error, Result, atomic, ordinary, shown};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};

/// The logs of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// [`MetricLine`](super::MetricLine)s.
    Metrics,
    /// [`SampleLine`](super::SampleLine)s.
    Samples,
    /// [`EventLine`](super::EventLine)s.
    Events,
}

impl Log {
    /// All three.
    pub const ALL: [Log; 3] = [Log::Metrics, Log::Samples, Log::Events];

    /// Its file's name in the run's folder.
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

/// What all lines have: enough to cut a log at a step.
#[derive(Deserialize)]
struct Step {
    step: u64,
}

impl RunDir {
    /// Makes the folder with its parents.
    ///
    /// # Errors
    /// It holds a run already, or cannot be made.
    pub fn create(path: &Path) -> Result<RunDir> {
        let run = RunDir { path: path.to_owned() };
        if run.config_path().exists() {
            return Err(run.problem("a run is here already; resume it or choose another folder"));
        }
        let checkpoints = run.checkpoints();
        std::fs::create_dir_all(&checkpoints).map_err(Error::io("create", &checkpoints))?;
        Ok(run)
    }

    /// An existing run: a folder with a `run.toml`.
    ///
    /// # Errors
    /// There is no such file.
    pub fn open(path: &Path) -> Result<RunDir> {
        let run = RunDir { path: path.to_owned() };
        if !run.config_path().is_file() {
            return Err(run.problem("not a run, as it has no run.toml"));
        }
        Ok(run)
    }

    /// The run's folder, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `run.toml`, which makes a folder a run.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("run.toml")
    }

    /// The folder of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Where a log is, whether or not it is there yet.
    pub fn log_path(&self, log: Log) -> PathBuf {
        self.path.join(log.file_name())
    }

    /// Takes the run for writing.
    ///
    /// # Errors
    /// Another process has it.
    pub fn lock(&self) -> Result<RunLock> {
        let lock = RunLock::take(&self.lock_path())?;
        lock.ok_or_else(|| self.problem("another process is training this run"))
    }

    /// Whether a process on this machine has the run for writing.
    pub fn is_locked(&self) -> bool {
        lock::is_locked(&self.lock_path())
    }

    /// Writes `run.toml`, whole or not at all.
    ///
    /// # Errors
    /// The disk's, or a value that TOML cannot say.
    pub fn write_config<T: Serialize>(&self, config: &T) -> Result<()> {
        let path = self.config_path();
        let text = toml::to_string_pretty(config).map_err(|e| Error::Run {
            path: path.clone(),
            problem: format!("cannot be written as TOML: {e}"),
        })?;
        atomic::write_atomic(&path, |w| w.write_all(text.as_bytes()))
    }

    /// Reads `run.toml`.
    ///
    /// # Errors
    /// What is wrong with it, and in which line.
    pub fn read_config<T: DeserializeOwned>(&self) -> Result<T> {
        let path = self.config_path();
        let text = String::from_utf8(ordinary::read(&path, u64::MAX)?)
            .map_err(|_| Error::Run { path: path.clone(), problem: "it is not UTF-8 text".into() })?;
        toml::from_str(&text).map_err(|e| {
            let at = e.span().map_or(0, |s| text[..s.start].lines().count().max(1));
            Error::Run { path, problem: format!("line {at}: {}", shown(e.message())) }
        })
    }

    /// Opens a log to append to it, cutting off a torn tail first.
    ///
    /// # Errors
    /// It cannot be read or cut.
    pub fn writer(&self, log: Log) -> Result<LogWriter> {
        LogWriter::open(&self.log_path(log))
    }

    /// A log's lines; none if there is no such file yet. A torn tail is skipped.
    ///
    /// # Errors
    /// A whole line that is no record, by its number.
    pub fn read<T: DeserializeOwned>(&self, log: Log) -> Result<Vec<T>> {
        let path = self.log_path(log);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let bytes = ordinary::read(&path, u64::MAX)?;
        records(&bytes, &path)
    }

    /// Follows a log as it grows.
    pub fn tail(&self, log: Log) -> LogTail {
        LogTail::new(self.log_path(log))
    }

    /// Drops what the logs say about steps after `step`, before training goes on from there: no
    /// step is logged twice. Events stay: they happened.
    ///
    /// # Errors
    /// A log cannot be read or replaced.
    pub fn truncate_after_step(&self, step: u64) -> Result<()> {
        for log in [Log::Metrics, Log::Samples] {
            let path = self.log_path(log);
            if !path.exists() {
                continue;
            }
            let bytes = ordinary::read(&path, u64::MAX)?;
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

    fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    fn problem(&self, problem: &str) -> Error {
        Error::Run { path: self.path.clone(), problem: problem.to_owned() }
    }
}
