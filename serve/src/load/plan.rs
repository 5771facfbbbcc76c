//! What clients ask, and when.

use std::num::NonZeroUsize;
use std::time::Duration;

/// When requests come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// So many clients, each of which asks again when it has its answer.
    Streams(NonZeroUsize),
    /// So many a second on average, at random as calls come in (a Poisson process), whether others are answered or not.
    PerSecond(f64),
}

/// One measurement.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The model, by the name that the server calls it.
    pub model: String,
    /// Ask for conversations; for completions if not.
    pub chat: bool,
    /// When requests come.
    pub arrivals: Arrivals,
    /// How many come.
    pub requests: usize,
    /// Tokens of each prompt, about: prompts are words.
    pub prompt_tokens: usize,
    /// Of those, tokens at the beginning that all have in common.
    pub shared_tokens: usize,
    /// Tokens of each answer, at most; exactly where the server knows `ignore_eos`.
    pub answer_tokens: usize,
    /// Decides words and arrivals.
    pub seed: u64,
    /// How long one request may take.
    pub timeout: Duration,
}
