//! What runs a sequence of tokens, wherever it runs: the calls that generation and evaluation need of a session.

use crate::error::Result;
use crate::sampler::Sampling;
use crate::session::Session;
use model::config::ModelConfig;

/// Tokens that the processor reads at a time: enough of them to be fast.
const PREFILL_STEP: usize = 256;

/// What is to be done about the next token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choose {
    /// The caller wants the logits.
    No,
    /// The likeliest id will do.
    Likeliest,
    /// An id drawn by these settings, without a repetition penalty, with this uniform number in `[0, 1)`, will do.
    Draw(Sampling, f64),
}

/// What follows some tokens.
#[derive(Clone, Copy, Debug)]
pub enum Next<'s> {
    /// Logits, (vocab).
    Logits(&'s [f32]),
    /// The id asked for, chosen where its logits were computed.
    Id(u32),
}

/// A sequence of tokens and what a model remembers of them.
pub trait Sequence {
    /// The model's shape.
    fn config(&self) -> &ModelConfig;
    /// Most tokens it holds.
    fn context(&self) -> usize;
    /// The tokens it holds.
    fn tokens(&self) -> &[u32];
    /// How many tokens are best read at a time where somebody may lose interest in between.
    fn prefill_step(&self) -> usize;
    /// Forgets all but the first `len` tokens.
    fn truncate(&mut self, len: usize);
    /// Forgets everything.
    fn reset(&mut self) {
        self.truncate(0);
    }

    /// Reads `tokens` without asking what follows.
    ///
    /// # Errors
    /// An id outside the vocabulary or more than the context holds, the sequence being then as before; or a device that fails.
    fn advance(&mut self, tokens: &[u32]) -> Result<()>;

    /// Reads `tokens` and says what follows the last of them: the logits, or an id if one will do and the logits
    /// need not be moved for it.
    ///
    /// # Errors
    /// As [`advance`](Self::advance); and no tokens.
    fn next(&mut self, tokens: &[u32], choose: Choose) -> Result<Next<'_>>;

    /// Reads `tokens` and returns the logits that follow each of them, (tokens, vocab).
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    fn forward_all(&mut self, tokens: &[u32]) -> Result<&[f32]>;
}

impl Sequence for Session<'_> {
    fn config(&self) -> &ModelConfig {
        self.model().config()
    }

    fn context(&self) -> usize {
        self.context()
    }

    fn tokens(&self) -> &[u32] {
        self.tokens()
    }

    fn prefill_step(&self) -> usize {
        PREFILL_STEP
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }

    fn advance(&mut self, tokens: &[u32]) -> Result<()> {
        self.advance(tokens)
    }

    fn next(&mut self, tokens: &[u32], _: Choose) -> Result<Next<'_>> {
        Ok(Next::Logits(self.forward(tokens)?))
    }

    fn forward_all(&mut self, tokens: &[u32]) -> Result<&[f32]> {
        self.forward_all(tokens)
    }
}
