//! `--device`: where a model runs. The CPU, a graphics adapter by name, or a list of those there are.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use runtime::gpu::adapters;
use text::{Device, Devices};

use crate::bench::table::bytes;

/// Where to run.
#[derive(Clone, Debug, clap::Args)]
pub struct DeviceArg {
    /// cpu, gpu (the best one), a part of a GPU's name, or list to see those there are
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: Device,
}

/// The graphics devices of this process.
pub fn devices() -> Devices {
    Devices::new(cache_folder())
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
    write_list(&mut std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes them, a line each.
pub fn write_list(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "cpu: {}", cpu::Kernels::best().log_line())?;
    for adapter in adapters() {
        let info = adapter.info();
        let memory = info.memory_bytes.map_or("unknown".into(), bytes);
        writeln!(out, "{info}; memory: {memory}; shaders: {}", info.variant)?;
    }
    Ok(())
}
