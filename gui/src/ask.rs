//! Asking a person for a file: the system's dialog on a thread, since it may hang, and what becomes of the answer. Where the system has no dialog, a small
//! window with a field for a path takes its place (`shell::path_window`).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::command::Command;
use crate::env::Filter;
use crate::jobs::{self, Job};
use crate::shared::Shared;

/// A dialog that answers within so little time was never seen by anybody.
const UNSEEN: Duration = Duration::from_millis(400);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file that exists.
    Open(&'static [Filter]),
    /// A file to write: a name to begin with, and the kinds there are.
    Save(String, &'static [Filter]),
    /// A folder.
    Folder,
}

/// A question, and what is done with the answer.
#[derive(Clone)]
pub struct Question {
    /// As the dialog's title says it.
    pub title: &'static str,
    /// What is asked for.
    pub kind: Kind,
    /// What follows.
    pub then: fn(PathBuf) -> Command,
}

impl Question {
    /// For a file that exists.
    pub fn open(title: &'static str, kinds: &'static [Filter], then: fn(PathBuf) -> Command) -> Question {
        Question { title, kind: Kind::Open(kinds), then }
    }

    /// For a file to write.
    pub fn save(
        title: &'static str,
        name: impl Into<String>,
        kinds: &'static [Filter],
        then: fn(PathBuf) -> Command,
    ) -> Question {
        Question { title, kind: Kind::Save(name.into(), kinds), then }
    }

    /// For a folder.
    pub fn folder(title: &'static str, then: fn(PathBuf) -> Command) -> Question {
        Question { title, kind: Kind::Folder, then }
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("title", &self.title)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

// What follows from an answer belongs to the title.
impl PartialEq for Question {
    fn eq(&self, other: &Question) -> bool {
        (self.title, &self.kind) == (other.title, &other.kind)
    }
}

/// What became of a question.
#[derive(Debug)]
pub enum Answer {
    /// This is to be done.
    Then(Command),
    /// The system shows no dialog.
    NoDialog(Question),
    /// Somebody closed it.
    Nothing,
}

/// The questions that are open.
#[derive(Debug, Default)]
pub struct Asker(Vec<(Question, Job<Option<PathBuf>>)>);

impl Asker {
    /// Asks, unless the same question is open.
    pub fn ask(&mut self, question: Question, shared: &mut Shared) {
        let (dialogs, kind, title) = (shared.env.dialogs.clone(), question.kind.clone(), question.title);
        let ask = move |_: &jobs::JobContext| match kind {
            Kind::Open(kinds) => dialogs.open_file(title, kinds),
            Kind::Save(name, kinds) => dialogs.save_file(title, &name, kinds),
            Kind::Folder => dialogs.open_folder(title),
        };
        if let Some(job) = shared.jobs.start(&format!("File dialog: {title}"), ask) {
            // A dialog cannot be closed from here, only its answer be done without.
            job.info.may_be_left();
            self.0.push((question, job));
        }
    }

    /// Whether one is open.
    pub fn is_asking(&self) -> bool {
        !self.0.is_empty()
    }

    /// An answer that came.
    pub fn answer(&mut self) -> Option<Answer> {
        for i in 0..self.0.len() {
            let (_, job) = &self.0[i];
            let after = job.info.started.elapsed();
            let (question, job) = self.0.remove(i);
            let mut slot = Some(job);
            match jobs::take(&mut slot) {
                None => self.0.insert(i, (question, slot.expect("it is not done"))),
                Some(Ok(Some(path))) => return Some(Answer::Then((question.then)(path))),
                Some(_) if after < UNSEEN => return Some(Answer::NoDialog(question)),
                Some(_) => return Some(Answer::Nothing),
            }
        }
        None
    }
}
