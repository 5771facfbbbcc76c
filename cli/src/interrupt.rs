//! Ctrl-C while text is being written: the first ends it within a token, the second ends the program.
//! Where nothing is being written, the first ends the program too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context;
use runtime::engine::Canceller;

use crate::exit::INTERRUPTED;
use crate::terminal::note;

static CURRENT: Mutex<Option<Canceller>> = Mutex::new(None);
static INSTALLED: OnceLock<()> = OnceLock::new();

/// Makes Ctrl-C (and SIGTERM) cancel whatever [`watch`] was given last.
pub fn install() -> anyhow::Result<()> {
    if INSTALLED.set(()).is_err() {
        return Ok(());
    }
    ctrlc::set_handler(|| match take() {
        Some(canceller) => canceller.cancel(),
        None => std::process::exit(INTERRUPTED.into()),
    })
    .context("cannot watch for Ctrl-C")
}

/// Set by the first Ctrl-C (or SIGTERM), which says so; the second one leaves at once. Instead of [`install`].
pub fn flag(says: &'static str) -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let handler = move || {
        if seen.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED.into());
        }
        note(format_args!("{says}"));
    };
    // Without a handler Ctrl-C still ends the program.
    if let Err(error) = ctrlc::set_handler(handler) {
        note(format_args!("Ctrl-C will end this at once: {error}"));
    }
    flag
}

/// From now on Ctrl-C cancels this.
pub fn watch(canceller: Canceller) {
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(canceller);
}

/// Nothing is being written any more.
pub fn unwatch() {
    take();
}

fn take() -> Option<Canceller> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner).take()
}
