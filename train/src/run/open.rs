//! How a run begins: a new folder, the continuation of one, or a branch from somebody's checkpoint. Everything that can
//! be wrong about a configuration, a text or a checkpoint is said here, before the first step.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use formats::atomic::TEMP_SUFFIX;
use formats::checkpoint;
use formats::run_log::{Log, LogWriter, RunDir, RunLock};
use runtime::config::ModelConfig;
use serde::{Deserialize, Serialize};

use super::observer::{Event, Observer, Opened, Summary};
use super::source;
use super::state::{self, Meta};
use crate::config::Config;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::metrics::CodesWatch;
use crate::trainer::Trainer;

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

impl FromStr for Resume {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(match text {
            "auto" => Resume::Auto,
            "never" => Resume::Never,
            path => Resume::From(path.into()),
        })
    }
}

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to compute.
    pub config: Config,
    /// The run's folder.
    pub out: PathBuf,
    /// What to do if it holds a run.
    pub resume: Resume,
    /// Save and come back after this many steps of the run.
    pub pause_after: Option<u64>,
    /// Commit of the program, for the record.
    pub commit: String,
}

/// `run.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunToml {
    /// Commit of the program that began the run.
    pub commit: String,
    /// Hash of the text.
    pub data_hash: String,
    /// Ids in the vocabulary.
    pub vocab: usize,
    /// Seed, the one in `config`, where a reader looks first.
    pub seed: u64,
    /// Steps behind it when it began: not 0 for a branch of another run.
    pub first_step: u64,
    /// Everything that decides what is computed.
    pub config: Config,
}

/// A run that is ready to go on.
pub struct Run {
    pub(super) config: Config,
    pub(super) dir: RunDir,
    pub(super) dataset: Dataset,
    pub(super) trainer: Trainer,
    pub(super) watch: CodesWatch,
    pub(super) meta: Meta,
    pub(super) step: u64,
    pub(super) saved: Option<u64>, // step of the newest checkpoint
    pub(super) metrics: LogWriter,
    pub(super) samples: LogWriter,
    pub(super) events: LogWriter,
    pub(super) pause_after: Option<u64>,
    _lock: RunLock,
}

/// The configuration of the run in `out`; `None` if there is no run.
///
/// # Errors
/// `run.toml` cannot be read or is not one.
pub fn stored_config(out: &Path) -> Result<Option<Config>> {
    if !out.join("run.toml").exists() {
        return Ok(None);
    }
    Ok(Some(RunDir::open(out)?.read_config::<RunToml>()?.config))
}

/// What opening found.
pub enum Opening {
    /// Steps are left.
    Ready(Box<Run>),
    /// All steps are done already.
    Complete(Summary),
}

/// Makes a fresh trainer for a configuration and its model.
pub type MakeTrainer<'a> = &'a dyn Fn(&Config, &ModelConfig) -> Result<Trainer>;

/// The CPU's trainer.
///
/// # Errors
/// None; other devices have some.
pub fn on_cpu(config: &Config, model: &ModelConfig) -> Result<Trainer> {
    Ok(Trainer::on_cpu(model, config.model.context, config.cpu_options()))
}

