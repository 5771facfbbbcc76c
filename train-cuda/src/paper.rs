//! A step on paper: every kernel that a card would be told, with its shape and its arguments, and no card needed.

use train::program::Program;

use crate::driver::{Card, Device, Launch};
use crate::error::Result;
use crate::memory::Memory;
use crate::plan::{CudaOptions, Plan};
use crate::record::Recorder;

/// The launches of one training step, in order.
///
/// # Errors
/// A shape that the kernels do not know.
///
/// # Panics
/// A kernel that is given other arguments than its own.
pub fn step(program: &Program, options: &CudaOptions, card: Card) -> Result<Vec<Launch>> {
    let (device, program) = (Device::on_paper(card), &options.program(program));
    let plan = Plan::new(program, options)?;
    let memory = Memory::new(&device, program, &plan)?;
    device.told();
    Recorder { device: &device, program, plan: &plan, memory: &memory }.step()?;
    Ok(device.told())
}
