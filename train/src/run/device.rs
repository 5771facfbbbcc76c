//! Where a run computes: a training device by the name that the run's record gives it, and how a fresh trainer is made there. It is
//! no part of what the run is, so a run may move from one to another.

use model::config::ModelConfig;

use crate::backend::Backend;
use crate::config::Config;
use crate::cpu::CpuBackend;
use crate::error::Result;
use crate::graph;
use crate::trainer::Trainer;

/// See the top of this file.
#[derive(Clone, Copy)]
pub struct Device<'a> {
    /// What the record calls it.
    pub name: &'a str,
    /// Makes a fresh trainer for a configuration and its model.
    pub make: &'a dyn Fn(&Config, &ModelConfig) -> Result<Trainer>,
}

/// The processor.
pub const CPU: Device<'static> = Device { name: CPU_NAME, make: &on_cpu };

const CPU_NAME: &str = "cpu";

/// The device of a record that does not say.
pub(super) fn of_old() -> String {
    CPU_NAME.into()
}

/// The CPU's trainer.
///
/// # Errors
/// No threads to be had.
fn on_cpu(config: &Config, model: &ModelConfig) -> Result<Trainer> {
    let program = graph::build(model, config.recipe());
    let backend: Box<dyn Backend> = Box::new(CpuBackend::new(program.clone(), config.cpu_options())?);
    Ok(Trainer::new(program, backend))
}

/// Whether results hang on how the CPU cuts a batch: only if both computed there.
pub(super) fn cuts_decide(one: &str, other: &str) -> bool {
    one == CPU_NAME && other == CPU_NAME
}
