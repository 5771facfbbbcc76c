//! A model file opened for use: the model, its tokenizer and the sampling defaults it carries. What
//! is done with them is the sub-commands' business.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use formats::gguf::Gguf;
use formats::tokenizer::Tokenizer;
use runtime::Model;
use runtime::engine::{Engine, EngineOptions};
use runtime::sampler::Sampling;

use crate::device::DeviceArg;
use crate::exit::usage;
use crate::terminal::note;

/// A model ready to run.
pub struct Opened {
    /// Where it came from.
    pub path: PathBuf,
    /// The model.
    pub model: Arc<Model>,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// The sampling it asks for, or ours.
    pub sampling: Sampling,
    /// Time from opening the file to a model that can run.
    pub load_time: Duration,
}

impl Opened {
    /// Reads and checks a model file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let start = Instant::now();
        let gguf = Gguf::open(path)?;
        let model = Model::from_gguf(&gguf).map_err(|e| runtime::in_file(e, path))?;
        let tokenizer = Tokenizer::from_gguf(gguf.metadata())?;
        let (ids, vocab) = (tokenizer.vocab_size(), model.config().vocab);
        // A model may have more rows than its tokenizer has ids, for the sake of a round number.
        ensure!(
            ids <= vocab,
            "the tokenizer has {ids} ids and the model {vocab}; expected at most as many, in {}",
            path.display()
        );
        let sampling = Sampling::from_gguf(gguf.metadata()).map_err(|e| runtime::in_file(e, path))?;
        let opened = Opened {
            path: path.to_owned(),
            model: Arc::new(model),
            tokenizer,
            sampling,
            load_time: start.elapsed(),
        };
        Ok(opened)
    }

    /// Starts an engine on it, and says so where the device asked for cannot be had.
    pub fn engine(
        &self,
        device: &DeviceArg,
        context: Option<usize>,
        threads: Option<usize>,
    ) -> anyhow::Result<Engine> {
        let trained = self.model.config().context;
        if let Some(asked) = context.filter(|c| !(1..=trained).contains(c)) {
            return Err(usage(format!("--context is {asked}; this model takes 1 to {trained}")));
        }
        let gpu = device.model(&self.model)?;
        let engine = Engine::start_on(Arc::clone(&self.model), gpu, EngineOptions { context, threads })?;
        if let Some(fault) = engine.fault() {
            note(format_args!("{fault}; the CPU goes on"));
        }
        Ok(engine)
    }

    /// The ids of a prompt. An empty one becomes what starts a text: the model's own token for that, or a line break.
    pub fn prompt_ids(&self, text: &str) -> Vec<u32> {
        let mut ids = self.tokenizer.encode(text);
        if let Some(bos) = self.tokenizer.bos().filter(|_| self.tokenizer.add_bos() || ids.is_empty()) {
            ids.insert(0, bos);
        }
        if ids.is_empty() { self.tokenizer.encode("\n") } else { ids }
    }

    /// The ids that end a text.
    pub fn stop_ids(&self) -> Vec<u32> {
        (0..self.tokenizer.vocab_size() as u32).filter(|&id| self.tokenizer.is_end(id)).collect()
    }

    /// One line: device, or kernels and threads; load time.
    pub fn how_it_runs(&self, engine: &Engine) -> String {
        let ms = self.load_time.as_secs_f64() * 1e3;
        let loaded = format!("loaded {} in {ms:.1} ms", self.path.display());
        match engine.gpu() {
            Some(model) => {
                format!("device: {}; shaders: {}; {loaded}", model.gpu().info(), model.gpu().variant())
            }
            None => format!("{}; threads: {}; {loaded}", self.model.kernels().log_line(), engine.threads()),
        }
    }
}
