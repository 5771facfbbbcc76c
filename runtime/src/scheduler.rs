//! Many generations on one worker: which of them take part in the next pass, and who is told what came of it. It runs on the thread of
//! whoever calls [`round`](Scheduler::round) and waits for nobody: a client that does not read has its own text wait, and no other.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Instant;

use crate::continuation::Continuation;
use crate::error::{Error, Result};
use crate::pass::{Span, TextId, Worker, common};
use crate::request::{Event, Finish, GenerateRequest, Stats};

/// A request, and who asks.
#[derive(Debug)]
pub struct Job {
    /// What is asked.
    pub request: GenerateRequest,
    /// Where the answer goes.
    pub events: SyncSender<Event>,
    /// Whether it is still wanted.
    pub cancel: Arc<AtomicBool>,
}

/// Events on their way to a client.
#[derive(Debug)]
struct Outbox {
    events: SyncSender<Event>,
    cancel: Arc<AtomicBool>,
    waiting: VecDeque<Event>,
}

impl Outbox {
    /// Sends what there is room for. A client that is gone takes everything.
    fn flush(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => return self.waiting.push_front(event),
                Err(TrySendError::Disconnected(_)) => {
                    self.cancel.store(true, Ordering::Relaxed);
                    self.waiting.clear();
                }
            }
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

/// A continuation and its text.
#[derive(Debug)]
struct Running {
    continuation: Continuation,
    text: TextId,
    outbox: Outbox,
}

/// Generations, running and waiting.
pub struct Scheduler<'w> {
    worker: &'w mut dyn Worker,
    context: usize,
    texts_max: usize,
    /// Texts that nobody writes now, the longest unused first: the next prompt may begin like one of them.
    idle: Vec<TextId>,
    waiting: VecDeque<Job>,
    running: Vec<Running>,
    /// Of generations that have ended, until their clients have read the end.
    leaving: Vec<Outbox>,
}

impl<'w> Scheduler<'w> {
    /// Nothing to do yet, on a worker with no texts; at most `texts_max` of `context` tokens each will be there at once.
    ///
    /// # Errors
    /// A context that the model does not have, or no memory for one text.
    pub fn new(worker: &'w mut dyn Worker, context: usize, texts_max: usize) -> Result<Self> {
        // The first text shows at once whether there can be one.
        let idle = vec![worker.open(context)?];
        let texts_max = texts_max.max(1);
        let (waiting, running, leaving) = (VecDeque::new(), Vec::new(), Vec::new());
        Ok(Scheduler { worker, context, texts_max, idle, waiting, running, leaving })
    }

    /// Takes a request; those before it are served no later.
    pub fn take(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// Whether nobody waits for anything.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty() && self.leaving.is_empty()
    }

    /// Runs one pass for whoever can take part, and says whether there was anything to do; if not, all clients have yet to read. A pass is
    /// given up when somebody in it loses interest, or when `stop` says so.
    pub fn round(&mut self, stop: &AtomicBool) -> bool {
        self.admit();
        for running in &mut self.running {
            running.outbox.flush();
            if running.outbox.cancelled() {
                running.continuation.cancel();
            }
        }
        self.part_with_the_finished();
        self.leaving.iter_mut().for_each(Outbox::flush);
        self.leaving.retain(|outbox| !outbox.waiting.is_empty());
        // A bug in one request must not take the thread with it.
        let ran = catch_unwind(AssertUnwindSafe(|| self.pass(stop)));
        ran.unwrap_or_else(|panic| {
            self.fail(&message(&*panic));
            true
        })
    }

