//! Many generations on one worker: which of them take part in the next pass, and who is told what came of it. It runs on the thread of
//! whoever calls [`round`](Scheduler::round) and waits for nobody: a client that does not read has its own text wait, and no other.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::continuation::Continuation;
use crate::error::{Error, Result};
use crate::kv::KvMemory;
use crate::mailbox::Outbox;
use crate::pass::{Span, TextId, Worker, common};
use crate::patience::Patience;
use crate::request::{Event, Finish, GenerateRequest, Stats};

/// A request, and where the answer goes.
#[derive(Debug)]
pub struct Job {
    /// What is asked.
    pub request: GenerateRequest,
    /// Where the answer goes.
    pub outbox: Outbox,
}

/// A continuation and its text.
#[derive(Debug)]
struct Running {
    continuation: Continuation,
    text: TextId,
    outbox: Outbox,
    /// It gave its memory to others, and goes on when one of them has ended.
    paused: bool,
}

/// How busy a worker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Texts that are being read or written.
    pub running: usize,
    /// Requests that wait for a text.
    pub waiting: usize,
    /// Texts that are kept because a prompt may begin like them.
    pub kept: usize,
    /// What keys and values take.
    pub kv: KvMemory,
    /// Passes so far.
    pub passes: u64,
    /// Tokens that they read.
    pub tokens: u64,
}

/// Generations, running and waiting.
pub struct Scheduler<'w> {
    worker: &'w mut dyn Worker,
    context: usize,
    texts_max: usize,
    kept_max: usize,
    /// Texts that nobody writes now, the longest unused first: the next prompt may begin like one of them.
    idle: Vec<TextId>,
    waiting: VecDeque<Job>,
    running: Vec<Running>,
    /// Of generations that have ended, until their clients have read the end.
    leaving: Vec<Outbox>,
    patience: Patience,
    passes: u64,
    tokens: u64,
}

impl<'w> Scheduler<'w> {
    /// Nothing to do yet, on a worker with no texts; at most `texts_max` of `context` tokens each will be served at once, and as
    /// many and `kept_max` more be there.
    ///
    /// # Errors
    /// A context that the model does not have, or no memory for one text.
    pub fn new(
        worker: &'w mut dyn Worker,
        context: usize,
        texts_max: usize,
        kept_max: usize,
    ) -> Result<Self> {
        // The first text shows at once whether there can be one.
        let idle = vec![worker.open(context)?];
        let texts_max = texts_max.max(1);
        Ok(Scheduler {
            worker,
            context,
            texts_max,
            kept_max,
            idle,
            waiting: VecDeque::new(),
            running: Vec::new(),
            leaving: Vec::new(),
            patience: Patience::new(),
            passes: 0,
            tokens: 0,
        })
    }

    /// Takes a request; those before it are served no later, unless they wait for a text that they begin like.
    pub fn take(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// Whether nobody waits for anything.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty() && self.leaving.is_empty()
    }

