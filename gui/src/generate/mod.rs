//! The generate page: a text that the model goes on with. The text is the page; everything about how it is drawn, kept and saved has a
//! file of its own.

mod begin;
mod chat;
mod chat_ui;
mod column;
mod commands;
mod draft;
mod engine;
mod history;
mod made;
mod manuscript;
mod panel;
mod prompt;
mod save;
mod status;
mod strip;
mod surprise;
mod ui;
mod view;
mod writer;

use std::path::PathBuf;

use crate::jobs::{self, Job};
use crate::open::Loaded;
use crate::shared::Shared;
use chat::Chat;
use draft::Draft;
use history::History;
use made::Made;
use manuscript::Manuscript;
use view::Card;
use writer::{Ended, Writer};

/// The name of the text's field.
const MANUSCRIPT: &str = "manuscript";
/// What the shipped model is given to begin with.
const PROMPT: &str = "ROMEO:\n";

#[derive(Debug, Default)]
pub struct Generate {
    text: Manuscript,
    chat: Chat,
    /// A model that converses continues text all the same.
    notebook: bool,
    /// What is being written is the answer of a conversation.
    answering: bool,
    history: History,
    writer: Option<Writer>,
    /// How the text's last part is made, or was; and the conversation's last answer.
    made: Option<Made>,
    answered: Option<Made>,
    /// How the last writing ended, until somebody has read it.
    ended: Option<Ended>,
    card: Option<Card>,
    /// What the pointer is on in the strip of surprise.
    pointed: surprise::Pointed,
    /// What is being written is another try of the last part.
    beside: bool,
    /// Tries that are still to follow by themselves, and how many did: a fixed seed goes up by one with each.
    to_try: usize,
    tried: u64,
    strip: bool,
    /// The caret goes behind the text, once.
    focus: bool,
    /// The text is another one, and nobody typed it: what its field would take back is of the one before.
    rebased: bool,
    stops: panel::Stops,
    draft: Draft,
    saving: Option<Job<Result<PathBuf, String>>>,
    /// There was a text to begin with: the page of last time, or a first prompt.
    begun: bool,
}

impl Generate {
    /// Whether a text is being written.
    pub fn is_writing(&self) -> bool {
        self.writer.is_some()
    }

    /// The text on the page.
    pub fn text(&self) -> &str {
        &self.text.buffer
    }

    /// How many of its tokens the model wrote.
    pub fn written_tokens(&self) -> usize {
        self.text.tokens().len()
    }

    /// The app begins: what was on the page is there again.
    pub fn restore(&mut self, shared: &mut Shared) {
        self.focus = true;
        let Some(folder) = shared.env.config_dir.clone() else { return };
        match self.draft.open(&folder) {
            Ok(Some(kept)) => {
                (self.text, self.made, self.begun) = (kept.text, kept.made, true);
                (self.chat.turns, self.chat.input) = (kept.chat, kept.saying);
            }
            Ok(None) => {}
            Err(why) => shared.notices.warn(why),
        }
        self.draft.is_kept(&self.text, &self.chat);
    }

    /// The app ends: what is on the page is kept.
    pub fn leave(&mut self) {
        self.draft.keep_now(&self.text, &self.chat, self.made.as_ref());
    }

    /// Whether the page is a conversation.
    pub fn is_chat(&self, shared: &Shared) -> bool {
        let converses = shared.model.get().is_some_and(|m| m.opened.chat_template.is_some());
        converses && !self.notebook
    }

    /// What has been said, and by whom: true for the model.
    pub fn said(&self) -> Vec<(bool, &str)> {
        self.chat.turns.iter().map(|t| (t.by_model, t.text.buffer.as_str())).collect()
    }

    /// Another model is open: its settings, unless a person has their own, and a prompt for the shipped one on a page that was never used.
    pub fn model_opened(&mut self, model: &Loaded, shared: &mut Shared) {
        self.writer = None;
        (self.answering, self.beside, self.to_try) = (false, false, 0);
        self.chat.drop_empty_answer();
        if !shared.settings.writing.own {
            shared.settings.writing.set_sampling(&model.opened.sampling);
        }
        if !std::mem::replace(&mut self.begun, true) && self.text.buffer.is_empty() && model.shipped {
            self.text = Manuscript::typed(PROMPT);
            self.draft.is_kept(&self.text, &self.chat);
            self.focus = true;
        }
        self.text.belongs_to(model.vocabulary);
        self.chat.turns.iter_mut().for_each(|t| t.text.belongs_to(model.vocabulary));
        self.history.keep(&self.text, self.made.clone());
    }

    /// Takes in what the engine wrote.
    pub fn logic(&mut self, shared: &mut Shared) {
        if let Some(writer) = &mut self.writer {
            let (text, made) = if self.answering {
                (&mut self.chat.answer().text, &mut self.answered)
            } else {
                (&mut self.text, &mut self.made)
            };
            let ended = writer.take(text);
            if let Some(made) = made {
                made.figures = writer.figures.clone();
            }
            if let Some(ended) = ended {
                self.ended(ended, shared);
            }
        }
        if self.to_try > 0 && self.writer.is_none() {
            self.to_try -= 1;
            self.tried += 1;
            self.again(shared);
        }
        if let Some(result) = jobs::take(&mut self.saving) {
            match result {
                Ok(Ok(path)) => shared.notices.good(format!("Saved {}", path.display())),
                Ok(Err(why)) | Err(why) => shared.notices.bad(format!("The text was not saved: {why}")),
            }
        }
        self.draft.keep(&self.text, &self.chat, self.made.as_ref(), shared);
    }

    /// The text is written, or will not be.
    fn ended(&mut self, ended: Ended, shared: &mut Shared) {
        let fault = self.writer.take().and_then(|writer| writer.fault.clone());
        self.rebased = true;
        let whole = matches!(ended, Ended::Length | Ended::Model | Ended::Stop(_));
        self.to_try = if whole { self.to_try } else { 0 };
        let failed = matches!(ended, Ended::Failed(_));
        self.ended = Some(ended);
        let made = self.made.clone();
        if std::mem::take(&mut self.answering) {
            // The conversation is its own history. Nothing was answered: the words are in the field again.
            self.chat.answer().made = self.answered.clone();
            self.chat.drop_empty_answer();
            if failed && !self.chat.can_go_on() {
                self.chat.undo();
            }
        } else if std::mem::take(&mut self.beside) {
            self.history.keep_beside(&self.text, made);
        } else {
            self.history.keep(&self.text, made);
        }
        if let Some(fault) = fault {
            shared.notices.warn(format!("{fault}. The CPU went on."));
        }
    }

    /// Whether the last part, or the last answer, can be written again.
    fn can_again(&self, chat: bool) -> bool {
        if chat { !self.chat.turns.is_empty() } else { self.text.part().is_some() }
    }

    /// Whether there is a version to go back to, and one to go forward to.
    fn can_undo(&self, chat: bool) -> [bool; 2] {
        if chat {
            return self.chat.can_undo();
        }
        [self.history.before().is_some() || self.is_edited(), self.history.after().is_some()]
    }

    /// Whether the page differs from the version that it came from.
    fn is_edited(&self) -> bool {
        let kept = self.history.versions().get(self.history.cursor());
        kept.is_some_and(|v| v.text.buffer != self.text.buffer)
    }
}