    /// Gives texts to those who wait, the first first, and lets go who no longer does.
    fn admit(&mut self) {
        for i in (0..self.waiting.len()).rev() {
            if self.waiting[i].cancel.load(Ordering::Relaxed) {
                let Job { events, cancel, .. } = self.waiting.remove(i).expect("below the length");
                let last = Event::Done { finish: Finish::Cancelled, stats: Stats::default() };
                self.leaving.push(Outbox { events, cancel, waiting: VecDeque::from([last]) });
            }
        }
        while self.running.len() < self.texts_max {
            let Some(Job { request, events, cancel }) = self.waiting.pop_front() else { return };
            let mut outbox = Outbox { events, cancel, waiting: VecDeque::new() };
            let text = match self.text_for(&request.prompt) {
                Ok(text) => text,
                Err(error) => {
                    outbox.waiting.push_back(Event::Error(error));
                    self.leaving.push(outbox);
                    continue;
                }
            };
            let (held, vocab) = (self.worker.tokens(text), self.worker.config().vocab);
            match Continuation::new(request, self.context, vocab, held) {
                Ok(continuation) => self.running.push(Running { continuation, text, outbox }),
                Err(error) => {
                    self.idle.push(text);
                    outbox.waiting.push_back(Event::Error(error));
                    self.leaving.push(outbox);
                }
            }
        }
    }

    /// A text for a prompt: a [fork](Self::fork_for), or the idle text that has most of it already; where none has any of it, an empty one,
    /// or a new one if there may be more, or the longest unused.
    fn text_for(&mut self, prompt: &[u32]) -> Result<TextId> {
        if let Some(text) = self.fork_for(prompt) {
            return Ok(text);
        }
        let empty = || self.idle.iter().copied().find(|&text| self.worker.tokens(text).is_empty());
        let found = self.closest(prompt, self.idle.iter().copied()).map(|(_, text)| text).or_else(empty);
        if let Some(text) = found {
            self.idle.retain(|&other| other != text);
            return Ok(text);
        }
        match self.has_room().then(|| self.worker.open(self.context)) {
            Some(Ok(text)) => Ok(text),
            Some(Err(error)) if self.idle.is_empty() => Err(error),
            _ => Ok(self.idle.remove(0)),
        }
    }

    /// A fork of the text that has most of a prompt, a page of it at least, if there may be another: of one that is being written, or of an
    /// idle one that has more to it, which somebody may want again. An idle text that is all in the prompt loses nothing by going
    /// on with it.
    fn fork_for(&mut self, prompt: &[u32]) -> Option<TextId> {
        let idle = self.closest(prompt, self.idle.iter().copied());
        let running = self.closest(prompt, self.running.iter().map(|running| running.text));
        let written = running.filter(|&(count, _)| idle.is_none_or(|(idle, _)| count > idle));
        let more = idle.filter(|&(count, text)| count < self.worker.tokens(text).len());
        let (count, source) = written.or(more)?;
        if count < self.worker.page_tokens() || !self.make_room(written.is_some()) {
            return None;
        }
        self.worker.fork(source, count).ok()
    }

    /// The text that has most of a prompt's beginning, and how many tokens of it, if any has some.
    fn closest(&self, prompt: &[u32], texts: impl Iterator<Item = TextId>) -> Option<(usize, TextId)> {
        texts
            .map(|text| (common(self.worker.tokens(text), prompt), text))
            .filter(|&(count, _)| count > 0)
            .max_by_key(|&(count, _)| count)
    }

    fn has_room(&self) -> bool {
        self.idle.len() + self.running.len() < self.texts_max
    }

    /// Whether there may be another text, once an empty one is closed if need be, or, if `forget` says so, the longest unused.
    fn make_room(&mut self, forget: bool) -> bool {
        if !self.has_room() {
            let empty = self.idle.iter().position(|&text| self.worker.tokens(text).is_empty());
            let longest = (forget && !self.idle.is_empty()).then_some(0);
            if let Some(i) = empty.or(longest) {
                self.worker.close(self.idle.remove(i));
            }
        }
        self.has_room()
    }

    /// Says goodbye to generations that have come to their end.
    fn part_with_the_finished(&mut self) {
        for i in (0..self.running.len()).rev() {
            let Some(finish) = self.running[i].continuation.finish() else { continue };
            let Running { continuation, text, mut outbox } = self.running.remove(i);
            outbox.waiting.push_back(Event::Done { finish, stats: continuation.stats() });
            outbox.flush();
            self.leaving.push(outbox);
            self.idle.push(text);
        }
    }

