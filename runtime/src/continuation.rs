//! Continuing a prompt, token by token, as a state machine: it says what it wants read next, is given what came of it, and tells what
//! happened. It waits for nothing and runs nothing, so that one thread can drive one of them or many.
//!
//! **When the context is full** a generation either stops or slides: its text forgets everything, the last half of its context
//! is read again, and it goes on. A slide costs one prefill of half a context and happens every half context, so the average cost per
//! token stays flat; the text before is out of the model's sight from then on.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::pass::{Answer, Want, common};
use crate::request::{Event, Finish, GenerateRequest, LogProbs, Stats, WhenFull};
use crate::sampler::Sampler;

/// Logits held at once where those of a prompt are looked at, in floats: 16 MiB.
const LOGITS_MAX: usize = 4 << 20;

/// A request being served.
#[derive(Debug)]
pub struct Continuation {
    request: GenerateRequest,
    sampler: Sampler,
    vocab: usize,
    /// Tokens of the prompt that were told of with their log-probabilities, where that is asked.
    scored: usize,
    /// What the text is to hold before the next token is chosen: the prompt and what was written, as far as the model sees it.
    seen: Vec<u32>,
    context: usize,
    /// Tokens of `seen` that were to be read when it began to read them: the prompt, or what is left after a slide. `None` while writing.
    reading: Option<usize>,
    stats: Stats,
    finish: Option<Finish>,
}

/// What a generation wants of its text.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'g> {
    /// The text is to forget all but so many of its tokens ...
    pub keep: usize,
    /// ... and to read these,
    pub tokens: &'g [u32],
    /// for this.
    pub want: Want,
}

impl Continuation {
    /// Begins to serve a request with a text of up to `context` tokens that holds `held`, over a vocabulary of `vocab` ids.
    ///
    /// # Errors
    /// An empty prompt, one longer than the context, an id outside the vocabulary, bad sampling settings.
    pub fn new(request: GenerateRequest, context: usize, vocab: usize, held: &[u32]) -> Result<Self> {
        let sampler = Sampler::new(request.sampling)?.biased(&request.bias)?;
        let prompt = &request.prompt;
        if prompt.is_empty() {
            return Err(Error::PromptEmpty);
        }
        if prompt.len() > context {
            return Err(Error::PromptTooLong { tokens: prompt.len(), context });
        }
        let named = prompt.iter().chain(request.bias.iter().map(|(id, _)| id));
        if let Some(&id) = named.into_iter().find(|&&id| id as usize >= vocab) {
            return Err(Error::Token { id, vocab });
        }
        let scores = request.scores();
        let finish = (request.max_tokens == 0 && !scores).then_some(Finish::Length);
        let reused = match finish {
            Some(_) => prompt.len(),
            None if scores => 0,
            None => kept(held, prompt),
        };
        let stats = Stats { prompt_tokens: prompt.len(), reused_tokens: reused, ..Stats::default() };
        let (seen, reading) = (prompt.clone(), Some(prompt.len()));
        Ok(Continuation { request, sampler, vocab, scored: 0, seen, context, reading, stats, finish })
    }

    /// Whether it has more than the token it wrote last to read.
    pub fn reads(&self) -> bool {
        self.reading.is_some()
    }

    /// Why it ended, if it has.
    pub fn finish(&self) -> Option<Finish> {
        self.finish
    }

    /// What it did.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Ends it.
    pub fn cancel(&mut self) {
        self.finish.get_or_insert(Finish::Cancelled);
    }

    /// Its text has lost what it held, and is to read it again.
    pub fn forgotten(&mut self) {
        self.reading = Some(self.seen.len());
    }

    /// What the model is to have read before it writes on.
    pub fn seen(&self) -> &[u32] {
        &self.seen
    }

