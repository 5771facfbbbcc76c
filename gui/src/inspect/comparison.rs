//! The comparison with another file, and what it takes to make one: a job that reads both.

use std::path::PathBuf;
use std::sync::Arc;

use super::difference::{Difference, Side};
use super::subject::Subject;
use crate::jobs::{self, Job, JobContext};
use crate::shared::Shared;

/// See the top of this file.
#[derive(Debug, Default)]
pub struct Comparison {
    /// What is in the field for the other file's path.
    pub path: String,
    /// The work under way.
    pub making: Option<Job<Result<Difference, String>>>,
    /// What came of it.
    pub made: Option<Difference>,
    /// Or why nothing did.
    pub failed: Option<String>,
}

impl Comparison {
    /// Forgets what was compared: another file is open.
    pub fn turn(&mut self) {
        if let Some(job) = self.making.take() {
            job.info.cancel();
        }
        (self.made, self.failed) = (None, None);
    }

    /// Whether one is on its way.
    pub fn is_busy(&self) -> bool {
        self.making.is_some()
    }

    /// Takes in what happened elsewhere.
    pub fn logic(&mut self) {
        match jobs::take(&mut self.making) {
            Some(Ok(Ok(difference))) => (self.made, self.failed) = (Some(difference), None),
            Some(Ok(Err(why)) | Err(why)) => self.failed = Some(why),
            None => {}
        }
    }

    /// Holds a file against the open one.
    pub fn start(&mut self, subject: &Arc<Subject>, other: PathBuf, shared: &mut Shared) {
        self.turn();
        self.path = other.display().to_string();
        let subject = Arc::clone(subject);
        let work = move |job: &JobContext| {
            let here = Side { path: subject.path(), header: &subject.header, stamp: subject.stamp };
            Difference::new(here, &other, job)
        };
        self.making = shared.jobs.start("Comparing two models", work);
        if self.making.is_none() {
            self.failed = Some("The comparison before is still being given up. Try again.".into());
        }
    }
}
