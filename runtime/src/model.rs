//! A model: its configuration, its weights and the processor's kernels that may read them. What it computes never changes; workers
//! borrow it and keep what does.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use formats::gguf::Gguf;

use crate::error::{Error, Result};
use crate::weights::Weights;
use cpu::Kernels;
use model::config::ModelConfig;
use model::forward::{Forward, Slots};
use model::rope::Frequencies;

/// A model, ready for any device. On the processor it runs in a layout of its own, which is made when a worker there first wants it.
#[derive(Debug)]
pub struct Model {
    forward: Forward,
    rope: Frequencies,
    slots: Slots,
    weights: Weights,
    kernels: &'static Kernels,
    check_time: Duration,
    lay_out_time: OnceLock<Duration>,
}

impl Model {
    /// Reads a model from a file, laid out for the best kernels of this machine.
    ///
    /// # Errors
    /// Anything wrong with the file, with its name.
    pub fn load(path: &Path) -> Result<Self> {
        let start = Instant::now();
        let mut model = Self::open(Gguf::open(path)?, Kernels::chosen().map_err(Error::Kernels)?)?;
        model.check_time = start.elapsed();
        model.lay_out()?;
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
        let forward = Forward::from_gguf(gguf)?;
        let weights = Weights::laid_out(gguf, &forward, kernels)?;
        Self::new(forward, weights, kernels, start)
    }

    /// A model that takes a file's bytes over, to be laid out for `kernels` should it ever run on the processor: until then the bytes
    /// are all there is of its matrices, and after that they are let go of.
    ///
    /// # Errors
    /// Anything missing or of a wrong shape or type, by the name of its key or tensor and of the file. Faults of single weights are found by
    /// [`lay_out`](Self::lay_out), or by `GpuModel::new`.
    pub fn open(gguf: Gguf, kernels: &'static Kernels) -> Result<Self> {
        let (start, path) = (Instant::now(), PathBuf::from(gguf.name()));
        let open = || {
            let forward = Forward::from_gguf(&gguf)?;
            let weights = Weights::in_file(gguf, &forward, kernels)?;
            Self::new(forward, weights, kernels, start)
        };
        open().map_err(|e| in_file(e, &path))
    }

    fn new(forward: Forward, weights: Weights, kernels: &'static Kernels, start: Instant) -> Result<Self> {
        let divisors = forward.rope_divisors.map(|id| weights.plain(id));
        let rope = Frequencies::new(&forward.config, divisors)?;
        let slots = Slots::new(&forward);
        let lay_out_time = OnceLock::new();
        Ok(Model { slots, forward, rope, weights, kernels, check_time: start.elapsed(), lay_out_time })
    }

    /// Lays its matrices out for the processor, unless they are. Workers there do it themselves; who wants to know of a broken file
    /// before that calls this.
    ///
    /// # Errors
    /// A weight that is not finite or not ternary, by the name of its tensor and of the file.
    pub fn lay_out(&self) -> Result<()> {
        if !self.is_laid_out() {
            let start = Instant::now();
            self.weights.lay_out(&self.forward, self.kernels)?;
            self.lay_out_time.get_or_init(|| start.elapsed());
        }
        Ok(())
    }

    /// Whether it is laid out for the processor.
    pub fn is_laid_out(&self) -> bool {
        self.weights.is_laid_out()
    }

    /// Its shape.
    pub fn config(&self) -> &ModelConfig {
        &self.forward.config
    }

    /// What is computed with it, in order.
    pub fn forward(&self) -> &Forward {
        &self.forward
    }

    /// How fast its queries and keys turn with position.
    pub fn rope(&self) -> &Frequencies {
        &self.rope
    }

    /// Which buffers of the forward pass share room.
    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// What it has learnt.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The kernels that its weights are laid out for, or would be.
    pub fn kernels(&self) -> &'static Kernels {
        self.kernels
    }

    /// The farthest that a row or column of any hyper-connection's mixing matrix is from summing to 1; `None` with one stream.
    pub fn mixing_error(&self) -> Option<f32> {
        self.weights.mixing_error(&self.forward, self.kernels)
    }

    /// How long reading, checking and, if it was done, laying out took.
    pub fn load_time(&self) -> Duration {
        self.check_time + self.lay_out_time()
    }

    /// How long it took to lay out a model that was opened without; zero until then.
    pub fn lay_out_time(&self) -> Duration {
        self.lay_out_time.get().copied().unwrap_or_default()
    }
}

/// Adds the file's name to errors that do not have it yet.
pub fn in_file(error: Error, path: &Path) -> Error {
    match error {
        Error::Format(_) | Error::InFile { .. } | Error::Kernels(_) => error,
        other => Error::InFile { source: Box::new(other), path: path.to_owned() },
    }
}
