//! The lines that somebody says in a conversation: a person's, edited and remembered from one conversation to the next,
//! or a script's, as they come.

use std::io::{BufRead, IsTerminal, Read, StdinLock};
use std::path::PathBuf;

use anyhow::Context;
use rustyline::config::{BellStyle, Config};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;

use crate::terminal::note;

/// Lines that are remembered.
const HISTORY_MAX: usize = 1000;
/// Bytes of a line that are read; a longer one is cut into several.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Where lines come from.
pub enum Lines {
    /// Somebody at a terminal.
    Person(Box<Person>),
    /// Another program, or a file.
    Script(StdinLock<'static>),
}

/// What came.
pub enum Line {
    /// Words, perhaps none.
    Said(String),
    /// Ctrl-C, with nothing being written.
    Interrupted,
    /// There will be no more.
    End,
}

/// An editor of lines, and where it keeps them.
pub struct Person {
    editor: rustyline::Editor<(), FileHistory>,
    history: Option<PathBuf>,
}

impl Lines {
    /// Lines from stdin.
    ///
    /// # Errors
    /// A terminal that cannot be used.
    pub fn open() -> anyhow::Result<Lines> {
        if !std::io::stdin().is_terminal() {
            return Ok(Lines::Script(std::io::stdin().lock()));
        }
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)
            .and_then(|config| config.history_ignore_dups(true))
            .context("cannot set up the terminal")?
            .history_ignore_space(true)
            .bell_style(BellStyle::None)
            .build();
        let mut editor = rustyline::Editor::with_config(config).context("cannot use the terminal")?;
        let history = history_file();
        if let Some(file) = &history {
            // There is none before the first conversation.
            let _ = editor.load_history(file);
        }
        Ok(Lines::Person(Box::new(Person { editor, history })))
    }

    /// Whether a person says them.
    pub fn are_a_persons(&self) -> bool {
        matches!(self, Lines::Person(_))
    }

    /// The next line, without its end.
    ///
    /// # Errors
    /// The stream's own.
    pub fn next(&mut self) -> anyhow::Result<Line> {
        match self {
            Lines::Person(person) => person.next(),
            Lines::Script(stdin) => next_of(stdin),
        }
    }
}

impl Person {
    fn next(&mut self) -> anyhow::Result<Line> {
        match self.editor.readline("> ") {
            Ok(line) => {
                if !line.trim().is_empty() && self.editor.add_history_entry(&line).unwrap_or(false) {
                    self.remember();
                }
                Ok(Line::Said(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(error).context("cannot read from the terminal"),
        }
    }

    /// Keeps the history at every line: a terminal may be closed at any moment. What cannot be kept is said once.
    fn remember(&mut self) {
        let Some(file) = &self.history else { return };
        let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        let kept = folder.map_err(ReadlineError::from).and_then(|()| self.editor.append_history(file));
        if let Err(error) = kept {
            note(format_args!(
                "your lines are not kept for the next conversation: {}: {error}",
                file.display()
            ));
            self.history = None;
        }
    }
}

fn next_of(stdin: &mut impl BufRead) -> anyhow::Result<Line> {
    let mut line = Vec::new();
    if stdin.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
        return Ok(Line::End);
    }
    let line = String::from_utf8_lossy(&line);
    Ok(Line::Said(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// `chat_history` in the user's folder for such things.
fn history_file() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "tercet")?;
    Some(dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).join("chat_history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_script_come_one_by_one_and_no_longer_than_the_limit() {
        let endless = vec![b'a'; LINE_BYTES_MAX as usize + 10];
        let mut script = [&b"first\r\n\xff\n"[..], &endless].concat();
        script.push(b'\n');
        let mut stdin = &script[..];
        let mut said = || match next_of(&mut stdin).unwrap() {
            Line::Said(line) => Some(line),
            _ => None,
        };
        assert_eq!(said().as_deref(), Some("first"));
        assert_eq!(said().as_deref(), Some("\u{fffd}"));
        assert_eq!(said().map(|line| line.len() as u64), Some(LINE_BYTES_MAX));
        assert_eq!(said().as_deref(), Some("aaaaaaaaaa"));
        assert_eq!(said(), None);
    }
}
