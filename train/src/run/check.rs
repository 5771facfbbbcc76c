//! Looking over a run's folder without changing it: which checkpoints load, and whether the log tells of each step once.

use std::path::{Path, PathBuf};

use formats::checkpoint;
use formats::run_log::{Log, MetricLine, RunDir};

use super::open::RunToml;
use super::state::Meta;
use crate::error::{Error, Result};

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// Each checkpoint, newest first: how many tensors it holds, or a sentence on what is wrong.
    pub checkpoints: Vec<(PathBuf, std::result::Result<usize, String>)>,
    /// The newest step that a run could continue after.
    pub resumable: Option<u64>,
    /// The last step in the log.
    pub logged: u64,
    /// Steps of the whole run.
    pub steps: u64,
}

/// Reads everything a continued run would read.
///
/// # Errors
/// Not a run, or a log that lacks a step, has one twice, or does not reach the newest checkpoint.
pub fn check(path: &Path) -> Result<Report> {
    let dir = RunDir::open(path)?;
    let toml: RunToml = dir.read_config()?;
    let mut checkpoints = Vec::new();
    let mut resumable = None;
    for entry in checkpoint::list(&dir.checkpoints())? {
        let loaded = checkpoint::load(&entry.path).map_err(Error::from);
        let result = match loaded.and_then(|c| Meta::of(&c).map(|_| c.tensors.len())) {
            Ok(tensors) => {
                resumable = resumable.max(Some(entry.step));
                Ok(tensors)
            }
            Err(e) => Err(e.to_string()),
        };
        checkpoints.push((entry.path, result));
    }
    let lines: Vec<MetricLine> = dir.read(Log::Metrics)?;
    for (expected, line) in (toml.first_step + 1..).zip(&lines) {
        if line.step != expected {
            return Err(Error::LogGap { path: dir.log_path(Log::Metrics), expected, found: line.step });
        }
    }
    let logged = toml.first_step + lines.len() as u64;
    if let Some(step) = resumable.filter(|&step| step > logged) {
        return Err(Error::LogShort { path: dir.log_path(Log::Metrics), logged, step });
    }
    Ok(Report { checkpoints, resumable, logged, steps: toml.config.train.steps })
}
