//! A model file opened for use: the model, its tokenizer and the sampling defaults it carries.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu::Kernels;
use formats::gguf::Gguf;
use formats::tokenizer::{SEPARATOR, Tokenizer};
use runtime::sampler::Sampling;
use runtime::{Model, in_file};

use crate::error::{Error, Result};

/// What a model calls itself.
const NAME: &str = "general.name";
/// The template of a chat, as Jinja, in files that have one.
const CHAT_TEMPLATE: &str = "tokenizer.chat_template";

/// A model ready to run.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Where it came from.
    pub path: PathBuf,
    /// What it calls itself, if it does.
    pub name: Option<String>,
    /// The model.
    pub model: Arc<Model>,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// The sampling it asks for, or ours.
    pub sampling: Sampling,
    /// How it wants a conversation written down, as a Jinja template; `None` for a model that only continues text.
    pub chat_template: Option<String>,
    /// What stood between the documents that it was trained on, where its end-of-text token stands now; empty if they were one text.
    pub separator: String,
    /// Time from opening the file to a model that was checked; [`Model::lay_out_time`] is not in it.
    pub load_time: Duration,
}

impl Opened {
    /// Reads and checks a model file, for the kernels that `TERCET_KERNELS` names or the best of this machine.
    ///
    /// # Errors
    /// As [`from_gguf`](Self::from_gguf); a file that cannot be read; a variable that names no kernels.
    pub fn open(path: &Path) -> Result<Self> {
        let start = Instant::now();
        let kernels = Kernels::chosen().map_err(runtime::Error::Kernels)?;
        let opened = Self::from_gguf(Gguf::open(path)?, path, kernels)?;
        Ok(Opened { load_time: start.elapsed(), ..opened })
    }

    /// Takes over a model file that was read from `path`, and checks it. Its matrices are looked at by the device that will run it: by
    /// [`Model::lay_out`], for `kernels`, or by `GpuModel::new`.
    ///
    /// # Errors
    /// Anything wrong with the file outside its matrices, naming it.
    pub fn from_gguf(gguf: Gguf, path: &Path, kernels: &'static Kernels) -> Result<Self> {
        let (start, header) = (Instant::now(), Arc::clone(gguf.header()));
        let meta = header.metadata();
        let model = Model::open(gguf, kernels).map_err(|e| in_file(e, path))?;
        let tokenizer = Tokenizer::from_gguf(meta)?;
        let (ids, vocab) = (tokenizer.vocab_size(), model.config().vocab);
        // A model may have more rows than its tokenizer has ids, for the sake of a round number.
        if ids > vocab {
            return Err(Error::Vocabulary { ids, vocab, path: path.to_owned() });
        }
        let sampling = Sampling::from_gguf(meta).map_err(|e| in_file(e, path))?;
        Ok(Opened {
            path: path.to_owned(),
            name: meta.str(NAME)?.map(str::to_owned),
            model: Arc::new(model),
            tokenizer: Arc::new(tokenizer),
            sampling,
            chat_template: meta.str(CHAT_TEMPLATE)?.map(str::to_owned),
            separator: meta.str(SEPARATOR)?.unwrap_or_default().to_owned(),
            load_time: start.elapsed(),
        })
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
        self.tokenizer.ends()
    }
}
