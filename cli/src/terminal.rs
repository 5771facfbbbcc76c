//! The two streams of a command-line program: results on stdout, remarks on stderr. Neither ever
//! panics because the reader went away; what is said is the sub-commands' business.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::ProgressBar;

/// One remark on stderr. A closed stderr is nobody's problem.
pub fn note(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// One line about work that is done, on stdout. It stays done when nobody reads the line.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Whether a person is reading stdout.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person is reading stderr: progress bars make sense only then.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Lets a bar move while nothing happens, unless the system has no thread for that.
pub fn move_by_itself(bar: &ProgressBar) {
    if text::spare_thread().is_ok() {
        bar.enable_steady_tick(Duration::from_millis(500));
    }
}

/// Writes generated text at once, so that it appears as it is made.
///
/// # Errors
/// The stream's own, a broken pipe among them.
pub fn write_now(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Model text for a terminal: control characters that could move the cursor, recolour or retitle the
/// window become U+FFFD; line breaks, Windows' among them, and tabs stay.
pub fn printable(text: &str) -> String {
    let unsafe_char = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(unsafe_char) {
        return text.to_owned();
    }
    let plain = text.replace("\r\n", "\n");
    plain.chars().map(|c| if unsafe_char(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_keeps_lines_and_disarms_escapes() {
        assert_eq!(printable("a\n\tb é"), "a\n\tb é");
        assert_eq!(printable("a\u{1b}[2Jb\r"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(printable("one\r\ntwo\r\n\rthree"), "one\ntwo\n\u{fffd}three");
    }
}
