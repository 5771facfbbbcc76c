//! A conversation with a model: as its file's chat template writes one down, or as a play for a model that only continues text.

use runtime::request::{GenerateRequest, WhenFull};
use runtime::sampler::Sampling;
use text::chat::{Role, Turn, recent};
use text::{Ask, Opened, Running, Stops, room, tail};

use crate::generate::{Show, write};

/// Longest answer of each kind, if nothing else is said.
const SPEECH_TOKENS: usize = 120;
const ANSWER_TOKENS: usize = 1024;

/// A conversation so far.
pub struct Talk<'a> {
    running: &'a Running,
    sampling: Sampling,
    tokens: usize,
    stop: &'a [String],
    manner: Manner,
}

/// How what is said becomes text.
enum Manner {
    /// Turns, which the file's template writes down.
    Turns(Vec<Turn>),
    /// A model that continues text has no turns of its own: each line is set as a speech, and the model writes the answer up to the
    /// blank line that ends it.
    Play { user: String, reply: String, transcript: String },
}

/// The names of a play.
pub struct Names {
    pub user: String,
    pub reply: String,
}

impl<'a> Talk<'a> {
    /// Begins one: a play if there are names for it, and else by the file's template. `tokens` is the longest answer.
    pub fn new(
        running: &'a Running,
        sampling: Sampling,
        tokens: Option<usize>,
        stop: &'a [String],
        play: Option<Names>,
    ) -> Self {
        let usual = if play.is_some() {
            SPEECH_TOKENS
        } else {
            ANSWER_TOKENS.min(running.engine.context().div_ceil(2))
        };
        let manner = match play {
            Some(Names { user, reply }) => Manner::Play { user, reply, transcript: String::new() },
            None => Manner::Turns(Vec::new()),
        };
        Talk { running, sampling, tokens: tokens.unwrap_or(usual), stop, manner }
    }

    /// Forgets it.
    pub fn reset(&mut self) {
        match &mut self.manner {
            Manner::Turns(turns) => turns.clear(),
            Manner::Play { transcript, .. } => transcript.clear(),
        }
    }

    /// Something that a person says, and the model's answer; whether somebody cut that one short.
    ///
    /// # Errors
    /// What the file's template says to it, which is then as if it had not been said; the engine's own.
    pub fn turn(&mut self, said: &str) -> anyhow::Result<bool> {
        let prompt = self.prompt(said)?;
        let request = GenerateRequest {
            prompt,
            max_tokens: self.tokens,
            sampling: self.sampling,
            stop: self.running.opened.stop_ids(),
            when_full: WhenFull::Slide,
            log_probs: None,
        };
        // Another turn, another draw, but the same seed still gives the same conversation.
        self.sampling.seed = self.sampling.seed.wrapping_add(1);
        let mut show = Show::new(true);
        let ends = match &self.manner {
            Manner::Turns(_) => None,
            Manner::Play { reply, .. } => {
                show.text(&format!("{reply}:\n"))?;
                Some("\n\n")
            }
        };
        let stops = Stops::new(ends.into_iter().chain(self.stop.iter().map(String::as_str)));
        let written = write(self.running, Ask { request, stops }, &mut show)?;
        show.text(if written.text.ends_with('\n') { "\n" } else { "\n\n" })?;
        match &mut self.manner {
            Manner::Turns(turns) => turns.push(Turn { role: Role::Assistant, text: written.text.clone() }),
            Manner::Play { transcript, .. } => {
                transcript.push_str(written.text.trim_end());
                transcript.push_str("\n\n");
            }
        }
        Ok(written.interrupted())
    }

    /// The conversation with one more thing said, as far as there is room for it before an answer.
    fn prompt(&mut self, said: &str) -> text::Result<Vec<u32>> {
        let room = room(self.running.engine.context(), self.tokens);
        match &mut self.manner {
            Manner::Turns(turns) => {
                turns.push(Turn { role: Role::User, text: said.to_owned() });
                let recent = recent(&self.running.opened, turns, &[], room);
                if recent.is_err() {
                    turns.pop();
                }
                recent.map(|recent| recent.ids)
            }
            Manner::Play { user, reply, transcript } => {
                transcript.push_str(&format!("{user}:\n{said}\n\n{reply}:\n"));
                Ok(recent_speeches(&self.running.opened, transcript, room))
            }
        }
    }
}

/// The end of a transcript, from the start of a speech on, that has room; at worst a bare tail of it.
fn recent_speeches(opened: &Opened, mut transcript: &str, room: usize) -> Vec<u32> {
    loop {
        let ids = opened.prompt_ids(transcript);
        if ids.len() <= room {
            return ids;
        }
        match transcript.find("\n\n") {
            Some(at) => transcript = &transcript[at + 2..],
            None => return tail(ids, room, opened.tokenizer.bos()).ids,
        }
    }
}
