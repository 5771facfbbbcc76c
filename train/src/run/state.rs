//! What a checkpoint of a run holds, beyond what the files promise: the learner's tensors, the memory of the codes, and the facts
//! that must agree before anybody continues from it.

use std::path::{Path, PathBuf};

use formats::checkpoint::{self, Checkpoint, Outline};
use formats::run_log::RunDir;
use serde::{Deserialize, Serialize};

use super::device;
use super::observer::Best;
use crate::backend::Part;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::metrics::CodesWatch;
use crate::packed::{self, Packer};
use crate::trainer::{Named, Trainer};
use model::tensors::{TensorId, TensorKind, TensorSpec};

/// Checkpoints kept besides the best one.
const KEEP_NEWEST: usize = 2;
const CODES: &str = "codes_watch.codes";
const SCALES: &str = "codes_watch.scales";
/// Before the name of a parameter's latent values.
const LATENT: &str = "latent.";
/// What stands before a parameter's name for each of its parts, in the order of the file.
const PARTS: [(&str, Part); 3] = [("first.", Part::First), ("second.", Part::Second), (LATENT, Part::Latent)];

/// The facts beside a checkpoint's tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The run's configuration.
    pub config: Config,
    /// Where it was trained last.
    #[serde(default = "device::of_old")]
    pub device: String,
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

/// Saves everything of this moment in `dir`, an array at a time; gives the checkpoint's folder.
///
/// # Errors
/// A value that is not finite: such a state must not replace a good one. A disk or a device that fails.
pub fn save(
    dir: &Path,
    step: u64,
    meta: &Meta,
    trainer: &mut Trainer,
    watch: &CodesWatch,
) -> Result<PathBuf> {
    let mut arrays = Vec::new();
    let mut tensors = Vec::new();
    for p in trainer.ids() {
        let spec = &trainer.specs()[p.0];
        for (prefix, part) in PARTS {
            let shape = match (part, trainer.part_len(p, part)) {
                (_, 0) => continue,
                (Part::Latent, _) => spec.shape.clone(),
                (_, n) => vec![n],
            };
            tensors.push((format!("{prefix}{}", spec.name), shape));
            arrays.push((p, part));
        }
    }
    let mut packer = Packer::default();
    let mut codes = Vec::new();
    for p in ternary(trainer.specs()) {
        trainer.remembered(p, &mut codes)?;
        packer.push(&codes);
    }
    let memory = [packer.finish(), watch.to_floats()];
    tensors.push((CODES.into(), vec![memory[0].len()]));
    tensors.push((SCALES.into(), vec![memory[1].len()]));
    let names: Vec<String> = tensors.iter().map(|(name, _)| name.clone()).collect();
    let meta = serde_json::to_value(meta).expect("the facts are plain data");
    checkpoint::save_from(dir, &Outline { step, tensors, meta }, |index, values| {
        let Some(&(p, part)) = arrays.get(index) else {
            values.extend_from_slice(&memory[index - arrays.len()]);
            return Ok(());
        };
        trainer.read(p, part, values)?;
        match values.iter().position(|v| !v.is_finite()) {
            Some(at) => Err(Error::NotFinite { tensor: names[index].clone(), index: at, value: values[at] }),
            None => Ok(()),
        }
    })
}

/// Puts a trainer back to the moment of a checkpoint.
///
/// # Errors
/// A tensor that is missing or has another shape, by name; a device that fails.
pub fn restore(checkpoint: Checkpoint, trainer: &mut Trainer) -> Result<CodesWatch> {
    let mut state = Tensors(checkpoint);
    state.give_weights(trainer)?;
    for p in trainer.ids() {
        for (prefix, part) in PARTS {
            let len = trainer.part_len(p, part);
            if part != Part::Latent && len > 0 {
                let values = state.take(&format!("{prefix}{}", trainer.specs()[p.0].name), &[len])?;
                trainer.write(p, part, &values)?;
            }
        }
    }
    let (codes, scales) = (state.take_any(CODES), state.take_any(SCALES));
    let watch = scales.and_then(|scales| CodesWatch::from_floats(trainer.specs(), &scales));
    let matrices = ternary(trainer.specs());
    let total = matrices.iter().map(|p| trainer.specs()[p.0].len()).sum();
    let (Some(codes), Some(watch)) = (codes.filter(|c| c.len() == packed::floats_for(total)), watch) else {
        return Err(state.bad(format!("{CODES} or {SCALES} does not fit")));
    };
    let mut codes = packed::unpack(&codes);
    for p in matrices {
        let n = trainer.specs()[p.0].len();
        let mine: Vec<i8> = codes.by_ref().take(n).collect();
        trainer.remember(p, &mine)?;
    }
    Ok(watch)
}

/// The ternary matrices, in parameter order.
fn ternary(specs: &[TensorSpec]) -> Vec<TensorId> {
    let all = specs.iter().enumerate().filter(|(_, s)| matches!(s.kind, TensorKind::Ternary { .. }));
    all.map(|(i, _)| TensorId(i)).collect()
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
        for p in trainer.ids() {
            let spec = &trainer.specs()[p.0];
            let values = self.take(&format!("{LATENT}{}", spec.name), &spec.shape)?;
            trainer.write(p, Part::Latent, &values)?;
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
