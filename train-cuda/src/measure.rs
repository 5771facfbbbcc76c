//! A step on a card taken apart: its launches, and how long a recorded list of them takes by the card's own clock.

use std::time::Duration;

use crate::backend::CudaBackend;
use crate::driver::{Device, Launch};
use crate::error::Result;

impl CudaBackend {
    /// The launches of one training step, in order, over this backend's memory. None of them is run.
    ///
    /// # Errors
    /// A driver that does not take a module.
    pub fn launches(&self) -> Result<Vec<Launch>> {
        self.device.rehearse(|| self.recorder().step())
    }

    /// The device that it is on.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

/// How long each of so many replays takes of what `tell` tells the device, recorded as one graph. In front of each goes another that is not
/// counted, so that the card never waits for its host in between.
///
/// # Errors
/// What `tell` says; the card failed.
pub fn replays(device: &Device, count: usize, tell: impl Fn() -> Result<()>) -> Result<Vec<Duration>> {
    let mut graph = device.record(tell)?;
    let replay = |_| {
        graph.launch()?;
        let begin = device.moment()?;
        graph.launch()?;
        device.moment()?.since(&begin)
    };
    (0..count).map(replay).collect()
}
