//! An opened model on the device that the command line asks for, and a line about how it runs.

use std::sync::Arc;

use runtime::engine::{Engine, EngineOptions};
use text::Opened;

use crate::device::DeviceArg;
use crate::exit::usage;
use crate::terminal::note;

/// Starts an engine on a model, and says so where the device asked for cannot be had.
pub fn engine(
    opened: &Opened,
    device: &DeviceArg,
    context: Option<usize>,
    threads: Option<usize>,
) -> anyhow::Result<Engine> {
    let trained = opened.model.config().context;
    if let Some(asked) = context.filter(|c| !(1..=trained).contains(c)) {
        return Err(usage(format!("--context is {asked}; this model takes 1 to {trained}")));
    }
    let gpu = device.model(&opened.model)?;
    let engine = Engine::start_on(
        Arc::clone(&opened.model),
        gpu,
        EngineOptions { context, threads, ..EngineOptions::default() },
    )?;
    if let Some(fault) = engine.fault() {
        note(format_args!("{fault}; the CPU goes on"));
    }
    Ok(engine)
}

/// One line: device, or kernels and threads; load time.
pub fn how_it_runs(opened: &Opened, engine: &Engine) -> String {
    let ms = (opened.load_time + opened.model.lay_out_time()).as_secs_f64() * 1e3;
    let loaded = format!("loaded {} in {ms:.1} ms", opened.path.display());
    match engine.gpu() {
        Some(model) => {
            format!("device: {}; shaders: {}; {loaded}", model.gpu().info(), model.gpu().variant())
        }
        None => format!("{}; threads: {}; {loaded}", opened.model.kernels().log_line(), engine.threads()),
    }
}