    /// What is to be read next, at most `most` tokens of it at once, by a text that holds `held`. That is kept as far as it is
    /// what the model is to see; no result depends on how far.
    pub fn wants<'g>(&'g self, held: &[u32], most: usize) -> Wanted<'g> {
        let keep = kept(held, &self.seen);
        if self.scores() {
            // What follows a token is asked when it is read, and not once it has been.
            let keep = keep.min(self.scored.saturating_sub(1));
            let count = most.min(LOGITS_MAX / self.vocab).clamp(1, self.seen.len() - keep);
            return Wanted { keep, tokens: &self.seen[keep..keep + count], want: Want::All };
        }
        let rest = &self.seen[keep..];
        if rest.len() > most.max(1) {
            return Wanted { keep, tokens: &rest[..most.max(1)], want: Want::Nothing };
        }
        // Where they need not be looked at, the logits need not leave the device that made them.
        let want = if self.request.log_probs.is_some() { Want::Last } else { self.sampler.want() };
        Wanted { keep, tokens: rest, want }
    }

    /// Takes what came of reading, when the text holds `held` tokens, and how long that took; tells what happened, and is cancelled if
    /// that breaks.
    ///
    /// # Errors
    /// A model that computes nonsense.
    pub fn take(
        &mut self,
        answer: Answer<'_>,
        held: usize,
        time: Duration,
        tell: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<()> {
        match self.reading {
            Some(_) if self.stats.slides == 0 => self.stats.prefill_time += time,
            _ => self.stats.decode_time += time,
        }
        let mut logits = match answer {
            // What is missing will be read again.
            Answer::Unread => {
                self.forgotten();
                return Ok(());
            }
            Answer::Nothing => {
                if let Some(total) = self.reading
                    && tell(Event::Prefill { done: held, total }).is_break()
                {
                    self.cancel();
                }
                return Ok(());
            }
            Answer::Logits(logits) => Some(logits),
            Answer::Id(_) => None,
            Answer::NotFinite => return Err(Error::Logits),
        };
        if let Some(all) = logits.filter(|_| self.scores()) {
            if self.score(all, held, tell)?.is_break() {
                self.cancel();
                return Ok(());
            }
            if self.scores() {
                return Ok(());
            }
            logits = Some(&all[all.len() - self.vocab..]);
        }
        if let Some(total) = self.reading.take()
            && self.stats.generated_tokens == 0
        {
            if tell(Event::Prefill { done: total, total }).is_break() {
                self.cancel();
                return Ok(());
            }
            let (sampler, prompt) = (&mut self.sampler, &self.request.prompt);
            prompt.iter().for_each(|&id| sampler.accept(id));
            if self.request.max_tokens == 0 {
                self.finish = Some(Finish::Length);
                return Ok(());
            }
        }
        let began = Instant::now();
        let written = self.stats.generated_tokens > 0;
        let id = match answer {
            Answer::Id(id) => {
                self.sampler.chosen();
                id
            }
            _ => self.sampler.sample(logits.expect("an answer with logits"))?,
        };
        self.sampler.accept(id);
        if written {
            self.stats.decode_steps += 1;
        }
        if self.request.stop.contains(&id) {
            self.finish = Some(Finish::Stop(id));
            return Ok(());
        }
        let log_probs = match (logits, self.request.log_probs) {
            (Some(logits), Some(count)) => Some(LogProbs::new(logits, id, count)),
            _ => None,
        };
        self.stats.generated_tokens += 1;
        self.stats.decode_time += began.elapsed();
        self.seen.push(id);
        if tell(Event::Token { id, log_probs }).is_break() {
            self.cancel();
        } else if self.stats.generated_tokens == self.request.max_tokens {
            self.finish = Some(Finish::Length);
        } else if self.seen.len() > self.context {
            self.full();
        }
        Ok(())
    }

    /// Whether tokens of the prompt are yet to be told of with their log-probabilities.
    fn scores(&self) -> bool {
        self.request.scores() && self.scored < self.request.prompt.len()
    }

    /// Tells what the model thought of tokens of the prompt, from the logits that follow each of those just read.
    fn score(
        &mut self,
        logits: &[f32],
        held: usize,
        tell: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let prompt = &self.request.prompt;
        if !logits.iter().all(|l| l.is_finite()) {
            return Err(Error::Logits);
        }
        if self.scored == 0 {
            self.scored = 1;
            if tell(Event::Scored { id: prompt[0], log_probs: None }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let first = held - logits.len() / self.vocab;
        for (logits, next) in logits.chunks_exact(self.vocab).zip(first + 1..prompt.len()) {
            if next == self.scored {
                self.scored += 1;
                let count = self.request.log_probs.unwrap_or(0);
                let log_probs = Some(LogProbs::new(logits, prompt[next], count));
                if tell(Event::Scored { id: prompt[next], log_probs }).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(if self.scores() {
            tell(Event::Prefill { done: held, total: prompt.len() })
        } else {
            ControlFlow::Continue(())
        })
    }

    /// The context has no room for the token just written.
    fn full(&mut self) {
        if self.request.when_full == WhenFull::Stop {
            self.finish = Some(Finish::Context);
            return;
        }
        let keep = (self.context / 2).max(1);
        self.seen.drain(..self.seen.len() - keep);
        self.stats.slides += 1;
        self.reading = Some(keep);
    }
}

/// How many of its tokens a text that holds `held` may keep when the model is to see `seen`: the last is always read, as its logits
/// are what we are here for.
fn kept(held: &[u32], seen: &[u32]) -> usize {
    common(held, seen).min(seen.len() - 1)
}
