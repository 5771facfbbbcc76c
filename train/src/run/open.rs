//! How a run begins: a new folder, the continuation of one, or a branch from somebody's checkpoint. Everything that can
//! be wrong about a configuration, a text or a checkpoint is said here, before the first step.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use formats::atomic::TEMP_SUFFIX;
use formats::checkpoint;
use formats::run_log::{Log, LogWriter, RunDir, RunLock};
use model::config::ModelConfig;
use serde::{Deserialize, Serialize};

use super::device::{self, Device};
use super::observer::{Event, Observer, Outset, Summary};
use super::source;
use super::start::{self, Origin, Resume, Start};
use super::state::{self, Meta};
use super::steps::InFlight;
use crate::config::Config;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::metrics::CodesWatch;
use crate::sample;
use crate::trainer::Trainer;
use model::tensors::TensorSpec;

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
    /// Who writes samples.
    pub write: sample::Write,
}

/// `run.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunToml {
    /// Commit of the program that began the run.
    pub commit: String,
    /// Hash of the text.
    pub data_hash: String,
    /// Where it computed last. A run may move: its configuration says what is computed, this says where.
    #[serde(default = "device::of_old")]
    pub device: String,
    /// Ids in the vocabulary.
    pub vocab: usize,
    /// Seed, the one in `config`, where a reader looks first.
    pub seed: u64,
    /// Steps behind it when it began: not 0 for one that went on from another run's.
    pub first_step: u64,
    /// What it began from, when that was another run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
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
    pub(super) step: u64, // collected and logged
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) collected: Instant,   // when the newest step was
    pub(super) saved: Option<u64>,   // step of the newest checkpoint
    pub(super) sampled: Option<u64>, // step of the last sample of this session
    pub(super) metrics: LogWriter,
    pub(super) samples: LogWriter,
    pub(super) events: LogWriter,
    pub(super) pause_after: Option<u64>,
    pub(super) write: sample::Write,
    _lock: RunLock,
}

/// What opening found.
pub enum Opening {
    /// Steps are left.
    Ready(Box<Run>),
    /// All steps are done already.
    Complete(Summary),
    /// It was stopped before it was ready for a step.
    Interrupted {
        /// Whether the run has a checkpoint, which loses nothing; a new one has no folder yet.
        saved: bool,
    },
}

impl Run {
    /// Opens, continues or begins a run. Nothing is written before everything that can be refused was looked at; until then it stops
    /// soon after `cancel` was set, however long the text.
    ///
    /// # Errors
    /// A run that may not be continued (see [`Resume`]) or differs in its configuration or text; a text or tokenizer
    /// that cannot be used; checkpoints that are all damaged; a disk that cannot hold the first checkpoint.
    pub fn open(
        options: Options,
        observer: &mut dyn Observer,
        cancel: &AtomicBool,
        device: Device<'_>,
    ) -> Result<Opening> {
        let config = &options.config;
        config.validate()?;
        let held = hold(&options.out, &options.resume)?;
        let mut skipped = Vec::new();
        let mut start = start::find(
            config,
            device.name,
            &options.resume,
            held.as_ref().map(|(dir, _)| dir),
            &mut skipped,
        )?;
        for problem in &skipped {
            observer.event(Event::Note(problem));
        }
        if let Some(Start { checkpoint, meta, origin: None, .. }) = &start
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
        let dataset = match Dataset::load(config, tokenizer, observer, cancel) {
            Err(Error::Stopped) => {
                return Ok(Opening::Interrupted { saved: held.is_some() && start.is_some() });
            }
            dataset => dataset?,
        };
        if let Some(start) = &mut start {
            start.meets(&dataset, config)?;
        }
        let model = config.shape(dataset.tokenizer.vocab_size())?;
        let mut run = Run::begin(options, held, start, dataset, &model, device)?;
        for problem in &skipped {
            run.record("skipped", problem)?;
        }
        observer.event(Event::Outset(&run.outset()));
        Ok(Opening::Ready(Box::new(run)))
    }

    /// Nothing can be refused any more: makes the folder, or tidies up the one that is held.
    fn begin(
        options: Options,
        held: Option<(RunDir, RunLock)>,
        start: Option<Start>,
        dataset: Dataset,
        model: &ModelConfig,
        device: Device<'_>,
    ) -> Result<Run> {
        let Options { config, out, commit, pause_after, write, .. } = options;
        let mut trainer = (device.make)(&config, model)?;
        let fresh = Meta {
            config: config.clone(),
            device: device.name.into(),
            vocab: model.vocab,
            data_hash: dataset.hash.clone(),
            tokens: 0,
            seconds: 0.0,
            best: None,
            validation: None,
            commit: commit.clone(),
        };
        let continues = held.is_some() && start.is_some();
        let (event, message) = match &start {
            Some(Start { path, meta, .. }) if continues => {
                let moved = match &*meta.device {
                    theirs if theirs == device.name => String::new(),
                    theirs => format!(", on {} after {theirs}", device.name),
                };
                ("resumed", format!("from {}{moved}", path.display()))
            }
            Some(start) => ("branched", start.describe()),
            None => ("started", String::new()),
        };
        let origin = start.as_ref().and_then(|start| start.origin.clone());
        let (step, meta, watch) = match start {
            Some(Start { checkpoint, weights_only: true, .. }) => {
                state::restore_weights(checkpoint, &mut trainer)?;
                (0, fresh, first_look(&mut trainer)?)
            }
            Some(Start { checkpoint, meta, .. }) => {
                let step = checkpoint.step;
                let watch = state::restore(checkpoint, &mut trainer)?;
                let Meta { config, device, commit, .. } = fresh;
                (step, Meta { config, device, commit, ..meta }, watch)
            }
            None => (0, fresh, first_look(&mut trainer)?),
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
            device: meta.device.clone(),
            vocab: model.vocab,
            seed: config.train.seed,
            first_step: step,
            origin,
            config: config.clone(),
        };
        if exists {
            let old: RunToml = dir.read_config()?;
            toml.commit = old.commit;
            toml.first_step = old.first_step.min(step);
            toml.origin = old.origin;
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
            in_flight: VecDeque::new(),
            collected: Instant::now(),
            config,
            pause_after,
            write,
            _lock: lock,
        };
        // The first checkpoint shows at once whether the disk can hold one, and `run.toml`, which makes the folder a
        // run, comes after it: a run always has something to go on from.
        run.save(&mut ())?;
        run.dir.write_config(&toml)?;
        run.record(event, &message)?;
        Ok(run)
    }

    fn outset(&self) -> Outset {
        Outset {
            step: self.step,
            steps: self.config.train.steps,
            vocab: self.meta.vocab,
            parameters: self.trainer.specs().iter().map(TensorSpec::len).sum(),
            train_tokens: self.dataset.train.len(),
            validation_tokens: self.dataset.validation.len(),
            step_tokens: self.config.train.batch * self.config.model.context,
            threads: self.config.train.threads(),
        }
    }
}

/// What codes are compared with where no checkpoint says.
fn first_look(trainer: &mut Trainer) -> Result<CodesWatch> {
    let look = trainer.look()?;
    Ok(CodesWatch::new(trainer.specs(), &look))
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
