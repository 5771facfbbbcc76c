//! Appending to a log, a line with one write, so that a crash tears at most the last one.

use super::whole::whole_lines;
use crate::{Error, Result, ordinary};
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Appends lines to a log.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: File,
    /// Where the last whole line ends.
    end: u64,
}

impl LogWriter {
    /// Opens the file, made if there is none, and cuts off what follows its last whole line.
    ///
    /// # Errors
    /// It cannot be read or cut.
    pub(super) fn open(path: &Path) -> Result<LogWriter> {
        let mut file = ordinary::open_to_change(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        let end = whole_lines(&bytes) as u64;
        let cut = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end)));
        cut.map_err(Error::io("write to", path))?;
        Ok(LogWriter { path: path.to_owned(), file, end })
    }

    /// Appends one line. After an error (a full disk) the log holds whole lines only, and appending may be tried again.
    ///
    /// # Errors
    /// The disk is full or broken, or the line is nothing that JSON can say.
    pub fn append<T: Serialize>(&mut self, line: &T) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).map_err(|e| Error::Run {
            path: self.path.clone(),
            problem: format!("a line cannot be written as JSON: {e}"),
        })?;
        bytes.push(b'\n');
        match self.file.write_all(&bytes) {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(())
            }
            Err(source) => {
                // Whether or not this works, the next writer to open the file cuts the tail.
                let _ = self.file.set_len(self.end).and_then(|()| self.file.seek(SeekFrom::Start(self.end)));
                Err(Error::io("write to", &self.path)(source))
            }
        }
    }

    /// Waits until everything appended is on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }
}
