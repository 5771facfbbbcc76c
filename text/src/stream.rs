//! A text as it is written: an engine's events go in, pieces of text come out, and one last piece says how it ended. It ends at a stop
//! string, which it cancels the rest for, and tells of a device that failed on the way.

use std::task::{Context, Poll};

use formats::tokenizer::Tokenizer;
use runtime::engine::{Canceller, Engine, Generation};
use runtime::request::{Event, Finish, GenerateRequest, LogProbs, Stats};

use crate::error::Result;
use crate::growth::{GrowingText, Growth};
use crate::stops::Stops;

/// A text to be written: what an engine is asked for, and the strings that end it.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What the engine is asked for.
    pub request: GenerateRequest,
    /// What ends the text.
    pub stops: Stops,
}

/// What happens to a text.
#[derive(Debug)]
pub enum Piece {
    /// So many tokens of the prompt have been read; or, when the context slides, of what is read again.
    Prefill {
        /// Read so far.
        done: usize,
        /// In all.
        total: usize,
    },
    /// What the model thought of a token of the prompt, if the request asks.
    Scored {
        /// Its id.
        id: u32,
        /// What it thought, where anything stands before.
        log_probs: Option<LogProbs>,
    },
    /// A token was written.
    Token {
        /// Its id.
        id: u32,
        /// What it adds; nothing while a character is unfinished.
        text: Growth,
        /// What the model thought of it, if the request asks.
        log_probs: Option<LogProbs>,
    },
    /// The end; nothing follows.
    End(End),
}

/// How a text ended.
#[derive(Debug)]
pub struct End {
    /// What was held back until now and is text after all.
    pub text: Growth,
    /// Why it ended and what that took; or what broke.
    pub how: Result<(Ending, Stats)>,
    /// What a device said that failed while this was written, so that the CPU went on.
    pub fault: Option<String>,
}

/// Why a text ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As many tokens as were asked for.
    Length,
    /// The model ended it.
    Model,
    /// This stop string ended it.
    Stop(String),
    /// The context is full, and the request says to stop then.
    Context,
    /// Nobody wanted the rest.
    Cancelled,
}

/// Who tells what happens: an engine, or somebody in its place.
pub trait Source {
    /// The next event, waiting for it; `None` after the last.
    fn next_event(&mut self) -> Option<Event>;
    /// The next event if there is one now.
    fn try_event(&mut self) -> Poll<Option<Event>>;
    /// The same, and `task` is woken when there is one.
    fn poll_event(&mut self, task: &mut Context<'_>) -> Poll<Option<Event>>;
    /// The rest is not wanted; what is on its way may still come.
    fn cancel(&mut self);
    /// Why the CPU had to take over from a device, if it had to.
    fn fault(&self) -> Option<String>;
}

/// An engine that serves a request.
#[derive(Debug)]
pub struct Served<'e> {
    engine: &'e Engine,
    generation: Generation,
}

impl Source for Served<'_> {
    fn next_event(&mut self) -> Option<Event> {
        self.generation.next_event()
    }

    fn try_event(&mut self) -> Poll<Option<Event>> {
        self.generation.try_event()
    }

    fn poll_event(&mut self, task: &mut Context<'_>) -> Poll<Option<Event>> {
        self.generation.poll_event(task)
    }

    fn cancel(&mut self) {
        self.generation.canceller().cancel();
    }

    fn fault(&self) -> Option<String> {
        self.engine.fault()
    }
}

/// A text being written. As an iterator it waits for each piece, and ends after [`Piece::End`]. Dropping it cancels.
#[derive(Debug)]
pub struct TextStream<'t, S> {
    source: S,
    tokenizer: &'t Tokenizer,
    text: GrowingText,
    /// Whether a device had failed before.
    had_fault: bool,
    over: bool,
}

impl<'t> TextStream<'t, Served<'t>> {
    /// Hands a request to an engine; the text ends before any of `stops`.
    ///
    /// # Errors
    /// An engine whose thread is gone.
    pub fn start(
        engine: &'t Engine,
        tokenizer: &'t Tokenizer,
        request: GenerateRequest,
        stops: Stops,
    ) -> Result<Self> {
        // Asked before the engine hears of it: it may fail at once.
        let had_fault = engine.fault().is_some();
        let source = Served { engine, generation: engine.generate(request)? };
        Ok(TextStream { had_fault, ..TextStream::of(source, tokenizer, stops) })
    }

    /// A handle that cancels, from anywhere: the text ends with what is there by then.
    pub fn canceller(&self) -> Canceller {
        self.source.generation.canceller()
    }
}

impl<'t, S: Source> TextStream<'t, S> {
    /// The text of what a source tells from now on.
    pub fn of(source: S, tokenizer: &'t Tokenizer, stops: Stops) -> Self {
        let had_fault = source.fault().is_some();
        TextStream { source, tokenizer, text: GrowingText::new(stops), had_fault, over: false }
    }

    /// The next piece if there is one now, and `None` after the last.
    pub fn try_next(&mut self) -> Poll<Option<Piece>> {
        self.next_of(S::try_event)
    }

    /// The same, and `task` is woken when there is one: for clients that wait for many texts on few threads.
    pub fn poll_next(&mut self, task: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.next_of(|source| source.poll_event(task))
    }

    fn next_of(&mut self, mut event: impl FnMut(&mut S) -> Poll<Option<Event>>) -> Poll<Option<Piece>> {
        while !self.over {
            let event = match event(&mut self.source) {
                Poll::Ready(event) => event,
                Poll::Pending => return Poll::Pending,
            };
            if let Some(piece) = self.take(event) {
                return Poll::Ready(Some(piece));
            }
        }
        Poll::Ready(None)
    }

    /// What an event, or the lack of any more, means; nothing where it comes behind the end of the text.
    fn take(&mut self, event: Option<Event>) -> Option<Piece> {
        let how = match event {
            // Both were on their way when a stop string was found.
            Some(Event::Token { .. } | Event::Prefill { .. }) if self.text.stopped().is_some() => {
                return None;
            }
            Some(Event::Prefill { done, total }) => return Some(Piece::Prefill { done, total }),
            Some(Event::Scored { id, log_probs }) => return Some(Piece::Scored { id, log_probs }),
            Some(Event::Token { id, log_probs }) => {
                let text = self.text.push(self.tokenizer.text_bytes(id));
                if self.text.stopped().is_some() {
                    self.source.cancel();
                }
                return Some(Piece::Token { id, text, log_probs });
            }
            Some(Event::Done { finish, stats }) => Ok((finish, stats)),
            Some(Event::Error(error)) => Err(error.into()),
            None => Err(runtime::Error::EngineStopped.into()),
        };
        self.over = true;
        // Ended first: a stop string may be whole only now.
        let text = self.text.end();
        let how = how.map(|(finish, stats)| (self.ending(finish), stats));
        let fault = if self.had_fault { None } else { self.source.fault() };
        Some(Piece::End(End { text, how, fault }))
    }

    fn ending(&self, finish: Finish) -> Ending {
        match (self.text.stopped(), finish) {
            // Whatever the engine thought: it is cancelled then, or may have been through.
            (Some(stop), _) => Ending::Stop(stop.to_owned()),
            (None, Finish::Length) => Ending::Length,
            (None, Finish::Stop(_)) => Ending::Model,
            (None, Finish::Context) => Ending::Context,
            (None, Finish::Cancelled) => Ending::Cancelled,
        }
    }
}

impl<S: Source> Iterator for TextStream<'_, S> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        while !self.over {
            let event = self.source.next_event();
            if let Some(piece) = self.take(event) {
                return Some(piece);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
