//! What the system may ask of a command that runs: to stop, or to save and go on. Signals that whoever started us had
//! told the system to ignore stay ignored: `nohup` and a script's background jobs rely on it.

#[cfg(unix)]
mod ignored;
mod patience;
mod stopping;
mod writing;

use anyhow::Context;

pub use patience::{Heard, Patience};
pub use stopping::{stop_flag, stop_flag_and_save};
pub use writing::{asked_to_leave, for_writing, unwatch, watch};

use crate::exit::LEFT_AT_ONCE;
use crate::terminal::note;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C: a person wants an end to what is going on.
    Interrupt,
    /// SIGTERM or SIGHUP: the system, or a terminal that closes, wants the program to end. Shell and kernel often send it twice.
    Terminate,
    /// SIGUSR1: save now, and go on.
    Save,
}

/// Calls `hear` with each signal from now on, on a thread of its own; `saves` tells whether it knows what to do with
/// [`Signal::Save`], which otherwise ends the program as the system has it.
///
/// # Errors
/// The system gives no thread, or refuses.
#[cfg(unix)]
pub fn listen(saves: bool, mut hear: impl FnMut(Signal) + Send + 'static) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

    let mut wanted = vec![SIGINT, SIGTERM, SIGHUP];
    if saves {
        wanted.push(SIGUSR1);
    }
    wanted.retain(|&signal| !ignored::is_ignored(signal));
    let mut signals = signal_hook::iterator::Signals::new(wanted).context("cannot watch for signals")?;
    let heard = move || {
        for signal in signals.forever() {
            hear(match signal {
                SIGINT => Signal::Interrupt,
                SIGUSR1 => Signal::Save,
                _ => Signal::Terminate,
            });
        }
    };
    std::thread::Builder::new()
        .name("tercet-signals".into())
        .spawn(heard)
        .context("cannot start a thread that watches for signals")?;
    Ok(())
}

/// Calls `hear` whenever Ctrl-C is pressed; this system has no other signals.
///
/// # Errors
/// The system refuses.
#[cfg(not(unix))]
pub fn listen(_saves: bool, mut hear: impl FnMut(Signal) + Send + 'static) -> anyhow::Result<()> {
    ctrlc::set_handler(move || hear(Signal::Interrupt)).context("cannot watch for Ctrl-C")
}

/// Ends the program in the middle of what it does, and says what that means.
pub fn leave_at_once() -> ! {
    note(format_args!("left at once; what was not saved is lost"));
    std::process::exit(LEFT_AT_ONCE.into())
}
