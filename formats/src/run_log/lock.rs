//! The lock on a run: one process trains it at a time. The system lets go of it when the process ends, however it ends.

use crate::{Error, Result, ordinary};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// Between two attempts to take a run for writing.
const RETRY: Duration = Duration::from_millis(20);
/// Attempts after the first: whoever asks [`is_locked`] holds the lock for an instant.
const RETRIES: u32 = 10;

/// Keeps other processes from writing to the run until dropped.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock in this file; `None` if another process has it.
    ///
    /// # Errors
    /// The file cannot be made or locked.
    pub(super) fn take(path: &Path) -> Result<Option<RunLock>> {
        let file = ordinary::open_to_change(path)?;
        for attempt in 0.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < RETRIES => std::thread::sleep(RETRY),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(source)) => return Err(Error::io("lock", path)(source)),
            }
        }
        Ok(Some(RunLock { _file: file }))
    }
}

/// Whether a process on this machine has the lock in this file.
pub(super) fn is_locked(path: &Path) -> bool {
    let lock = ordinary::open(path);
    lock.is_ok_and(|(file, _)| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
