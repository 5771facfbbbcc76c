//! One text of a worker, for whoever reads and writes only one: evaluation, measuring, tests. It knows its tokens itself, so that it
//! reads them again where what kept them was lost.

use std::ops::ControlFlow;

use model::config::ModelConfig;

use crate::cpu_worker::{CpuWorker, default_threads};
use crate::error::{Error, Result};
use crate::generate::generate;
use crate::model::Model;
use crate::pass::{Answer, Span, TextId, Want, Worker};
use crate::request::{Event, Finish, GenerateRequest, Stats};

/// A text, alone on a worker.
#[derive(Debug)]
pub struct Sequence<W> {
    worker: W,
    text: TextId,
    context: usize,
    tokens: Vec<u32>,
}

/// A text on the processor.
pub type Session<'m> = Sequence<CpuWorker<'m>>;

impl<'m> Session<'m> {
    /// An empty text of up to `context` tokens, on at most as many threads as [`default_threads`] says.
    ///
    /// # Errors
    /// A context of 0 or beyond the model's, or no threads to be had.
    pub fn new(model: &'m Model, context: usize) -> Result<Self> {
        Self::up_to_threads(model, context, default_threads())
    }

    /// An empty text on a worker as [`CpuWorker::up_to_threads`] makes it.
    ///
    /// # Errors
    /// A context of 0 or beyond the model's, or no threads to be had.
    pub fn up_to_threads(model: &'m Model, context: usize, threads: usize) -> Result<Self> {
        Self::on(CpuWorker::up_to_threads(model, threads)?, context)
    }

    /// An empty text on a worker as [`CpuWorker::with_threads`] makes it.
    ///
    /// # Errors
    /// A context of 0 or beyond the model's, or no threads to be had.
    pub fn with_threads(model: &'m Model, context: usize, threads: usize) -> Result<Self> {
        Self::on(CpuWorker::with_threads(model, threads)?, context)
    }

    /// The model.
    pub fn model(&self) -> &'m Model {
        self.worker.model()
    }

    /// Most threads that serve it.
    pub fn threads(&self) -> usize {
        self.worker.threads()
    }

    /// Bytes of its keys and values.
    pub fn kv_bytes(&self) -> usize {
        self.worker.kv_bytes(self.text)
    }
}

impl<W: Worker> Sequence<W> {
    /// An empty text of up to `context` tokens.
    ///
    /// # Errors
    /// As [`Worker::open`].
    pub fn on(mut worker: W, context: usize) -> Result<Self> {
        let text = worker.open(context)?;
        Ok(Sequence { worker, text, context, tokens: Vec::new() })
    }

    /// What runs it.
    pub fn worker(&self) -> &W {
        &self.worker
    }

    /// What runs it, to be set up.
    pub fn worker_mut(&mut self) -> &mut W {
        &mut self.worker
    }

    /// The text.
    pub fn text(&self) -> TextId {
        self.text
    }

    /// How many tokens are best read at a time where somebody may lose interest in between.
    pub fn step_tokens(&self) -> usize {
        self.worker.step_tokens()
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        self.worker.config()
    }

    /// Most tokens it holds.
    pub fn context(&self) -> usize {
        self.context
    }

    /// The tokens it holds.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.truncate(0);
    }

    /// Forgets all but the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        self.tokens.truncate(len);
        self.worker.truncate(self.text, len);
    }

    /// Reads `tokens` and returns the logits that follow the last of them, (vocab).
    ///
    /// # Errors
    /// No tokens, an id outside the vocabulary, or more than the context holds, the text being then as before; or a device that fails.
    pub fn forward(&mut self, tokens: &[u32]) -> Result<&[f32]> {
        self.read(tokens, Want::Last).map(logits)
    }

    /// Reads `tokens` and returns the logits that follow each of them, (tokens, vocab).
    ///
    /// # Errors
    /// As [`forward`](Self::forward), but no tokens give no logits.
    pub fn forward_all(&mut self, tokens: &[u32]) -> Result<&[f32]> {
        self.read(tokens, Want::All).map(logits)
    }

    /// Reads `tokens` without asking what follows.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), but no tokens are fine.
    pub fn advance(&mut self, tokens: &[u32]) -> Result<()> {
        self.read(tokens, Want::Nothing).map(drop)
    }

    /// Reads `tokens` and says what is wanted of them.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn read(&mut self, tokens: &[u32], want: Want) -> Result<Answer<'_>> {
        let text = self.text;
        self.worker.pass(&[Span { text, tokens, want }], &|| false)?;
        if self.worker.answer(0) == Answer::Unread {
            // What kept the text was lost, which happens once.
            self.worker.pass(&[Span { text, tokens: &self.tokens, want: Want::Nothing }], &|| false)?;
            self.worker.pass(&[Span { text, tokens, want }], &|| false)?;
        }
        if self.worker.answer(0) == Answer::NotFinite {
            self.worker.truncate(self.text, self.tokens.len());
            return Err(Error::Logits);
        }
        self.tokens.extend_from_slice(tokens);
        Ok(self.worker.answer(0))
    }

    /// Serves a request, telling `tell` of each prefill step and token; it breaks to cancel.
    ///
    /// # Errors
    /// As [`generate`].
    pub fn generate(
        &mut self,
        request: &GenerateRequest,
        tell: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<(Finish, Stats)> {
        let result = generate(&mut self.worker, self.text, request, tell);
        self.tokens.clear();
        self.tokens.extend_from_slice(self.worker.tokens(self.text));
        result
    }
}

fn logits(answer: Answer<'_>) -> &[f32] {
    match answer {
        Answer::Logits(logits) => logits,
        _ => &[],
    }
}
