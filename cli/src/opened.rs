//! A model on the device that the command line asks for: what is said about that, and how it runs.

use runtime::engine::EngineOptions;
use text::{Opened, Remark, Running, Setup, unwatched};

use crate::device::{DeviceArg, devices};
use crate::exit::usage;
use crate::terminal::note;

/// Starts a model, and says so where the device asked for cannot be had.
pub fn start(
    opened: Opened,
    device: &DeviceArg,
    context: Option<usize>,
    threads: Option<usize>,
) -> anyhow::Result<Running> {
    let engine = EngineOptions { context, threads, ..EngineOptions::default() };
    let setup = Setup { device: device.device.clone(), engine };
    match Running::start(opened, &setup, &devices(), &mut unwatched) {
        Ok(running) => {
            tell(&running.remarks);
            Ok(running)
        }
        Err(text::Error::Model(runtime::Error::Context { asked, trained })) => {
            Err(context_refused(asked, trained))
        }
        Err(error) => Err(error.into()),
    }
}

/// `--context` has tokens that the model does not take.
pub fn context_refused(asked: usize, trained: usize) -> anyhow::Error {
    usage(format!("--context is {asked}; this model takes 1 to {trained}"))
}

/// Says what came of the device that was asked for.
pub fn tell(remarks: &[Remark]) {
    for remark in remarks {
        match remark {
            Remark::Software(adapter) => {
                note(format_args!("{adapter}: expect it to be slower than --device cpu"));
            }
            Remark::CpuGoesOn { why } => note(format_args!("{why}; the CPU goes on")),
        }
    }
}

/// One line: device, or kernels and threads; load time.
pub fn how_it_runs(running: &Running) -> String {
    let Running { opened, engine, .. } = running;
    let ms = (opened.load_time + opened.model.lay_out_time()).as_secs_f64() * 1e3;
    let loaded = format!("loaded {} in {ms:.1} ms", opened.path.display());
    match engine.gpu() {
        Some(model) => {
            format!("device: {}; shaders: {}; {loaded}", model.gpu().info(), model.gpu().variant())
        }
        None => format!("{}; threads: {}; {loaded}", opened.model.kernels().log_line(), engine.threads()),
    }
}
