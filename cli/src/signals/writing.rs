//! Signals while text is being written: the first ends it within a token. Where nothing is being written there is
//! nothing to lose, and the first ends the program.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use runtime::engine::Canceller;

use super::{Heard, Patience, Signal, leave_at_once, listen};
use crate::exit::INTERRUPTED;

/// What is going on.
struct Now {
    /// What is being written.
    current: Option<Canceller>,
    /// With its end; with that of the last text where nothing is going on.
    patience: Patience,
    /// The system wants the program to end.
    leaving: bool,
}

static NOW: Mutex<Now> = Mutex::new(Now { current: None, patience: Patience::new(), leaving: false });
static LISTENING: OnceLock<()> = OnceLock::new();

/// From now on signals cancel whatever [`watch`] was given last.
///
/// # Errors
/// As [`listen`].
pub fn for_writing() -> anyhow::Result<()> {
    if LISTENING.set(()).is_err() {
        return Ok(());
    }
    listen(false, |signal| {
        let mut now = now();
        now.leaving |= signal == Signal::Terminate;
        let at = Instant::now();
        match now.current.clone() {
            Some(canceller) => match now.patience.hear(signal, at) {
                Heard::Leave => leave_at_once(),
                Heard::Stop | Heard::Again => canceller.cancel(),
            },
            // What ended a text may come twice, the second time when it has ended.
            None if now.patience.is_echo(at) => {}
            None => std::process::exit(INTERRUPTED.into()),
        }
    })
}

/// From now on signals cancel this.
pub fn watch(canceller: Canceller) {
    let mut now = now();
    now.current = Some(canceller);
    now.patience = Patience::new();
}

/// Nothing is being written any more.
pub fn unwatch() {
    now().current = None;
}

/// Whether the system has asked the program to end, while something was being written.
pub fn asked_to_leave() -> bool {
    now().leaving
}

/// Nothing here is left half done by a panic.
fn now() -> MutexGuard<'static, Now> {
    NOW.lock().unwrap_or_else(PoisonError::into_inner)
}
