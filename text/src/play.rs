//! A conversation with a model that only continues text and has no turns of its own: each line is set as a speech in a play, and the model writes the
//! answer up to the blank line that ends it.

use crate::opened::Opened;
use crate::room::tail;

/// What ends a speech.
pub const SPEECH_END: &str = "\n\n";

/// The names over the speeches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Over a person's.
    pub user: String,
    /// Over the model's.
    pub reply: String,
}

/// A play so far.
#[derive(Debug)]
pub struct Play {
    names: Names,
    transcript: String,
}

impl Play {
    pub fn new(names: Names) -> Play {
        Play { names, transcript: String::new() }
    }

    /// The model's name.
    pub fn reply(&self) -> &str {
        &self.names.reply
    }

    /// Forgets it.
    pub fn clear(&mut self) {
        self.transcript.clear();
    }

    /// The ids of the play up to the model's answer to one more speech, from the start of a speech on that has room. If that one speech has
    /// none, its end is left.
    pub fn prompt(&self, opened: &Opened, said: &str, room: usize) -> Vec<u32> {
        let whole = self.with(said);
        let mut rest = &whole[..];
        loop {
            let ids = opened.prompt_ids(rest);
            match rest.split_once(SPEECH_END) {
                // The last end of a speech is that of the one to be answered.
                Some((_, later)) if ids.len() > room && later.contains(SPEECH_END) => rest = later,
                _ => return tail(ids, room, opened.tokenizer.bos()).ids,
            }
        }
    }

    /// Keeps a speech and its answer.
    pub fn push(&mut self, said: &str, answer: &str) {
        self.transcript = self.with(said);
        self.transcript.push_str(answer.trim_end());
        self.transcript.push_str(SPEECH_END);
    }

    /// The transcript with one more speech, and the name over its answer.
    fn with(&self, said: &str) -> String {
        let Names { user, reply } = &self.names;
        format!("{}{user}:\n{said}{SPEECH_END}{reply}:\n", self.transcript)
    }
}
