//! What is asked of a model and what it answers: a prompt and how to continue it, what happens meanwhile, and how it ends.

use std::time::Duration;

use crate::error::Error;
use crate::sampler::{Sampling, log_sum_exp};

/// What to do when the context is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// End with [`Finish::Context`].
    Stop,
    /// Read the last half again and go on.
    #[default]
    Slide,
}

/// A prompt and how to continue it.
#[derive(Clone, Debug, Default)]
pub struct GenerateRequest {
    /// The text so far, at least one token and at most a context.
    pub prompt: Vec<u32>,
    /// Most tokens to write.
    pub max_tokens: usize,
    /// How to choose them.
    pub sampling: Sampling,
    /// Added to the logits of these ids before anything else; nothing is added to the others.
    pub bias: Vec<(u32, f32)>,
    /// Ids that end the text; the one that did is reported in [`Finish::Stop`] and not as a token.
    pub stop: Vec<u32>,
    /// What to do when the context is full.
    pub when_full: WhenFull,
    /// Report log-probabilities under the model (temperature 1, nothing truncated): each token's own, and those of so many
    /// of the likeliest in its place. `None` reports none.
    pub log_probs: Option<usize>,
    /// Report the log-probabilities of the prompt's own tokens too, which is then read from its first token on; with
    /// `max_tokens` 0 a text is only scored. Without `log_probs` it does nothing.
    pub score_prompt: bool,
}

impl GenerateRequest {
    /// Whether the prompt's own tokens get log-probabilities.
    pub(crate) fn scores(&self) -> bool {
        self.score_prompt && self.log_probs.is_some()
    }
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// As many tokens as were asked for.
    Length,
    /// The model chose this id, one of the request's stops.
    Stop(u32),
    /// The context is full, and the request says to stop then.
    Context,
    /// Nobody wants the rest.
    Cancelled,
}

/// What a generation did and how long it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of those, tokens that the session held already.
    pub reused_tokens: usize,
    /// Tokens written.
    pub generated_tokens: usize,
    /// Time of reading the rest of the prompt.
    pub prefill_time: Duration,
    /// Forward passes of one token.
    pub decode_steps: usize,
    /// Their time, sampling included.
    pub decode_time: Duration,
    /// How often the context slid.
    pub slides: usize,
}

impl Stats {
    /// Prompt tokens read per second, if any were.
    pub fn prefill_tokens_per_sec(&self) -> Option<f64> {
        rate(self.prompt_tokens - self.reused_tokens, self.prefill_time)
    }

    /// Tokens written per second, the first one aside: it falls out of the prompt.
    pub fn decode_tokens_per_sec(&self) -> Option<f64> {
        rate(self.decode_steps, self.decode_time)
    }
}

fn rate(count: usize, time: Duration) -> Option<f64> {
    (count > 0 && !time.is_zero()).then(|| count as f64 / time.as_secs_f64())
}

/// What the model thought of a token it wrote and of others in its place: natural logarithms of probabilities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogProbs {
    /// Of the token itself.
    pub chosen: f64,
    /// The likeliest ids, the most likely first, the lower id among equals.
    pub likeliest: Vec<(u32, f64)>,
}

impl LogProbs {
    /// Of token `id` and of the `count` likeliest, from logits, (vocab).
    pub fn new(logits: &[f32], id: u32, count: usize) -> Self {
        let norm = log_sum_exp(logits);
        let log_prob = |id: u32| f64::from(logits[id as usize]) - norm;
        let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
        let likelier =
            |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then_with(|| a.cmp(b));
        let count = count.min(ids.len());
        if count > 0 && count < ids.len() {
            ids.select_nth_unstable_by(count - 1, likelier);
        }
        ids.truncate(count);
        ids.sort_unstable_by(likelier);
        LogProbs { chosen: log_prob(id), likeliest: ids.into_iter().map(|id| (id, log_prob(id))).collect() }
    }
}

/// What happens while a request is served. The last one is `Done` or `Error`.
#[derive(Debug)]
pub enum Event {
    /// So many tokens of the prompt have been read; or, when the context slides, of what is read again.
    Prefill {
        /// Read so far.
        done: usize,
        /// In all.
        total: usize,
    },
    /// What the model thought of a token of the prompt, if the request asks; in order, before the first that is written.
    Scored {
        /// Its id.
        id: u32,
        /// What it thought, where anything stands before.
        log_probs: Option<LogProbs>,
    },
    /// A token was chosen.
    Token {
        /// Its id.
        id: u32,
        /// What the model thought of it, if the request asks.
        log_probs: Option<LogProbs>,
    },
    /// The end, as asked.
    Done {
        /// Why.
        finish: Finish,
        /// What was done.
        stats: Stats,
    },
    /// The end, by a fault.
    Error(Error),
}
