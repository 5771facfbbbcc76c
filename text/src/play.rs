//! A conversation with a model that only continues text and has no turns of its own: each turn is set as a speech in a play, and the model writes the
//! answer up to the blank line that ends it.

use std::borrow::Cow;

use crate::chat::{Role, Turn};
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

impl Default for Names {
    /// Two that every play's reader has heard of, and the shipped model above all.
    fn default() -> Self {
        Names { user: "ROMEO".to_owned(), reply: "JULIET".to_owned() }
    }
}

impl Names {
    /// The play up to the model's next speech. What holds for the whole conversation stands between speeches, without a name.
    pub fn script(&self, turns: &[Turn]) -> String {
        let speech = |turn: &Turn| {
            let name = match turn.role {
                Role::System => Cow::Borrowed(""),
                Role::User => format!("{}:\n", self.user).into(),
                Role::Assistant => format!("{}:\n", self.reply).into(),
            };
            format!("{name}{}{SPEECH_END}", turn.text.trim())
        };
        let so_far: String = turns.iter().map(speech).collect();
        format!("{so_far}{}:\n", self.reply)
    }

    /// The ids of the play from the start of a speech on that has room. If the last one has none, its end is left.
    pub fn recent(&self, opened: &Opened, turns: &[Turn], room: usize) -> Vec<u32> {
        let mut rest = turns;
        loop {
            let ids = opened.prompt_ids(&self.script(rest));
            match rest {
                [_, later @ ..] if ids.len() > room && !later.is_empty() => rest = later,
                _ => return tail(ids, room, opened.tokenizer.bos()).ids,
            }
        }
    }
}
