//! Finding a trained state by the path a person gives: a run's folder or one checkpoint. What is done with it is `open`'s and
//! `export`'s business.

use std::path::{Path, PathBuf};

use formats::checkpoint::{self, Checkpoint};
use formats::gguf::{Gguf, GgufWriter};
use formats::run_log::RunDir;
use formats::tokenizer::Tokenizer;

use super::open::RunToml;
use super::state::{self, Meta};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::trainer::Named;

/// The run's vocabulary, as a GGUF file without tensors.
pub(super) const TOKENIZER: &str = "tokenizer.gguf";

/// A trained state, ready to be exported.
pub struct Source {
    /// The checkpoint's folder.
    pub path: PathBuf,
    /// Steps behind it.
    pub step: u64,
    /// Its configuration, validation and history.
    pub meta: Meta,
    /// Latent parameters.
    pub params: Vec<Named>,
    /// Its vocabulary.
    pub tokenizer: Tokenizer,
    /// Newer checkpoints that are damaged, a sentence each.
    pub skipped: Vec<String>,
}

/// Which checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one with the best validation; the newest where nothing was validated.
    Best,
    /// The newest.
    Newest,
}

impl Source {
    /// Reads a run's checkpoint, or the checkpoint that `path` itself is.
    ///
    /// # Errors
    /// Neither a run nor a checkpoint, or one that is damaged.
    pub fn open(path: &Path, which: Which) -> Result<Source> {
        let mut skipped = Vec::new();
        let (mut found, mut checkpoint) = checkpoint_at(path, &mut skipped)?;
        let mut meta = Meta::of(&checkpoint)?;
        let best = meta.best.map(|best| best.step).filter(|&step| step != checkpoint.step);
        if let (Which::Best, true, Some(step)) = (which, is_run(path), best) {
            // The newest one names the best; where that is lost the newest has to do.
            let dir = RunDir::open(path)?.checkpoints();
            if let Some(entry) = checkpoint::list(&dir)?.into_iter().find(|e| e.step == step) {
                match checkpoint::load(&entry.path) {
                    Ok(best) => {
                        meta = Meta::of(&best)?;
                        (found, checkpoint) = (entry.path, best);
                    }
                    Err(e) => skipped.push(e.to_string()),
                }
            }
        }
        let tokenizer = tokenizer_of(&found)?;
        if tokenizer.vocab_size() != meta.vocab {
            let problem =
                format!("the tokenizer has {} ids, expected {}", tokenizer.vocab_size(), meta.vocab);
            return Err(Error::CheckpointMeta { step: checkpoint.step, problem });
        }
        let step = checkpoint.step;
        Ok(Source { path: found, step, meta, params: state::params(checkpoint), tokenizer, skipped })
    }
}

/// The configuration of the run in `folder`; `None` if there is no run.
///
/// # Errors
/// `run.toml` cannot be read or is not one.
pub fn stored_config(folder: &Path) -> Result<Option<Config>> {
    if !is_run(folder) {
        return Ok(None);
    }
    Ok(Some(RunDir::open(folder)?.read_config::<RunToml>()?.config))
}

/// The configuration of the run at `path`, or of the one that the checkpoint at `path` is of.
///
/// # Errors
/// Neither a run nor a checkpoint, or one that is damaged.
pub fn config_at(path: &Path) -> Result<Config> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    // A checkpoint lies two folders below its run, unless it was copied away.
    for folder in [Some(&*whole), whole.ancestors().nth(2)].into_iter().flatten() {
        if let Some(config) = stored_config(folder)? {
            return Ok(config);
        }
    }
    let (_, checkpoint) = checkpoint_at(path, &mut Vec::new())?;
    Ok(Meta::of(&checkpoint)?.config)
}

fn is_run(path: &Path) -> bool {
    path.join("run.toml").is_file()
}

/// The checkpoint at `path`, or the newest complete one of the run at `path`; damaged newer ones are added to `skipped`.
pub(super) fn checkpoint_at(path: &Path, skipped: &mut Vec<String>) -> Result<(PathBuf, Checkpoint)> {
    if is_run(path) {
        let dir = RunDir::open(path)?;
        return newest(&dir.checkpoints(), skipped)?
            .ok_or_else(|| Error::NoCheckpoint { path: path.to_owned() });
    }
    if path.join("manifest.json").is_file() {
        return Ok((path.to_owned(), checkpoint::load(path)?));
    }
    Err(Error::NoSource { path: path.to_owned() })
}

/// The newest complete checkpoint in a folder; damaged newer ones are added to `skipped`, a sentence each.
pub(super) fn newest(dir: &Path, skipped: &mut Vec<String>) -> Result<Option<(PathBuf, Checkpoint)>> {
    let Some(newest) = checkpoint::newest_complete(dir)? else { return Ok(None) };
    for (_, error) in &newest.skipped {
        skipped.push(format!("{error}; using step {} instead", newest.checkpoint.step));
    }
    Ok(Some((newest.path, newest.checkpoint)))
}

/// Writes the run's vocabulary.
pub(super) fn write_tokenizer(dir: &RunDir, tokenizer: &Tokenizer) -> Result<()> {
    let mut file = GgufWriter::default();
    file.metadata.insert("general.architecture", "tercet");
    tokenizer.to_gguf(&mut file.metadata);
    Ok(file.write(&dir.path().join(TOKENIZER))?)
}

/// The vocabulary of the checkpoint at `path`: in its run's folder, or beside it.
pub(super) fn tokenizer_of(path: &Path) -> Result<Tokenizer> {
    // Resolves `step-00000010/..` and relative paths, which `parent` alone would not.
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let file = whole.ancestors().take(3).map(|folder| folder.join(TOKENIZER)).find(|file| file.is_file());
    let file = file.ok_or_else(|| Error::NoTokenizer { path: path.to_owned() })?;
    Ok(Tokenizer::from_gguf(Gguf::open(&file)?.metadata())?)
}
