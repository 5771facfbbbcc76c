//! A question for a file or a folder, as a value that says what follows from the answer. Asking it is `ask`'s business.

use std::fmt;
use std::path::PathBuf;

use crate::env::Filter;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A file that exists.
    Open(&'static [Filter]),
    /// A file to write: a name to begin with, and the kinds there are.
    Save(String, &'static [Filter]),
    Folder,
}

/// A question, and what is done with the answer: a `C`, which is a command, and stays open here because a command may ask.
#[derive(Clone)]
pub struct Question<C> {
    /// As the dialog's title says it.
    pub title: &'static str,
    /// What is asked for.
    pub wanted: Wanted,
    /// What follows.
    pub then: fn(PathBuf) -> C,
}

impl<C> Question<C> {
    /// For a file that exists.
    pub fn open(title: &'static str, kinds: &'static [Filter], then: fn(PathBuf) -> C) -> Question<C> {
        Question { title, wanted: Wanted::Open(kinds), then }
    }

    /// For a file to write.
    pub fn save(
        title: &'static str,
        name: impl Into<String>,
        kinds: &'static [Filter],
        then: fn(PathBuf) -> C,
    ) -> Question<C> {
        Question { title, wanted: Wanted::Save(name.into(), kinds), then }
    }

    /// For a folder.
    pub fn folder(title: &'static str, then: fn(PathBuf) -> C) -> Question<C> {
        Question { title, wanted: Wanted::Folder, then }
    }
}

impl<C> fmt::Debug for Question<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("title", &self.title)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

// What follows from an answer belongs to the title.
impl<C> PartialEq for Question<C> {
    fn eq(&self, other: &Question<C>) -> bool {
        (self.title, &self.wanted) == (other.title, &other.wanted)
    }
}