    /// One pass, with one token of everybody who writes and as much as there is time for of those who read. Says whether anybody was in it.
    fn pass(&mut self, stop: &AtomicBool) -> bool {
        let (mut spans, mut who) = (Vec::new(), Vec::new());
        let ready = |r: &Running| r.outbox.waiting.is_empty() && r.continuation.finish().is_none();
        // All of those who write, with one token each, and what they leave of a step for those who read: at least one token, so that
        // neither waits for ever.
        let (writers, readers): (Vec<usize>, Vec<usize>) = (0..self.running.len())
            .filter(|&i| ready(&self.running[i]))
            .partition(|&i| !self.running[i].continuation.reads());
        let mut room = self.worker.step_tokens().saturating_sub(writers.len()).max(1);
        for (i, reads) in
            writers.into_iter().map(|i| (i, false)).chain(readers.into_iter().map(|i| (i, true)))
        {
            let (text, most) = (self.running[i].text, if reads { room } else { 1 });
            if most == 0 {
                break;
            }
            let wanted = self.running[i].continuation.wants(self.worker.tokens(text), most);
            self.worker.truncate(text, wanted.keep);
            if reads {
                room -= wanted.tokens.len();
            }
            spans.push(Span { text, tokens: wanted.tokens, want: wanted.want });
            who.push(i);
        }
        if spans.is_empty() {
            return false;
        }
        let cancels: Vec<&AtomicBool> = who.iter().map(|&i| &*self.running[i].outbox.cancel).collect();
        let give_up = || stop.load(Ordering::Relaxed) || cancels.iter().any(|c| c.load(Ordering::Relaxed));
        let start = Instant::now();
        let mut passed = self.worker.pass(&spans, &give_up);
        // Memory is for those who are being served before it is for those who may come back.
        while matches!(passed, Err(Error::KvFull { .. }))
            && let Some(&text) = self.idle.iter().find(|&&text| !self.worker.tokens(text).is_empty())
        {
            self.worker.truncate(text, 0);
            passed = self.worker.pass(&spans, &give_up);
        }
        let time = start.elapsed();
        if let Err(error) = passed {
            // One less may be enough: the last of them has had least done for it.
            let full = matches!(error, Error::KvFull { .. });
            self.failed(if full { &who[who.len() - 1..] } else { &who[..] }, error);
            return true;
        }
        for (answer, i) in who.into_iter().enumerate() {
            let Running { continuation, text, outbox } = &mut self.running[i];
            let (answer, held) = (self.worker.answer(answer), self.worker.tokens(*text).len());
            let taken = continuation.take(answer, held, time, &mut |event| {
                outbox.waiting.push_back(event);
                ControlFlow::Continue(())
            });
            outbox.flush();
            if let Err(error) = taken {
                outbox.waiting.push_back(Event::Error(error));
            }
        }
        self.part_with_the_failed();
        true
    }

    /// A pass that failed ends all who were in it: workers that can go on elsewhere have done so.
    fn failed(&mut self, who: &[usize], error: Error) {
        let words = error.to_string();
        let mut first = Some(error);
        for &i in who {
            let error = first.take().unwrap_or_else(|| Error::Shared { message: words.clone() });
            self.running[i].outbox.waiting.push_back(Event::Error(error));
        }
        self.part_with_the_failed();
    }

    /// Generations whose last word is an error.
    fn part_with_the_failed(&mut self) {
        for i in (0..self.running.len()).rev() {
            if matches!(self.running[i].outbox.waiting.back(), Some(Event::Error(_))) {
                let Running { text, mut outbox, .. } = self.running.remove(i);
                outbox.flush();
                self.leaving.push(outbox);
                self.idle.push(text);
            }
        }
    }

    /// A bug: nobody knows what the texts hold now.
    fn fail(&mut self, message: &str) {
        for running in &mut self.running {
            let error = Error::Panic { message: message.to_owned() };
            running.outbox.waiting.push_back(Event::Error(error));
        }
        self.part_with_the_failed();
        self.idle.iter().for_each(|&text| self.worker.truncate(text, 0));
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests;
