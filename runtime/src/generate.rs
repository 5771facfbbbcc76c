//! Continuing a prompt, token by token: what a request asks, what happens meanwhile, and the loop between the two.
//! It runs on the caller's thread; the engine gives it one of its own.
//!
//! **When the context is full** a generation either stops or slides: the session forgets everything, reads the last half of its context
//! again, and goes on. A slide costs one prefill of half a context and happens every half context, so the average cost per
//! token stays flat; the text before is out of the model's sight from then on.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sampler::{Sampler, Sampling, log_sum_exp};
use crate::sequence::{Choose, Next, Sequence};

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
#[derive(Clone, Debug)]
pub struct GenerateRequest {
    /// The text so far, at least one token and at most a context.
    pub prompt: Vec<u32>,
    /// Most tokens to write.
    pub max_tokens: usize,
    /// How to choose them.
    pub sampling: Sampling,
    /// Ids that end the text; the one that did is reported in [`Finish::Stop`] and not as a token.
    pub stop: Vec<u32>,
    /// What to do when the context is full.
    pub when_full: WhenFull,
    /// Report log-probabilities under the model (temperature 1, nothing truncated): each token's own, and those of so many
    /// of the likeliest in its place. `None` reports none.
    pub log_probs: Option<usize>,
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

/// Serves a request on a session, telling `tell` of each prefill step and token; it breaks to cancel.
///
/// What the session holds already is kept as far as the prompt begins with it. The result does not depend on that.
///
/// # Errors
/// An empty prompt, one longer than the context, an id outside the vocabulary, bad sampling settings, or a model that
/// computes nonsense.
pub fn generate(
    session: &mut dyn Sequence,
    request: &GenerateRequest,
    tell: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<(Finish, Stats)> {
    let prompt = &request.prompt[..];
    let mut sampler = Sampler::new(request.sampling)?;
    check(session, prompt)?;
    let mut stats = Stats { prompt_tokens: prompt.len(), ..Stats::default() };
    if request.max_tokens == 0 {
        stats.reused_tokens = prompt.len();
        return Ok((Finish::Length, stats));
    }

    let start = Instant::now();
    let common = session.tokens().iter().zip(prompt).take_while(|(a, b)| a == b).count();
    // The last token is always read: its logits are what we are here for.
    let done = common.min(prompt.len() - 1);
    session.truncate(done);
    stats.reused_tokens = done;
    let ControlFlow::Continue(last) = read(session, prompt, done, tell)? else {
        stats.prefill_time = start.elapsed();
        return Ok((Finish::Cancelled, stats));
    };
    // Where they need not be looked at, the logits need not leave the device that made them.
    let choose = |sampler: &Sampler| if request.log_probs.is_some() { Choose::No } else { sampler.choose() };
    let mut next = session.next(last, choose(&sampler))?;
    stats.prefill_time = start.elapsed();
    if tell(Event::Prefill { done: prompt.len(), total: prompt.len() }).is_break() {
        return Ok((Finish::Cancelled, stats));
    }
    prompt.iter().for_each(|&id| sampler.accept(id));

    loop {
        let step = Instant::now();
        let id = match next {
            Next::Logits(logits) => sampler.sample(logits)?,
            Next::Id(id) => {
                sampler.chosen();
                id
            }
        };
        sampler.accept(id);
        if request.stop.contains(&id) {
            return Ok((Finish::Stop(id), stats));
        }
        let log_probs = match (next, request.log_probs) {
            (Next::Logits(logits), Some(count)) => Some(LogProbs::new(logits, id, count)),
            _ => None,
        };
        let sampling_time = step.elapsed();
        stats.generated_tokens += 1;
        if tell(Event::Token { id, log_probs }).is_break() {
            return Ok((Finish::Cancelled, stats));
        }
        if stats.generated_tokens == request.max_tokens {
            return Ok((Finish::Length, stats));
        }
        let step = Instant::now();
        if session.tokens().len() < session.context() {
            next = session.next(&[id], choose(&sampler))?;
        } else if request.when_full == WhenFull::Slide {
            stats.slides += 1;
            let kept = slide(session, id);
            let ControlFlow::Continue(last) = read(session, &kept, 0, tell)? else {
                return Ok((Finish::Cancelled, stats));
            };
            next = session.next(last, choose(&sampler))?;
        } else {
            return Ok((Finish::Context, stats));
        }
        stats.decode_steps += 1;
        stats.decode_time += sampling_time + step.elapsed();
    }
}

fn check(session: &dyn Sequence, prompt: &[u32]) -> Result<()> {
    if prompt.is_empty() {
        return Err(Error::PromptEmpty);
    }
    if prompt.len() > session.context() {
        return Err(Error::PromptTooLong { tokens: prompt.len(), context: session.context() });
    }
    let vocab = session.config().vocab;
    match prompt.iter().find(|&&id| id as usize >= vocab) {
        Some(&id) => Err(Error::Token { id, vocab }),
        None => Ok(()),
    }
}

/// Reads `tokens` from the first `done` on, looking at whether to go on after each step, up to a last one, which is left to the caller.
fn read<'t>(
    session: &mut dyn Sequence,
    tokens: &'t [u32],
    done: usize,
    tell: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<ControlFlow<(), &'t [u32]>> {
    let (mut rest, total) = (&tokens[done..], tokens.len());
    // A step may be another after each.
    while let Some((now, later)) = rest.split_at_checked(session.prefill_step()).filter(|s| !s.1.is_empty()) {
        session.advance(now)?;
        rest = later;
        if tell(Event::Prefill { done: total - rest.len(), total }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(rest))
}

/// Forgets everything; the last half of the context, `next` included, is to be read again.
fn slide(session: &mut dyn Sequence, next: u32) -> Vec<u32> {
    let keep = (session.context() / 2).max(1);
    let mut kept = session.tokens()[session.tokens().len() + 1 - keep..].to_vec();
    kept.push(next);
    session.reset();
    kept
}
