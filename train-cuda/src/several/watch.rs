//! Whether all of several cards are still there: whoever waits for them looks here.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};

/// Between two looks.
pub const LOOK: Duration = Duration::from_millis(20);

/// See the top of this file.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Option<(String, String)>>);

impl Watch {
    /// Somebody is gone, and why. Who was first counts: the others go because of that.
    pub fn lost(&self, who: &str, problem: &str) {
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lost.get_or_insert_with(|| (who.to_owned(), problem.to_owned()));
    }

    /// Whether all are there.
    ///
    /// # Errors
    /// Who is not.
    pub fn check(&self) -> Result<()> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some((who, problem)) => Err(Error::Other { who: who.clone(), problem: problem.clone() }),
        }
    }
}
