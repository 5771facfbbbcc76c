//! Where a model runs: the processor, certain kernels of it, or a graphics adapter, by name. It is what the settings keep and the menus show.

use std::fmt;

use cpu::Kernels;
use runtime::gpu::AdapterInfo;
use serde::{Deserialize, Serialize};

/// Where a model runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The processor, with the best kernels it has.
    #[default]
    Cpu,
    /// The processor, with the kernels of that name.
    Kernels(String),
    /// The graphics adapter of that name.
    Gpu(String),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("CPU"),
            Device::Kernels(name) => write!(f, "CPU {name}"),
            Device::Gpu(name) => f.write_str(name),
        }
    }
}

impl Device {
    /// What is asked of `text`. Kernels are chosen as the file is read.
    pub fn asked(&self) -> text::Device {
        match self {
            Device::Cpu | Device::Kernels(_) => text::Device::Cpu,
            Device::Gpu(name) => text::Device::Named(name.clone()),
        }
    }

    /// Every device of this machine that a model can run on, given its graphics adapters: what a menu calls it, and itself.
    pub fn all(adapters: &[AdapterInfo]) -> Vec<(String, Device)> {
        let mut list = vec![("CPU, best kernels".to_owned(), Device::Cpu)];
        list.extend(
            Kernels::available()
                .iter()
                .rev()
                .map(|k| (format!("CPU, {} ({})", k.name, k.about), Device::Kernels(k.name.to_owned()))),
        );
        list.extend(adapters.iter().map(|a| {
            let software = if a.software { ", software, not a GPU" } else { "" };
            (format!("{} ({}{software})", a.name, a.backend), Device::Gpu(a.name.clone()))
        }));
        list
    }
}
