//! What is done while a model is opened, step by step: for who waits for it, and may think better of it.

use std::ops::ControlFlow;

use crate::device::Device;
use crate::error::{Error, Result};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The weights are copied to this graphics device, once it is open.
    Copying(&'a Device),
    /// The weights are laid out for the processor.
    LayingOut,
    /// The engine is started.
    Starting,
}

/// Who is told of each step before it is taken, and may have it all given up.
pub type Watch<'w> = &'w mut dyn FnMut(Step<'_>) -> ControlFlow<()>;

/// A [`Watch`] of nobody.
pub fn unwatched(_: Step<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Tells of a step.
pub(crate) fn take(watch: Watch<'_>, step: Step<'_>) -> Result<()> {
    if watch(step).is_break() { Err(Error::GivenUp) } else { Ok(()) }
}
