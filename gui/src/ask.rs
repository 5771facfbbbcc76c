//! Asking a person for a file: the system's dialog on a thread, since it may hang, and what becomes of the answer. Where the system has no dialog, a small
//! window with a field for a path takes its place (`shell::path_window`).

use std::path::PathBuf;
use std::time::Duration;

use crate::command::Command;
use crate::jobs::{self, Job};
use crate::question::{Question, Wanted};
use crate::shared::Shared;

/// A dialog that answers within so little time was never seen by anybody.
const UNSEEN: Duration = Duration::from_millis(400);

/// What became of a question.
#[derive(Debug)]
pub enum Answer {
    /// This is to be done.
    Then(Command),
    /// The system shows no dialog.
    NoDialog(Question<Command>),
    /// Somebody closed it.
    Nothing,
}

/// The questions that are open.
#[derive(Debug, Default)]
pub struct Asker(Vec<(Question<Command>, Job<Option<PathBuf>>)>);

impl Asker {
    /// Asks, unless the same question is open.
    pub fn ask(&mut self, question: Question<Command>, shared: &mut Shared) {
        let (dialogs, wanted, title) = (shared.env.dialogs.clone(), question.wanted.clone(), question.title);
        let ask = move |_: &jobs::JobContext| match wanted {
            Wanted::Open(kinds) => dialogs.open_file(title, kinds),
            Wanted::Save(name, kinds) => dialogs.save_file(title, &name, kinds),
            Wanted::Folder => dialogs.open_folder(title),
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
