//! What is kept on disk as a person changes it: written off the frame once it has been different for a while, tried again after a failure that is said
//! once, and waited for at the end, so that an older state never lands last.

use std::time::{Duration, Instant};

use crate::jobs::{self, Job};
use crate::shared::Shared;

/// How long what is on disk may be older.
const AFTER: Duration = Duration::from_secs(2);
/// After a write that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(20);

/// Writes one thing down, again and again; `T` tells what was written.
#[derive(Debug)]
pub struct Keeper<T> {
    since: Option<Instant>,
    writing: Option<Job<Result<T, String>>>,
    /// When it could not be written; said once.
    failed: Option<Instant>,
}

impl<T> Default for Keeper<T> {
    fn default() -> Self {
        Keeper { since: None, writing: None, failed: None }
    }
}

impl<T: Send + 'static> Keeper<T> {
    /// What was written since this was last asked; a failure is put into words by `say`.
    pub fn written(&mut self, shared: &mut Shared, say: impl FnOnce(String) -> String) -> Option<T> {
        match jobs::take(&mut self.writing)? {
            Ok(Ok(written)) => Some(written),
            Ok(Err(why)) | Err(why) => {
                if self.failed.replace(Instant::now()).is_none() {
                    shared.notices.warn(say(why));
                }
                None
            }
        }
    }

    /// Whether it is time to write, given whether what is there differs from what is on disk.
    pub fn is_due(&mut self, differs: bool, shared: &Shared) -> bool {
        if !differs {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() < AFTER || self.writing.is_some() {
            shared.ctx.request_repaint_after(AFTER);
            return false;
        }
        self.failed.is_none_or(|at| at.elapsed() >= AGAIN_AFTER)
    }

    pub fn write(
        &mut self,
        shared: &Shared,
        what: &str,
        write: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) {
        self.since = None;
        self.writing = shared.jobs.start_quietly(what, move |_| write());
    }

    /// Waits for a write that is under way: at the end, before the last one.
    pub fn wait(&mut self) {
        jobs::wait(&mut self.writing);
    }
}
