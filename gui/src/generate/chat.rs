//! A conversation, for models whose file says how one is written down. The turns are plain text; how they become a prompt is
//! `text::chat`'s business.

use serde::{Deserialize, Serialize};

use super::made::Made;
use super::manuscript::Manuscript;

/// Conversations that can be gone back to.
const KEPT: usize = 100;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Whether the model says it.
    pub by_model: bool,
    /// What is said.
    pub text: Manuscript,
    /// How the model came to say it, the last time it went on with it.
    #[serde(default)]
    pub made: Option<Made>,
}

/// A conversation, and what it was before.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// The turns so far; while the model speaks, the last is its own.
    pub turns: Vec<Said>,
    /// What is being said.
    pub input: String,
    past: Vec<Vec<Said>>,
    future: Vec<Vec<Said>>,
}

impl Chat {
    /// Keeps the turns as they are, to come back to.
    pub fn remember(&mut self) {
        self.past.push(self.turns.clone());
        self.future.clear();
        if self.past.len() > KEPT {
            self.past.remove(0);
        }
    }

    /// Whether there is something to go back to, and forward to.
    pub fn can_undo(&self) -> [bool; 2] {
        [!self.past.is_empty(), !self.future.is_empty()]
    }

    /// Goes back to what was before the last thing that was said, taken back or cleared. Words that are gone by that are in the field again.
    pub fn undo(&mut self) {
        let Some(before) = self.past.pop() else { return };
        let now = std::mem::replace(&mut self.turns, before);
        if let Some(said) = now.get(self.turns.len()).filter(|t| !t.by_model && self.input.trim().is_empty())
        {
            self.input = said.text.buffer.clone();
        }
        self.future.push(now);
    }

    /// Forward again.
    pub fn redo(&mut self) {
        if let Some(after) = self.future.pop() {
            self.past.push(std::mem::replace(&mut self.turns, after));
            self.input.clear();
        }
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        if !self.turns.is_empty() {
            self.remember();
            self.turns.clear();
        }
    }

    /// Whether the last answer can be gone on with.
    pub fn can_go_on(&self) -> bool {
        self.turns.last().is_some_and(|t| t.by_model)
    }

    /// An answer without a word is none.
    pub fn drop_empty_answer(&mut self) {
        if self.turns.last().is_some_and(|t| t.by_model && t.text.buffer.is_empty()) {
            self.turns.pop();
        }
    }

    /// The turn that the model is at.
    pub fn answer(&mut self) -> &mut Said {
        if self.turns.last().is_none_or(|t| !t.by_model) {
            self.turns.push(Said { by_model: true, ..Said::default() });
        }
        self.turns.last_mut().expect("one was just pushed")
    }

    /// Says something, and makes room for the answer.
    pub fn say(&mut self, words: String) {
        self.remember();
        self.turns.push(Said { by_model: false, text: Manuscript::typed(words), made: None });
    }

    /// Takes the last answer back.
    pub fn take_back(&mut self) -> bool {
        if self.turns.is_empty() {
            return false;
        }
        self.remember();
        if self.turns.last().is_some_and(|t| t.by_model) {
            self.turns.pop();
        }
        self.turns.last().is_some()
    }
}

/// Turns as plain text.
pub fn transcript(turns: &[Said]) -> String {
    let turn = |t: &Said| format!("{}\n{}\n", if t.by_model { "Model" } else { "You" }, t.text.buffer.trim());
    turns.iter().map(turn).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_conversation_takes_turns_and_everything_can_be_taken_back() {
        let mut chat = Chat::default();
        assert!(!chat.take_back() && !chat.can_go_on());
        chat.say("hello".into());
        chat.answer().text.push(1, "good", None, Arc::default());
        chat.answer().text.push(2, " day", None, Arc::default());
        chat.say("and you".into());
        assert!(chat.take_back() && chat.turns.len() == 3 && !chat.can_go_on());
        chat.answer().text.push(3, "well", None, Arc::default());
        assert!(chat.can_go_on());
        assert_eq!(transcript(&chat.turns), "You\nhello\n\nModel\ngood day\n\nYou\nand you\n\nModel\nwell\n");
        assert!(chat.take_back() && chat.turns.len() == 3);
        chat.undo();
        assert_eq!(chat.turns.len(), 4, "the answer that was taken back is there again");
        chat.clear();
        assert!(chat.turns.is_empty());
        chat.undo();
        assert_eq!(chat.turns.len(), 4);
        // Behind the taken back answer, and what was said before it.
        chat.undo();
        chat.undo();
        assert_eq!((chat.turns.len(), chat.input.as_str()), (2, "and you"));
        chat.redo();
        assert_eq!((chat.turns.len(), chat.input.as_str()), (3, ""));
        assert_eq!(chat.can_undo(), [true, true]);
        chat.say("something else".into());
        assert_eq!(chat.can_undo(), [true, false]);
    }
}
