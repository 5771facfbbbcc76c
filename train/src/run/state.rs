//! What a checkpoint of a run holds, beyond what the files promise: the learner's tensors, the memory of the codes, and the facts
//! that must agree before anybody continues from it.

use formats::checkpoint::{self, Checkpoint};
use formats::run_log::RunDir;
use serde::{Deserialize, Serialize};

use super::observer::Best;
use crate::backend::Moments;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::metrics::CodesWatch;
use crate::trainer::{Named, Trainer};

/// Checkpoints kept besides the best one.
const KEEP_NEWEST: usize = 2;
const CODES: &str = "codes_watch.codes";
const SCALES: &str = "codes_watch.scales";
/// Before a parameter's name: its latent values, and the two optimiser memories.
const LATENT: &str = "latent.";
const FIRST: &str = "first.";
const SECOND: &str = "second.";

/// The facts beside a checkpoint's tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The run's configuration.
    pub config: Config,
    /// Ids in the vocabulary.
    pub vocab: usize,
    /// Hash of the text.
    pub data_hash: String,
    /// Tokens trained on so far. The data's order follows from seed and step, so this is for people.
    pub tokens: u64,
    /// Seconds spent in training steps so far.
    pub seconds: f64,
    /// The best validation so far.
    pub best: Option<Best>,
    /// The newest validation, in bits per byte.
    pub validation: Option<f64>,
    /// Commit of the program.
    pub commit: String,
}

impl Meta {
    /// Reads the facts of a checkpoint.
    ///
    /// # Errors
    /// The checkpoint is not one of a run, or of a version that knows other keys.
    pub fn of(checkpoint: &Checkpoint) -> Result<Meta> {
        Meta::deserialize(&checkpoint.meta)
            .map_err(|e| Error::CheckpointMeta { step: checkpoint.step, problem: e.to_string() })
    }

    /// Removes the run's checkpoints but the newest two and the best, and what a kill left of others.
    ///
    /// # Errors
    /// The folder cannot be read or something in it not be removed.
    pub(super) fn prune(&self, dir: &RunDir) -> Result<()> {
        checkpoint::prune(&dir.checkpoints(), KEEP_NEWEST, self.best.map(|best| best.step))?;
        Ok(())
    }
}

/// Everything of this moment.
///
/// # Errors
/// A value that is not finite: such a state must not replace a good one.
pub fn save(step: u64, meta: &Meta, trainer: &Trainer, watch: &CodesWatch) -> Result<Checkpoint> {
    let mut tensors = Vec::new();
    for (param, moments) in trainer.params().into_iter().zip(trainer.moments()) {
        let Named { name, shape, data } = param;
        for (prefix, values) in [(FIRST, moments.first), (SECOND, moments.second)] {
            if !values.is_empty() {
                tensors.push((format!("{prefix}{name}"), vec![values.len()], values));
            }
        }
        tensors.push((format!("{LATENT}{name}"), shape, data));
    }
    for (name, _, values) in &tensors {
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { tensor: name.clone(), index: at, value: values[at] });
        }
    }
    let (codes, scales) = watch.to_floats();
    tensors.push((CODES.into(), vec![codes.len()], codes));
    tensors.push((SCALES.into(), vec![scales.len()], scales));
    let meta = serde_json::to_value(meta).expect("the facts are plain data");
    Ok(Checkpoint { step, tensors, meta })
}

/// Puts a trainer back to the moment of a checkpoint.
///
/// # Errors
/// A tensor that is missing or has another shape, by name.
pub fn restore(checkpoint: Checkpoint, trainer: &mut Trainer) -> Result<CodesWatch> {
    let mut state = Tensors(checkpoint);
    state.give_weights(trainer)?;
    let specs = trainer.specs().to_vec();
    let fresh = trainer.moments();
    for (index, (spec, fresh)) in specs.iter().zip(fresh).enumerate() {
        let mut moment = |prefix: &str, like: &[f32]| match like.len() {
            0 => Ok(Vec::new()),
            n => state.take(&format!("{prefix}{}", spec.name), &[n]),
        };
        let moments = Moments { first: moment(FIRST, &fresh.first)?, second: moment(SECOND, &fresh.second)? };
        trainer.set_moments(index, &moments);
    }
    let (codes, scales) = (state.take_any(CODES), state.take_any(SCALES));
    codes
        .zip(scales)
        .and_then(|(codes, scales)| CodesWatch::from_floats(&trainer.params(), &codes, &scales))
        .ok_or_else(|| state.bad(format!("{CODES} or {SCALES} does not fit")))
}

/// Gives a fresh trainer the weights of a checkpoint, and nothing of its optimiser's memory.
///
/// # Errors
/// As [`restore`].
pub fn restore_weights(checkpoint: Checkpoint, trainer: &mut Trainer) -> Result<()> {
    Tensors(checkpoint).give_weights(trainer)
}

/// The latent parameters of a checkpoint, in its order: all that an export needs.
pub fn params(checkpoint: Checkpoint) -> Vec<Named> {
    let latent = |(name, shape, data): (String, _, _)| {
        name.strip_prefix(LATENT).map(|name| Named { name: name.to_string(), shape, data })
    };
    checkpoint.tensors.into_iter().filter_map(latent).collect()
}

/// A checkpoint's tensors on their way into a trainer.
struct Tensors(Checkpoint);

impl Tensors {
    fn give_weights(&mut self, trainer: &mut Trainer) -> Result<()> {
        for (index, spec) in trainer.specs().to_vec().iter().enumerate() {
            let values = self.take(&format!("{LATENT}{}", spec.name), &spec.shape)?;
            trainer.set_param(index, &values);
        }
        Ok(())
    }

    fn take_any(&mut self, name: &str) -> Option<Vec<f32>> {
        let tensor = self.0.tensors.iter_mut().find(|t| t.0 == name)?;
        Some(std::mem::take(&mut tensor.2))
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        match self.0.tensors.iter_mut().find(|t| t.0 == name) {
            None => Err(self.bad(format!("tensor {name} is missing"))),
            Some((_, found, _)) if found != shape => {
                let found = format!("{found:?}");
                Err(self.bad(format!("tensor {name} is {found}, expected {shape:?}")))
            }
            Some((_, _, values)) => Ok(std::mem::take(values)),
        }
    }

    fn bad(&self, problem: String) -> Error {
        Error::CheckpointMeta { step: self.0.step, problem }
    }
}
