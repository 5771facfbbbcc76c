//! How the program ends: exit codes 0 (ok), 1 (failure), 2 (usage), 3 (left at once) and 130 (interrupted), and the
//! one sentence on stderr that explains a failure. What failed is the sub-commands' business.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use formats::sentence;

use crate::terminal::note;

/// Exit code of work that was told to stop and had nothing to save, or was not given the time to.
pub const LEFT_AT_ONCE: u8 = 3;

/// Exit code of a run that the user interrupted, after it saved what it had.
pub const INTERRUPTED: u8 = 130;

/// The user asked for something that cannot be: exit code 2, as for an unknown flag.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Usage {}

/// Shorthand for `Err(Usage(..))` as an `anyhow` error.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    Usage(message.into()).into()
}

/// Turns a sub-command's result into an exit code, saying why on stderr if it failed.
///
/// A reader that went away (`tercet generate … | head`) is not a failure and is not mentioned.
pub fn report(result: anyhow::Result<ExitCode>) -> ExitCode {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    if error.chain().any(is_broken_pipe) {
        return ExitCode::SUCCESS;
    }
    note(format_args!("tercet: {}", sentence(error.as_ref())));
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::from(1) }
}

fn is_broken_pipe(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// A bug of ours ends in one sentence too. `RUST_BACKTRACE` brings the default report back, where it asks for one.
pub fn quiet_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|set| !set.is_empty() && set != "0") {
        return;
    }
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("no message");
        // `println!` panics when its reader has gone away, which is no bug.
        if message.starts_with("failed printing to") && message.contains("Broken pipe") {
            std::process::exit(0);
        }
        note(format_args!(
            "tercet: internal error at {place}: {message} (set RUST_BACKTRACE=1 for the details)"
        ));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn sentence_joins_causes_and_skips_repeats() {
        let inner = io::Error::other("disk on fire");
        let error = anyhow::Error::from(inner).context("cannot open x.gguf: disk on fire");
        assert_eq!(sentence(error.as_ref()), "cannot open x.gguf: disk on fire");
        let error = Err::<(), _>(io::Error::other("disk on fire")).context("cannot open x.gguf").unwrap_err();
        assert_eq!(sentence(error.as_ref()), "cannot open x.gguf: disk on fire");
    }

    #[test]
    fn broken_pipe_is_recognised_under_context() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("cannot write");
        assert!(error.chain().any(is_broken_pipe));
    }
}
