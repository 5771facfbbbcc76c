//! The one error type of this crate: what was wrong, where, what was expected and what was found.
//! Names and keys from files pass through [`shown`], so that no file writes to the terminal.

use std::path::{Path, PathBuf};

/// An error with its causes, as one sentence. Causes that their parent already quotes are left out.
pub fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |e| e.source());
    for part in causes.map(|e| e.to_string()) {
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
    }
    text
}

use crate::shown::shown_path;
use crate::{blocks, gguf};

/// What a hostile or damaged file, or the file system, can do to us.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused: `what` we tried, on which `path`.
    #[error("cannot {what} {}: {source}", shown_path(path))]
    Io {
        /// The verb phrase, "open", "write to".
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// A folder, pipe, socket or device where a file is needed.
    #[error("not an ordinary file, but a {found}: {}", shown_path(path))]
    NotAFile {
        /// "folder", or "pipe or device".
        found: &'static str,
        /// What we were asked to open.
        path: PathBuf,
    },
    /// What should be a text is none that we read.
    #[error("cannot use {} as text: {problem}; save it as UTF-8", place.escape_debug())]
    NotText {
        /// The file, or whatever else it comes from.
        place: String,
        /// What it is instead, or the place where it stops being UTF-8.
        problem: String,
    },
    /// A GGUF file, its metadata or one of its tensors is not as it must be.
    #[error("{problem} (in {})", file.escape_debug())]
    Gguf {
        /// What is wrong and where in the file.
        #[source]
        problem: gguf::Problem,
        /// The file's name, as the caller gave it.
        file: String,
    },
    /// Packed weights are not as their type says, or cannot be packed so.
    #[error(transparent)]
    Block(#[from] blocks::Problem),
    /// A vocabulary that cannot be used.
    #[error("cannot use the tokenizer in {}: {problem}", name.escape_debug())]
    Tokenizer {
        /// The file, or whatever else it comes from.
        name: String,
        /// What is wrong, where, and the cure if we know one.
        problem: String,
    },
    /// A checkpoint that is not what was written.
    #[error("a damaged checkpoint: {problem} (in {})", shown_path(path))]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// What was expected and found, where.
        problem: String,
    },
    /// A run folder that is not what was written, or not ours to write.
    #[error("{problem} (in {})", shown_path(path))]
    Run {
        /// The folder or the file in it.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl Error {
    /// Makes the system's refusal of `what` on `path` an error, for `map_err`.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Io { what, path: path.to_owned(), source }
    }
}

/// Shorthand for this crate.
pub type Result<T> = std::result::Result<T, Error>;
