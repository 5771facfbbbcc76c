//! `--device`: where a model runs. The CPU, a graphics adapter by name, or a list of those there are.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use runtime::Model;
use runtime::gpu::{Gpu, GpuModel, GpuOptions, adapters};

use crate::bench_table::bytes;
use crate::terminal::note;

/// Where to run.
#[derive(Clone, Debug, clap::Args)]
pub struct DeviceArg {
    /// cpu, gpu (the best one), a part of a GPU's name, or list to see those there are
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
}

impl Default for DeviceArg {
    fn default() -> Self {
        DeviceArg { device: "cpu".into() }
    }
}

impl DeviceArg {
    /// The device, opened; `None` for the CPU.
    ///
    /// # Errors
    /// No GPU, none of that name, or no thread for its driver.
    pub fn open(&self) -> runtime::Result<Option<Gpu>> {
        let name = match self.device.as_str() {
            "cpu" => return Ok(None),
            "gpu" => None,
            name => Some(name),
        };
        crate::threads::spare()?;
        Gpu::open(name, GpuOptions { cache: cache_folder(), ..GpuOptions::default() }).map(Some)
    }

    /// The model on the device that was asked for; `None` if that is the CPU, for which it is laid out then. Where any GPU would do and
    /// none can take it, the CPU does, and a note says why.
    ///
    /// # Errors
    /// No GPU of a name that was asked for; a broken file, in the same words whatever the device.
    pub fn model(&self, model: &Model) -> anyhow::Result<Option<Arc<GpuModel>>> {
        let on_gpu =
            self.open().and_then(|gpu| gpu.map(|gpu| GpuModel::new(Arc::new(gpu), model)).transpose());
        match on_gpu {
            Ok(Some(on_gpu)) => {
                if on_gpu.gpu().info().software {
                    note(format_args!("{}: expect it to be slower than --device cpu", on_gpu.gpu().info()));
                }
                Ok(Some(Arc::new(on_gpu)))
            }
            Ok(None) => {
                model.lay_out()?;
                Ok(None)
            }
            Err(error @ runtime::Error::NoAdapter { .. }) if self.device != "gpu" => Err(error.into()),
            Err(error) => {
                // If it is the file that is at fault, this says so.
                model.lay_out()?;
                note(format_args!("{error}; the CPU goes on"));
                Ok(None)
            }
        }
    }
}

/// Where compiled shaders are kept: the folder that `TERCET_CACHE` names, nowhere if it is empty, the user's cache folder without it.
pub fn cache_folder() -> Option<PathBuf> {
    match std::env::var_os("TERCET_CACHE") {
        Some(folder) => (!folder.is_empty()).then(|| folder.into()),
        None => Some(directories::ProjectDirs::from("", "", "tercet")?.cache_dir().to_owned()),
    }
}

/// Whether a command line that lacks something has `--device list`, which needs nothing else.
pub fn list_is_asked() -> bool {
    let args: Vec<OsString> = std::env::args_os().collect();
    args.windows(2).any(|two| two == ["--device", "list"]) || args.iter().any(|a| a == "--device=list")
}

/// Prints the devices that `--device` takes.
pub fn list() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "cpu: {}", cpu::Kernels::best().log_line())?;
    for adapter in adapters() {
        let info = adapter.info();
        let memory = info.memory_bytes.map_or("unknown".into(), bytes);
        writeln!(out, "{info}; memory: {memory}; shaders: {}", info.variant)?;
    }
    Ok(ExitCode::SUCCESS)
}
