//! A request as somebody who runs the server sees it: who asks, what for, how far it is, how it ended. Nothing of what is asked or
//! answered is in it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::api::Refusal;

/// See the top of this file.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestInfo {
    /// What [`cancel`](crate::Server::cancel) knows it by.
    pub id: u64,
    /// The machine that asks, where it is known.
    pub client: Option<IpAddr>,
    /// The model it asks; empty where it was refused before one was found.
    pub model: String,
    /// What it asks for.
    pub kind: RequestKind,
    /// The path it asks.
    pub route: String,
    /// What it does.
    pub state: RequestState,
    /// When it came.
    pub came: Instant,
    /// Time since it came; until its end, if it has ended.
    pub time: Duration,
    /// Texts that it asks for.
    pub texts: usize,
    /// Tokens of its prompts.
    pub prompt_tokens: usize,
    /// Of those, tokens that were there already, as far as its texts have ended.
    pub cached_tokens: usize,
    /// Of those, tokens that were read or were there already.
    pub read_tokens: usize,
    /// Tokens written.
    pub written_tokens: usize,
    /// Time until the first of them.
    pub first_token_time: Option<Duration>,
    /// Tokens written per second since then, once there are enough of them to tell.
    pub written_tokens_per_sec: Option<f64>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// An answer in a conversation.
    Chat,
    /// A text that is gone on with.
    Completion,
    /// What the model thinks of a text.
    Score,
    /// Anything that needs no turn, or nothing that there is.
    Other,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// It waits for others.
    Waiting,
    /// Its prompt is read.
    Reading,
    /// Its answer is written.
    Writing,
    /// Nobody serves it any more.
    Ended(Outcome),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of its texts came to their end.
    Answered,
    /// Whoever runs the server ended it.
    Cancelled,
    /// Its client went away before the end.
    Left,
    /// It was refused, or broke off.
    Refused {
        /// As HTTP has it, also where an answer had begun already.
        status: u16,
        /// What clients read as the error's code.
        code: Option<&'static str>,
    },
}

/// How many requests have ended, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// See [`Outcome`].
    pub answered: u64,
    /// Likewise.
    pub cancelled: u64,
    /// Likewise.
    pub left: u64,
    /// Likewise.
    pub refused: u64,
}

impl Outcome {
    /// Of a request that is told this.
    pub(crate) fn of(refusal: &Refusal) -> Outcome {
        Outcome::Refused { status: refusal.status().as_u16(), code: refusal.error_code().0 }
    }
}

impl Totals {
    /// One more has ended.
    pub(super) fn ended(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Answered => &mut self.answered,
            Outcome::Cancelled => &mut self.cancelled,
            Outcome::Left => &mut self.left,
            Outcome::Refused { .. } => &mut self.refused,
        } += 1;
    }
}