    /// How busy it is.
    pub fn load(&self) -> Load {
        Load {
            running: self.running.len(),
            waiting: self.waiting.len(),
            kept: self.idle.iter().filter(|&&text| !self.worker.tokens(text).is_empty()).count(),
            kv: self.worker.kv_memory(),
            passes: self.passes,
            tokens: self.tokens,
        }
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
        self.leaving.retain(|outbox| !outbox.is_empty());
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
            if self.waiting[i].outbox.cancelled() {
                let Job { outbox, .. } = self.waiting.remove(i).expect("below the length");
                self.leave(outbox, Event::Done { finish: Finish::Cancelled, stats: Stats::default() });
            }
        }
        let mut next = 0;
        // Whoever gave memory away and could go on is to have it back before anybody else gets some.
        let waits = |running: &Running| running.paused && running.outbox.is_empty();
        while self.running.len() < self.texts_max && !self.running.iter().any(waits) {
            let Some(job) = self.waiting.get(next) else { return };
            if self.is_being_read(&job.request) {
                next += 1;
                continue;
            }
            let Job { request, outbox } = self.waiting.remove(next).expect("looked at above");
            let text = match self.text_for(beginning(&request)) {
                Ok(text) => text,
                // A device has room for those that are there, then, and this one waits for one of them.
                Err(error) if error.is_of_device() && !self.running.is_empty() => {
                    (self.texts_max, self.kept_max) = (self.running.len(), 0);
                    self.waiting.insert(next, Job { request, outbox });
                    return;
                }
                Err(error) => {
                    self.leave(outbox, Event::Error(error));
                    continue;
                }
            };
            let (held, vocab) = (self.worker.tokens(text), self.worker.config().vocab);
            match Continuation::new(request, self.context, vocab, held) {
                Ok(continuation) => {
                    self.running.push(Running { continuation, text, outbox, paused: false });
                }
                Err(error) => {
                    self.idle.push(text);
                    self.leave(outbox, Event::Error(error));
                }
            }
        }
    }

    /// Whether somebody is reading at least a page of a prompt's beginning that no text has yet: waiting for that is better than reading
    /// it twice.
    fn is_being_read(&self, request: &GenerateRequest) -> bool {
        let prompt = beginning(request);
        let page = self.worker.page_tokens();
        if prompt.len() <= page || (!self.has_room() && self.idle.is_empty()) {
            return false;
        }
        let pages = |count: usize| count.min(prompt.len() - 1) / page;
        let texts = self.idle.iter().copied().chain(self.running.iter().map(|running| running.text));
        let there = self.closest(prompt, texts).map_or(0, |(count, _)| pages(count));
        let readers = self.running.iter().filter(|running| running.continuation.reads());
        readers.map(|reader| pages(common(reader.continuation.seen(), prompt))).any(|coming| coming > there)
    }

    /// A text for a prompt: a [fork](Self::fork_for), or the idle text that is all in it, or an empty one. Where there may be no
    /// other: the idle text that has more to give than to lose, or else the longest unused.
    fn text_for(&mut self, prompt: &[u32]) -> Result<TextId> {
        if let Some(text) = self.fork_for(prompt) {
            return Ok(text);
        }
        let held = |text: TextId| self.worker.tokens(text).len();
        let closest = self.closest(prompt, self.idle.iter().copied());
        let whole = closest.filter(|&(count, text)| count == held(text)).map(|(_, text)| text);
        let worth = closest.filter(|&(count, text)| 2 * count >= held(text)).map(|(_, text)| text);
        let empty = self.idle.iter().copied().find(|&text| held(text) == 0);
        if let Some(text) = whole.or(empty) {
            return Ok(self.reuse(text));
        }
        match self.has_room().then(|| self.worker.open(self.context)) {
            Some(Ok(text)) => return Ok(text),
            Some(Err(error)) if self.idle.is_empty() => return Err(error),
            _ => {}
        }
        Ok(self.reuse(worth.unwrap_or(self.idle[0])))
    }

    /// That text, which is idle no longer.
    fn reuse(&mut self, text: TextId) -> TextId {
        self.idle.retain(|&other| other != text);
        text
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
        if count < self.worker.page_tokens() || !self.make_room(source) {
            return None;
        }
        // It was wanted just now.
        if let Some(i) = self.idle.iter().position(|&text| text == source) {
            self.idle[i..].rotate_left(1);
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
        self.idle.len() + self.running.len() < self.texts_max + self.kept_max
    }

    /// Whether there may be another text beside `source`, once an idle one is closed if need be: an empty one, or the longest unused.
    fn make_room(&mut self, source: TextId) -> bool {
        if !self.has_room() {
            let empty = self.idle.iter().position(|&text| self.worker.tokens(text).is_empty());
            if let Some(i) = empty.or_else(|| self.idle.iter().position(|&text| text != source)) {
                self.worker.close(self.idle.remove(i));
            }
        }
        self.has_room()
    }

    /// Says a last word, when there is room for it.
    fn leave(&mut self, mut outbox: Outbox, last: Event) {
        outbox.push(last);
        self.leaving.push(outbox);
    }

    /// Says goodbye to generations that have come to their end.
    fn part_with_the_finished(&mut self) {
        for i in (0..self.running.len()).rev() {
            if let Some(finish) = self.running[i].continuation.finish() {
                let stats = self.running[i].continuation.stats();
                self.part_with(i, Event::Done { finish, stats });
            }
        }
    }

    /// Says goodbye to one generation. What it leaves may be enough for those that were paused.
    fn part_with(&mut self, i: usize, last: Event) {
        let Running { text, outbox, .. } = self.running.remove(i);
        self.leave(outbox, last);
        self.idle.push(text);
        self.running.iter_mut().for_each(|running| running.paused = false);
    }

    /// One pass, with one token of everybody who writes and as much as there is time for of those who read. Says whether anybody was in it.
    fn pass(&mut self, stop: &AtomicBool) -> bool {
        let (mut spans, mut who) = (Vec::new(), Vec::new());
        let could = |r: &Running| r.outbox.is_empty() && r.continuation.finish().is_none();
        let ready = |r: &Running| !r.paused && could(r);
        if !self.running.iter().any(ready)
            && let Some(running) = self.running.iter_mut().find(|running| could(running))
        {
            // Those whom it made way for are asleep now.
            running.paused = false;
        }
        // All of those who write, with one token each, and what they leave of a step for those who read: at least one token, so that
        // neither waits for ever.
        let (writers, readers): (Vec<usize>, Vec<usize>) = (0..self.running.len())
            .filter(|&i| ready(&self.running[i]))
            .partition(|&i| !self.running[i].continuation.reads());
        let (step, writing) = (self.worker.step_tokens(), writers.len());
        let mut room = step.saturating_sub(writing).max(1);
        if writing > 0 {
            room = room.min(self.patience.tokens());
        }
        let mut read = 0;
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
                read += wanted.tokens.len();
            }
            spans.push(Span { text, tokens: wanted.tokens, want: wanted.want });
            who.push(i);
        }
        if spans.is_empty() {
            return false;
        }
        let cancels: Vec<&AtomicBool> = who.iter().map(|&i| self.running[i].outbox.cancel()).collect();
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
        if writing > 0 && read > 0 {
            self.patience.note(read, time, step);
        }
        self.passes += 1;
        self.tokens += spans.iter().map(|span| span.tokens.len() as u64).sum::<u64>();
        if let Err(error) = passed {
            if matches!(error, Error::KvFull { .. }) {
                self.pause_or_fail(&who, error);
            } else {
                self.failed(&who, error);
            }
            return true;
        }
        let mut failed = Vec::new();
        for (answer, i) in who.into_iter().enumerate() {
            let Running { continuation, text, outbox, .. } = &mut self.running[i];
            let (answer, held) = (self.worker.answer(answer), self.worker.tokens(*text).len());
            let taken = continuation.take(answer, held, time, &mut |event| {
                outbox.push(event);
                ControlFlow::Continue(())
            });
            failed.extend(taken.err().map(|error| (i, error)));
        }
        self.part_with_failed(failed);
        true
    }

    /// There is not memory enough for all. One less may be enough: one whose client does not read anyway, or else the one that came last, has
    /// had least done for it. It gives back what it has until another has ended. One that is alone is at its end.
    fn pause_or_fail(&mut self, who: &[usize], error: Error) {
        let holds = |running: &Running| !running.paused;
        let last = self.running.iter().rposition(holds).expect("somebody was in the pass");
        let asleep = self.running.iter().rposition(|running| holds(running) && !running.outbox.is_empty());
        let other = self.running[..last].iter().any(holds);
        let Some(i) = asleep.or(other.then_some(last)) else { return self.failed(who, error) };
        let Running { continuation, text, paused, .. } = &mut self.running[i];
        self.worker.truncate(*text, 0);
        continuation.forgotten();
        *paused = true;
    }

    /// A pass that failed ends all who were in it: workers that can go on elsewhere have done so.
    fn failed(&mut self, who: &[usize], error: Error) {
        let words = error.to_string();
        let mut first = Some(error);
        let mut error = || first.take().unwrap_or_else(|| Error::Shared { message: words.clone() });
        self.part_with_failed(who.iter().map(|&i| (i, error())).collect());
    }

    /// Ends texts by their places.
    fn part_with_failed(&mut self, mut failed: Vec<(usize, Error)>) {
        // From the last on, so that those before keep their places.
        failed.sort_by_key(|&(i, _)| std::cmp::Reverse(i));
        failed.into_iter().for_each(|(i, error)| self.part_with(i, Event::Error(error)));
    }

    /// A bug: nobody knows what the texts hold now.
    fn fail(&mut self, message: &str) {
        for i in (0..self.running.len()).rev() {
            self.part_with(i, Event::Error(Error::Panic { message: message.to_owned() }));
        }
        self.idle.iter().for_each(|&text| self.worker.truncate(text, 0));
    }
}

/// What of a prompt need not be read if a text has it: nothing where its tokens are scored.
fn beginning(request: &GenerateRequest) -> &[u32] {
    if request.scores() { &[] } else { &request.prompt }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests;
