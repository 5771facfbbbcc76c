//! The graphics adapters of this machine, and choosing one of them by name.

use shaders::Variant;
use wgpu::{Backends, DeviceType, Features};

use super::memory::memory_bytes;
use crate::error::{Error, Result};

/// What the shaders run on. Not OpenGL: it lacks too much.
const BACKENDS: Backends = Backends::VULKAN.union(Backends::METAL).union(Backends::DX12);

/// An adapter, not yet opened.
#[derive(Debug)]
pub struct Adapter {
    pub(super) inner: wgpu::Adapter,
    info: AdapterInfo,
}

/// What an adapter says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Its name.
    pub name: String,
    /// "Vulkan", "Metal" or "Dx12".
    pub backend: String,
    /// Its driver and version.
    pub driver: String,
    /// The processor pretending to be a GPU.
    pub software: bool,
    /// A GPU with memory of its own.
    pub discrete: bool,
    /// Bytes of its memory, or of the system's that it may have; `None` where its backend does not tell.
    pub memory_bytes: Option<u64>,
    /// Optional features that the shaders can use.
    pub variant: Variant,
}

impl std::fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.backend, self.driver)?;
        if self.software { write!(f, ", a software rasterizer, not a GPU") } else { Ok(()) }
    }
}

/// Every adapter that can run the shaders, real GPUs first, those with memory of their own before others.
pub fn adapters() -> Vec<Adapter> {
    let mut instance = wgpu::InstanceDescriptor::new_without_display_handle();
    instance.backends = BACKENDS;
    // Where the driver tells its budget, an allocation beyond it fails instead of slowing everything down.
    instance.memory_budget_thresholds.for_resource_creation = Some(95);
    let found = pollster::block_on(wgpu::Instance::new(instance).enumerate_adapters(BACKENDS));
    let mut adapters: Vec<Adapter> = found.into_iter().map(Adapter::new).collect();
    adapters.retain(|a| a.inner.get_downlevel_capabilities().is_webgpu_compliant());
    adapters.sort_by_key(|a| (a.info.software, !a.info.discrete));
    adapters
}

impl Adapter {
    fn new(inner: wgpu::Adapter) -> Self {
        let (about, features) = (inner.get_info(), inner.features());
        let info = AdapterInfo {
            backend: format!("{:?}", about.backend),
            driver: [about.driver.as_str(), about.driver_info.as_str()].join(" ").trim().to_owned(),
            software: about.device_type == DeviceType::Cpu,
            discrete: about.device_type == DeviceType::DiscreteGpu,
            memory_bytes: memory_bytes(&inner),
            variant: Variant {
                subgroups: features.contains(Features::SUBGROUP),
                // Metal has no such instruction; its stand-in is slower than plain arithmetic.
                packed_dot: about.backend != wgpu::Backend::Metal,
                f16: features.contains(Features::SHADER_F16),
            },
            name: about.name,
        };
        Adapter { inner, info }
    }

    /// What it says of itself.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// The first adapter, or the first whose name contains `name`, whatever the case.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], naming those there are.
    pub fn choose(name: Option<&str>) -> Result<Self> {
        let all = adapters();
        let names: Vec<String> = all.iter().map(|a| a.info.name.clone()).collect();
        let wanted = name.unwrap_or_default().to_lowercase();
        all.into_iter().find(|a| a.info.name.to_lowercase().contains(&wanted)).ok_or_else(|| {
            Error::NoAdapter {
                asked: name.map_or("was found".to_owned(), |n| format!("is called \"{}\"", n.escape_debug())),
                there: if names.is_empty() {
                    "this machine has no Vulkan, Metal or Direct3D 12 driver".to_owned()
                } else {
                    format!("there are: {}", names.join(", "))
                },
            }
        })
    }
}