impl Run {
    /// Opens, continues or begins a run. Nothing is written before everything that can be refused was looked at.
    ///
    /// # Errors
    /// A run that may not be continued (see [`Resume`]) or differs in its configuration or text; a text or tokenizer
    /// that cannot be used; checkpoints that are all damaged; a disk that cannot hold the first checkpoint.
    pub fn open(options: Options, observer: &mut dyn Observer, make: MakeTrainer<'_>) -> Result<Opening> {
        let Options { config, out, resume, pause_after, commit } = options;
        config.validate()?;
        let exists = out.join("run.toml").exists();
        if exists && resume == Resume::Never {
            return Err(Error::RunExists { path: out });
        }
        if !exists {
            refuse_foreign_folder(&out)?;
        }
        let mut held = match exists {
            true => {
                let dir = RunDir::open(&out)?;
                let lock = dir.lock()?;
                Some((dir, lock))
            }
            false => None,
        };

        // Where to start from, and whether it is the same computation.
        let mut skipped = Vec::new();
        let start = match (&resume, &held) {
            (Resume::From(path), _) => Some(source::checkpoint_at(path, &mut skipped)?),
            (_, Some((dir, _))) => source::newest(&dir.checkpoints(), &mut skipped)?,
            _ => None,
        };
        for problem in &skipped {
            observer.event(Event::Note(problem));
        }
        if let Some((dir, _)) = &held {
            same_computation(
                &dir.path().display().to_string(),
                &dir.read_config::<RunToml>()?.config,
                &config,
            )?;
        }
        let start = match start {
            Some((path, checkpoint)) => {
                let meta = Meta::of(&checkpoint)?;
                same_computation(&path.display().to_string(), &meta.config, &config)?;
                if let (Resume::From(_), Some((dir, _))) = (&resume, &held) {
                    refuse_newer(dir, &path, checkpoint.step)?;
                }
                if checkpoint.step >= config.train.steps {
                    return Ok(Opening::Complete(Summary::nothing_left(checkpoint.step, meta.best)));
                }
                Some((path, checkpoint, meta))
            }
            None => None,
        };

        // The text, in the vocabulary the checkpoint was trained in.
        let tokenizer = match &start {
            Some((path, ..)) => Some(source::tokenizer_of(path)?),
            None => None,
        };
        let dataset = Dataset::load(&config, tokenizer)?;
        if let Some((path, _, meta)) = &start
            && meta.data_hash != dataset.hash
        {
            return Err(Error::OtherText {
                path: path.clone(),
                expected: meta.data_hash.clone(),
                found: dataset.hash,
            });
        }
        let vocab = dataset.tokenizer.vocab_size();
        let mut trainer = make(&config, &config.model_config(vocab))?;
        let mut watch = CodesWatch::new(&trainer.params());

        // From here on the folder is ours.
        let (dir, lock) = match held.take() {
            Some(held) => held,
            None => {
                let dir = RunDir::create(&out)?;
                let lock = dir.lock()?;
                (dir, lock)
            }
        };
        let event = match (&start, exists) {
            (Some((path, ..)), false) => ("branched", format!("from {}", path.display())),
            (Some((path, ..)), true) => ("resumed", format!("from {}", path.display())),
            (None, _) => ("started", String::new()),
        };
        let mut meta = Meta {
            config: config.clone(),
            vocab,
            data_hash: dataset.hash.clone(),
            tokens: 0,
            seconds: 0.0,
            best: None,
            validation: None,
            commit: commit.clone(),
        };
        let mut step = 0;
        let begun = start.is_some();
        if let Some((_, checkpoint, old)) = start {
            step = checkpoint.step;
            watch = state::restore(checkpoint, &mut trainer)?;
            meta = Meta { config: config.clone(), commit: commit.clone(), ..old };
        }
        let stored = exists.then(|| dir.read_config::<RunToml>()).transpose()?;
        let (commit, first_step) = stored.map_or((commit, step), |old| (old.commit, old.first_step));
        if !exists {
            source::write_tokenizer(&dir, &dataset.tokenizer)?;
        }
        remove_leftovers(&dir);
        dir.truncate_after_step(step)?;
        let toml = RunToml {
            commit,
            data_hash: meta.data_hash.clone(),
            vocab,
            seed: config.train.seed,
            first_step,
            config: config.clone(),
        };
        dir.write_config(&toml)?;
        let mut run = Run {
            metrics: dir.writer(Log::Metrics)?,
            samples: dir.writer(Log::Samples)?,
            events: dir.writer(Log::Events)?,
            saved: begun.then_some(step),
            dir,
            dataset,
            trainer,
            watch,
            meta,
            step,
            config,
            pause_after,
            _lock: lock,
        };
        run.record(event.0, &event.1)?;
        for problem in &skipped {
            run.record("skipped", problem)?;
        }
        if !exists || !begun {
            // Also finds out at once whether the disk can hold a checkpoint.
            run.save(observer)?;
        }
        observer.event(Event::Opened(&run.opened()));
        Ok(Opening::Ready(Box::new(run)))
    }

    fn opened(&self) -> Opened {
        Opened {
            step: self.step,
            steps: self.config.train.steps,
            vocab: self.meta.vocab,
            parameters: self.trainer.params().iter().map(|p| p.data.len()).sum(),
            train_tokens: self.dataset.train.len(),
            validation_tokens: self.dataset.validation.len(),
            step_tokens: self.config.train.batch * self.config.model.context,
            threads: self.config.train.threads(),
        }
    }
}

/// A folder that holds somebody's other files is not made into a run.
fn refuse_foreign_folder(out: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(out) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // What a run that was killed in its first moments leaves.
        let ours = matches!(&*name, "checkpoints" | "lock" | source::TOKENIZER) || is_leftover(&name);
        if !ours {
            return Err(Error::ForeignFolder { path: out.to_owned(), found: name.into_owned() });
        }
    }
    Ok(())
}

/// A file that a kill left half-written.
fn is_leftover(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(TEMP_SUFFIX)
}

/// Tidies up after kills. Only the holder of the lock may: nobody else is writing then.
fn remove_leftovers(dir: &RunDir) {
    for entry in std::fs::read_dir(dir.path()).into_iter().flatten().flatten() {
        if is_leftover(&entry.file_name().to_string_lossy()) {
            // One that stays does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// More steps, other threads and other reports are the same computation, going on.
fn same_computation(place: &str, theirs: &Config, ours: &Config) -> Result<()> {
    let mut different = theirs.differences(ours);
    different.retain(|d| !d.starts_with("train.steps:"));
    if different.is_empty() {
        return Ok(());
    }
    Err(Error::OtherConfig { place: place.to_string(), different: different.join("; ") })
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
