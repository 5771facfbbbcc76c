//! Ctrl-C while text is being written: the first ends it within a token, the second ends the program.
//! Where nothing is being written, the first ends the program too.

use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::Context;
use runtime::engine::Canceller;

use crate::exit::INTERRUPTED;

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
