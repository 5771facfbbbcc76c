//! Where a run goes on from: its own newest checkpoint, or somebody else's. A run of the same model may begin from any other:
//! with the same text it goes on with its steps, under other rates or another seed; with another text it keeps only the
//! weights and begins at step 0, which is fine-tuning.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use formats::checkpoint::{self, Checkpoint};
use formats::run_log::RunDir;
use serde::{Deserialize, Serialize};

use super::device;
use super::open::RunToml;
use super::source;
use super::state::Meta;
use crate::config::{Config, Difference};
use crate::data::Dataset;
use crate::error::{Error, Result};

/// What to do about a run that is already there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Continue it if there is one.
    Auto,
    /// Refuse if there is one.
    Never,
    /// Start from this checkpoint, or from the newest one of this run.
    From(PathBuf),
}

impl From<OsString> for Resume {
    fn from(text: OsString) -> Self {
        match text.to_str() {
            Some("auto") => Resume::Auto,
            Some("never") => Resume::Never,
            _ => Resume::From(text.into()),
        }
    }
}

/// What a run began from, when that was another run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The run or checkpoint that was named.
    pub from: String,
    /// The checkpoint.
    pub checkpoint: String,
    /// Steps behind it.
    pub step: u64,
    /// Hash of the text it was trained on.
    pub data_hash: String,
    /// What this run does otherwise, as `key: there, here`.
    pub changed: Vec<String>,
}

/// A checkpoint to go on from.
pub(super) struct Start {
    pub path: PathBuf,
    pub checkpoint: Checkpoint,
    pub meta: Meta,
    /// Set where the run begins from another.
    pub origin: Option<Origin>,
    /// Another text: the weights are all that is kept.
    pub weights_only: bool,
}

impl Start {
    /// Looks at the text that is to be learnt from here on.
    ///
    /// # Errors
    /// Another one, in a run that goes on; no step left on this one.
    pub fn meets(&mut self, dataset: &Dataset, config: &Config) -> Result<()> {
        let same = self.meta.data_hash == dataset.hash;
        let (step, steps) = (self.checkpoint.step, config.train.steps);
        match &self.origin {
            None if !same => {
                let (path, expected) = (self.path.clone(), self.meta.data_hash.clone());
                Err(Error::OtherText { path, expected, found: dataset.hash.clone() })
            }
            Some(_) if same && step >= steps => {
                Err(Error::NoStepsLeft { path: self.path.clone(), step, steps })
            }
            _ => {
                self.weights_only = !same;
                Ok(())
            }
        }
    }

    /// How a run began from here, for its log.
    pub fn describe(&self) -> String {
        let what = if self.weights_only { "the weights of " } else { "" };
        let mut text = format!("from {what}{}", self.path.display());
        for change in self.origin.iter().flat_map(|origin| &origin.changed) {
            text.push_str("; ");
            text.push_str(change);
        }
        text
    }
}

/// Where a run of `config` in `dir`, if there is one already, goes on from. Damaged checkpoints are added to `skipped`.
///
/// # Errors
/// Another computation than the run's, or another model than the checkpoint's; no checkpoint that can be read.
pub(super) fn find(
    config: &Config,
    device: &str,
    resume: &Resume,
    dir: Option<&RunDir>,
    skipped: &mut Vec<String>,
) -> Result<Option<Start>> {
    let stored = match dir {
        Some(dir) => Some((dir, dir.read_config::<RunToml>()?)),
        None => None,
    };
    if let Some((dir, stored)) = &stored {
        let theirs = (&stored.config, &*stored.device);
        same_computation(&dir.path().display().to_string(), theirs, (config, device))?;
    }
    match (resume, &stored) {
        (Resume::From(path), None) => begin_from(path, config, skipped).map(Some),
        // The command that began a run from another one continues it too.
        (Resume::From(path), Some((dir, stored))) if !stored.began_from(path) => {
            let (path, checkpoint) = source::checkpoint_at(path, skipped)?;
            refuse_newer(dir, &path, checkpoint.step)?;
            go_on(path, checkpoint, config, device).map(Some)
        }
        (_, Some((dir, _))) => match source::newest(&dir.checkpoints(), skipped)? {
            Some((path, checkpoint)) => go_on(path, checkpoint, config, device).map(Some),
            None => Ok(None),
        },
        (_, None) => Ok(None),
    }
}

fn go_on(path: PathBuf, checkpoint: Checkpoint, config: &Config, device: &str) -> Result<Start> {
    let meta = Meta::of(&checkpoint)?;
    same_computation(&path.display().to_string(), (&meta.config, &meta.device), (config, device))?;
    Ok(Start { path, checkpoint, meta, origin: None, weights_only: false })
}

fn begin_from(named: &Path, config: &Config, skipped: &mut Vec<String>) -> Result<Start> {
    let (path, checkpoint) = source::checkpoint_at(named, skipped)?;
    let meta = Meta::of(&checkpoint)?;
    let changed = meta.config.differences(config);
    let model = || changed.iter().filter(|d| changes_model(&d.key));
    if model().next().is_some() {
        return Err(Error::OtherModel { place: path.display().to_string(), different: listed(model()) });
    }
    let origin = Origin {
        from: whole(named),
        checkpoint: whole(&path),
        step: checkpoint.step,
        data_hash: meta.data_hash.clone(),
        changed: changed.iter().map(Difference::to_string).collect(),
    };
    Ok(Start { path, checkpoint, meta, origin: Some(origin), weights_only: false })
}

/// Whether configurations that differ in a key are of different models, or of optimisers with other memories. Positions have no
/// weights, so windows may grow or shrink.
fn changes_model(key: &str) -> bool {
    let model = key.starts_with("model.") && key != "model.context";
    model || key.starts_with("tokenizer.") || key == "optimiser.matrices"
}

impl RunToml {
    /// Whether the run began from what `path` names.
    fn began_from(&self, path: &Path) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.from == whole(path))
    }
}

/// A path that says the same from every folder; what is not UTF-8 in it is replaced, for this is only compared and shown.
fn whole(path: &Path) -> String {
    let whole = path.canonicalize().or_else(|_| std::path::absolute(path));
    whole.as_deref().unwrap_or(path).to_string_lossy().into_owned()
}

/// More steps, other threads, other reports and another device are the same computation, going on. Each is given with its device: how
/// the CPU cuts a batch counts on the CPU alone.
fn same_computation(place: &str, theirs: (&Config, &str), ours: (&Config, &str)) -> Result<()> {
    let mut different = theirs.0.differences(ours.0);
    let cuts_decide = device::cuts_decide(theirs.1, ours.1);
    different.retain(|d| match &*d.key {
        "train.steps" => false,
        "train.shards" | "train.pass_tokens" => cuts_decide,
        _ => true,
    });
    if different.is_empty() {
        return Ok(());
    }
    Err(Error::OtherConfig { place: place.to_string(), different: listed(different.iter()) })
}

fn listed<'d>(differences: impl Iterator<Item = &'d Difference>) -> String {
    differences.map(Difference::to_string).collect::<Vec<_>>().join("; ")
}

/// Going back inside a run would leave checkpoints of a future that no longer happens.
fn refuse_newer(dir: &RunDir, from: &Path, step: u64) -> Result<()> {
    match checkpoint::list(&dir.checkpoints())?.first().map(|entry| entry.step) {
        Some(newest) if newest > step => {
            Err(Error::NewerCheckpoints { path: dir.path().to_owned(), newest, from: from.to_owned(), step })
        }
        _ => Ok(()),
    }
}
