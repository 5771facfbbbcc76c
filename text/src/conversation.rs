//! A conversation with a model: as its file's chat template writes one down, or as a play for a model that only continues text. It says what to
//! ask of an engine and takes the answer back in; who runs that, and where it is shown, is its clients' business.

use runtime::request::{GenerateRequest, WhenFull};
use runtime::sampler::Sampling;

use crate::chat::{Role, Turn, recent};
use crate::error::Result;
use crate::opened::Opened;
use crate::play::{Names, SPEECH_END};
use crate::room::room;
use crate::stops::Stops;
use crate::stream::Ask;

/// Longest answer of each kind, if nothing else is said.
const SPEECH_TOKENS: usize = 120;
const ANSWER_TOKENS: usize = 1024;

/// How a conversation is held.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// How the first answer is drawn. Each one after it takes the next seed: another draw, and still the same conversation every time.
    pub sampling: Sampling,
    /// Longest answer; `None` for 120 tokens in a play, else 1024 or half of the context.
    pub tokens: Option<usize>,
    /// Strings that end an answer, beside those of the conversation itself.
    pub stop: Vec<String>,
    /// The names of a play; `None` for turns as the file's template writes them.
    pub play: Option<Names>,
}

/// A conversation so far.
#[derive(Debug)]
pub struct Conversation<'m> {
    opened: &'m Opened,
    context: usize,
    sampling: Sampling,
    tokens: usize,
    stop: Vec<String>,
    play: Option<Names>,
    turns: Vec<Turn>,
    /// What was said last and has no answer yet.
    said: Option<String>,
}

impl<'m> Conversation<'m> {
    /// Begins one with a model that sees so many tokens at a time.
    pub fn new(opened: &'m Opened, context: usize, manner: Manner) -> Self {
        let Manner { sampling, tokens, stop, play } = manner;
        let usual = if play.is_some() { SPEECH_TOKENS } else { ANSWER_TOKENS.min(context.div_ceil(2)) };
        let tokens = tokens.unwrap_or(usual);
        Conversation { opened, context, sampling, tokens, stop, play, turns: Vec::new(), said: None }
    }

    /// The name over the model's speeches, in a play.
    pub fn reply(&self) -> Option<&str> {
        self.play.as_ref().map(|names| &names.reply[..])
    }

    /// Forgets it.
    pub fn reset(&mut self) {
        self.said = None;
        self.turns.clear();
    }

    /// Says something, and gives what is to be asked of the engine: as much of the conversation as leaves room for an answer. What was said
    /// before and has not been [`answered`](Self::answered) is as if it had not been said.
    ///
    /// # Errors
    /// What the file's template says to it, which is then as if it had not been said.
    pub fn say(&mut self, words: &str) -> Result<Ask> {
        let room = room(self.context, self.tokens);
        let turns = [&self.turns[..], &[Turn { role: Role::User, text: words.to_owned() }]].concat();
        let (prompt, end) = match &self.play {
            None => (recent(self.opened, &turns, &[], room)?.ids, None),
            Some(names) => (names.recent(self.opened, &turns, room), Some(SPEECH_END)),
        };
        let request = GenerateRequest {
            prompt,
            max_tokens: self.tokens,
            sampling: self.sampling,
            stop: self.opened.stop_ids(),
            when_full: WhenFull::Slide,
            log_probs: None,
            ..GenerateRequest::default()
        };
        self.sampling.seed = self.sampling.seed.wrapping_add(1);
        self.said = Some(words.to_owned());
        let stops = Stops::new(end.into_iter().chain(self.stop.iter().map(String::as_str)));
        Ok(Ask { request, stops })
    }

    /// Takes in the answer to what was said last, whole or cut short.
    pub fn answered(&mut self, answer: &str) {
        let Some(said) = self.said.take() else { return };
        self.turns.extend([
            Turn { role: Role::User, text: said },
            Turn { role: Role::Assistant, text: answer.to_owned() },
        ]);
    }
}

#[cfg(test)]
mod tests;
