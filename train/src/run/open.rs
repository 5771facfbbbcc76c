//! How a run begins: a new folder, the continuation of one, or a branch from somebody's checkpoint. Everything that can
//! be wrong about a configuration, a text or a checkpoint is said here, before the first step.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use formats::atomic::TEMP_SUFFIX;
use formats::checkpoint::{self, Checkpoint};
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
    pub(super) saved: Option<u64>,   // step of the newest checkpoint
    pub(super) sampled: Option<u64>, // step of the last sample of this session
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

/// A checkpoint to go on from.
struct Start {
    path: PathBuf,
    checkpoint: Checkpoint,
    meta: Meta,
}

impl Run {
    /// Opens, continues or begins a run. Nothing is written before everything that can be refused was looked at.
    ///
    /// # Errors
    /// A run that may not be continued (see [`Resume`]) or differs in its configuration or text; a text or tokenizer
    /// that cannot be used; checkpoints that are all damaged; a disk that cannot hold the first checkpoint.
    pub fn open(options: Options, observer: &mut dyn Observer, make: MakeTrainer<'_>) -> Result<Opening> {
        let config = &options.config;
        config.validate()?;
        let held = hold(&options.out, &options.resume)?;
        let mut skipped = Vec::new();
        let start = find_start(&options, held.as_ref().map(|(dir, _)| dir), &mut skipped)?;
        for problem in &skipped {
            observer.event(Event::Note(problem));
        }
        if let Some(Start { checkpoint, meta, .. }) = &start
            && checkpoint.step >= config.train.steps
        {
            if let Some((dir, _)) = &held {
                // The last session may have been killed after its last checkpoint.
                remove_leftovers(dir);
                meta.prune(dir)?;
            }
            return Ok(Opening::Complete(Summary::nothing_left(checkpoint.step, meta.best)));
        }

        // The text, in the vocabulary the checkpoint was trained in.
        let tokenizer = start.as_ref().map(|start| source::tokenizer_of(&start.path)).transpose()?;
        let dataset = Dataset::load(config, tokenizer)?;
        if let Some(Start { path, meta, .. }) = &start
            && meta.data_hash != dataset.hash
        {
            let (path, expected) = (path.clone(), meta.data_hash.clone());
            return Err(Error::OtherText { path, expected, found: dataset.hash });
        }
        let mut run = Run::begin(options, held, start, dataset, make)?;
        for problem in &skipped {
            run.record("skipped", problem)?;
        }
        observer.event(Event::Opened(&run.opened()));
        Ok(Opening::Ready(Box::new(run)))
    }

    /// Nothing can be refused any more: makes the folder, or tidies up the one that is held.
    fn begin(
        options: Options,
        held: Option<(RunDir, RunLock)>,
        start: Option<Start>,
        dataset: Dataset,
        make: MakeTrainer<'_>,
    ) -> Result<Run> {
        let Options { config, out, commit, pause_after, .. } = options;
        let vocab = dataset.tokenizer.vocab_size();
        let mut trainer = make(&config, &config.model_config(vocab))?;
        let fresh = Meta {
            config: config.clone(),
            vocab,
            data_hash: dataset.hash.clone(),
            tokens: 0,
            seconds: 0.0,
            best: None,
            validation: None,
            commit: commit.clone(),
        };
        let continues = held.is_some() && start.is_some();
        let (event, message) = match &start {
            Some(Start { path, .. }) if continues => ("resumed", format!("from {}", path.display())),
            Some(Start { path, .. }) => ("branched", format!("from {}", path.display())),
            None => ("started", String::new()),
        };
        let (step, meta, watch) = match start {
            Some(Start { checkpoint, meta, .. }) => {
                let step = checkpoint.step;
                let watch = state::restore(checkpoint, &mut trainer)?;
                (step, Meta { config: config.clone(), commit: commit.clone(), ..meta }, watch)
            }
            None => (0, fresh, CodesWatch::new(&trainer.params())),
        };

        let exists = held.is_some();
        let (dir, lock) = match held {
            Some(held) => held,
            None => {
                let dir = RunDir::create(&out)?;
                let lock = dir.lock()?;
                source::write_tokenizer(&dir, &dataset.tokenizer)?;
                // Of a run that was killed before it was one.
                checkpoint::prune(&dir.checkpoints(), 0, None)?;
                (dir, lock)
            }
        };
        remove_leftovers(&dir);
        dir.truncate_after_step(step)?;
        let mut toml = RunToml {
            commit,
            data_hash: meta.data_hash.clone(),
            vocab,
            seed: config.train.seed,
            first_step: step,
            config: config.clone(),
        };
        if exists {
            let old: RunToml = dir.read_config()?;
            toml.commit = old.commit;
            toml.first_step = old.first_step.min(step);
        }
        let mut run = Run {
            metrics: dir.writer(Log::Metrics)?,
            samples: dir.writer(Log::Samples)?,
            events: dir.writer(Log::Events)?,
            saved: continues.then_some(step),
            sampled: None,
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
        // The first checkpoint shows at once whether the disk can hold one, and `run.toml`, which makes the folder a
        // run, comes after it: a run always has something to go on from.
        run.save(&mut ())?;
        run.dir.write_config(&toml)?;
        run.record(event, &message)?;
        Ok(run)
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

/// Takes hold of the run in `out`; `None` if there is none and one may begin there.
fn hold(out: &Path, resume: &Resume) -> Result<Option<(RunDir, RunLock)>> {
    if !out.join("run.toml").exists() {
        refuse_foreign_folder(out)?;
        return Ok(None);
    }
    if *resume == Resume::Never {
        return Err(Error::RunExists { path: out.to_owned() });
    }
    let dir = RunDir::open(out)?;
    let lock = dir.lock()?;
    Ok(Some((dir, lock)))
}

/// Where to go on from, if it is the same computation.
fn find_start(options: &Options, dir: Option<&RunDir>, skipped: &mut Vec<String>) -> Result<Option<Start>> {
    let config = &options.config;
    if let Some(dir) = dir {
        let stored: RunToml = dir.read_config()?;
        same_computation(&dir.path().display().to_string(), &stored.config, config)?;
    }
    let found = match (&options.resume, dir) {
        (Resume::From(path), _) => Some(source::checkpoint_at(path, skipped)?),
        (_, Some(dir)) => source::newest(&dir.checkpoints(), skipped)?,
        _ => None,
    };
    let Some((path, checkpoint)) = found else { return Ok(None) };
    let meta = Meta::of(&checkpoint)?;
    same_computation(&path.display().to_string(), &meta.config, config)?;
    if let (Resume::From(_), Some(dir)) = (&options.resume, dir) {
        refuse_newer(dir, &path, checkpoint.step)?;
    }
    Ok(Some(Start { path, checkpoint, meta }))
}

/// A folder that holds somebody's other files is not made into a run.
fn refuse_foreign_folder(out: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(out) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // What a run that was killed in its first moments leaves.
        let ours = matches!(&*name, "checkpoints" | "lock" | source::TOKENIZER)
            || Log::ALL.iter().any(|log| log.file_name() == name)
            || is_leftover(&name);
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
