//! A loaded model: its configuration, its weights and the kernels that will read them. It never changes;
//! sessions borrow it and keep what does.

use std::path::Path;
use std::time::{Duration, Instant};

use formats::gguf::Gguf;

use crate::cpu_worker::default_threads;
use crate::error::{Error, Result};
use crate::weights::Weights;
use cpu::{Kernels, Pool};
use model::config::ModelConfig;
use model::forward::{Forward, Slots};

/// A model, ready to run.
#[derive(Debug)]
pub struct Model {
    forward: Forward,
    slots: Slots,
    weights: Weights,
    kernels: &'static Kernels,
    load_time: Duration,
}

impl Model {
    /// Reads a model from a file, for the best kernels of this machine.
    ///
    /// # Errors
    /// Anything wrong with the file, with its name.
    pub fn load(path: &Path) -> Result<Self> {
        let start = Instant::now();
        let gguf = Gguf::open(path)?;
        let mut model = Self::from_gguf(&gguf).map_err(|e| in_file(e, path))?;
        model.load_time = start.elapsed();
        Ok(model)
    }

    /// A model from a file in memory, for the kernels that `TERCET_KERNELS` names or the best of this machine.
    ///
    /// # Errors
    /// Anything missing or wrong, by the name of its key or tensor.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        Self::with_kernels(gguf, Kernels::chosen().map_err(Error::Kernels)?)
    }

    /// A model from a file in memory, laid out for `kernels`.
    ///
    /// # Errors
    /// Anything missing or wrong, by the name of its key or tensor.
    pub fn with_kernels(gguf: &Gguf, kernels: &'static Kernels) -> Result<Self> {
        let start = Instant::now();
        let config = ModelConfig::from_gguf(gguf)?;
        let forward = Forward::new(&config);
        let weights = Weights::from_gguf(gguf, &forward, kernels, &Pool::up_to(default_threads()))?;
        Ok(Model { slots: Slots::new(&forward), forward, weights, kernels, load_time: start.elapsed() })
    }

    /// Its shape.
    pub fn config(&self) -> &ModelConfig {
        &self.forward.config
    }

    /// What is computed with it, in order.
    pub fn forward(&self) -> &Forward {
        &self.forward
    }

    /// Which buffers of the forward pass share room.
    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// What it has learnt.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The kernels that its weights are laid out for.
    pub fn kernels(&self) -> &'static Kernels {
        self.kernels
    }

    /// The farthest that a row or column of any hyper-connection's mixing matrix is from summing to 1; `None` with one stream.
    pub fn mixing_error(&self) -> Option<f32> {
        self.weights.mixing_error(&self.forward, self.kernels)
    }

    /// How long reading, checking and laying out took.
    pub fn load_time(&self) -> Duration {
        self.load_time
    }
}

/// Adds the file's name to errors that do not have it yet.
pub fn in_file(error: Error, path: &Path) -> Error {
    match error {
        Error::Format(_) | Error::InFile { .. } | Error::Kernels(_) => error,
        other => Error::InFile { source: Box::new(other), path: path.to_owned() },
    }
}
