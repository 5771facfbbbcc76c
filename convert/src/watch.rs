//! Long work as somebody follows it: how far it is, and whether it is to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// How far the work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// "looking at weights", say.
    pub what: &'static str,
    /// Weights that are done.
    pub done: u64,
    /// Weights in all.
    pub of: u64,
}

/// Who is told, and who may stop it.
pub struct Watch<'a> {
    stop: &'a AtomicBool,
    tell: &'a mut dyn FnMut(Progress),
    now: Progress,
}

impl<'a> Watch<'a> {
    /// Tells `tell` now and then, and stops once `stop` is set.
    pub fn new(stop: &'a AtomicBool, tell: &'a mut dyn FnMut(Progress)) -> Watch<'a> {
        Watch { stop, tell, now: Progress { what: "", done: 0, of: 0 } }
    }

    /// Work on so many weights begins.
    pub(crate) fn begin(&mut self, what: &'static str, of: u64) {
        self.now = Progress { what, done: 0, of };
    }

    /// So many more are done.
    ///
    /// # Errors
    /// [`Error::Stopped`] once that is asked.
    pub(crate) fn more(&mut self, weights: u64) -> Result<()> {
        self.now.done += weights;
        (self.tell)(self.now);
        if self.stop.load(Ordering::SeqCst) { Err(Error::Stopped) } else { Ok(()) }
    }
}
