//! An open graphics device: its queue, the features and limits it was asked for, and what has gone wrong with it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use shaders::Variant;
use wgpu::{BufferUsages, ErrorFilter, Features, Limits};

use super::adapter::{Adapter, AdapterInfo};
use super::memory::{Memory, Taken};
use super::pipeline_cache::PipelineCache;
use crate::error::{Error, Result};

/// How to open a device.
#[derive(Clone, Debug)]
pub struct GpuOptions {
    /// Features that may be used, if the adapter has them.
    pub variant: Variant,
    /// Most bytes of one binding, below what the device allows; `None` for that.
    pub binding_max: Option<u64>,
    /// Most bytes of memory to take, below what the adapter has; `None` for that.
    pub memory_max: Option<u64>,
    /// A folder in which compiled shaders are kept for the next process, where the driver can; `None` for nowhere.
    pub cache: Option<PathBuf>,
}

impl Default for GpuOptions {
    fn default() -> Self {
        GpuOptions { variant: Variant::FULL, binding_max: None, memory_max: None, cache: None }
    }
}

/// An open device.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    info: AdapterInfo,
    variant: Variant,
    binding_max: u64,
    memory: Memory,
    pub(super) pipelines: Option<PipelineCache>,
    /// Buffers, pipelines and other objects created.
    created: AtomicU64,
    /// The first thing that went wrong outside any scope.
    fault: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// Opens the first adapter, or the first whose name contains `name`.
    ///
    /// # Errors
    /// No such adapter, or one that does not open.
    pub fn open(name: Option<&str>, options: GpuOptions) -> Result<Self> {
        Self::from_adapter(&Adapter::choose(name)?, options)
    }

    /// Opens an adapter.
    ///
    /// # Errors
    /// The driver's refusal.
    pub fn from_adapter(adapter: &Adapter, options: GpuOptions) -> Result<Self> {
        let info = adapter.info().clone();
        let variant = info.variant.and(options.variant);
        let mut features = Features::empty();
        features.set(Features::SUBGROUP, variant.subgroups);
        features.set(Features::SHADER_F16, variant.f16);
        features |= adapter.inner.features() & Features::TIMESTAMP_QUERY;
        if options.cache.is_some() {
            features |= adapter.inner.features() & Features::PIPELINE_CACHE;
        }
        let there = adapter.inner.limits();
        let limits = Limits {
            max_storage_buffer_binding_size: there.max_storage_buffer_binding_size,
            max_buffer_size: there.max_buffer_size,
            ..Limits::default()
        };
        let request = wgpu::DeviceDescriptor {
            label: Some("tercet"),
            required_features: features,
            required_limits: limits.or_worse_values_from(&there),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.inner.request_device(&request))
            .map_err(|e| Error::Gpu { adapter: info.name.clone(), message: e.to_string() })?;
        let fault = Arc::new(Mutex::new(None));
        let note = |fault: &Arc<Mutex<Option<String>>>| {
            let fault = Arc::clone(fault);
            move |message: String| {
                fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
            }
        };
        let (uncaptured, lost) = (note(&fault), note(&fault));
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| uncaptured(e.to_string())));
        device.set_device_lost_callback(move |reason, message| {
            lost(format!("the device is lost ({reason:?}): {message}"));
        });
        let limits = device.limits();
        let binding_max = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let binding_max = options.binding_max.map_or(binding_max, |max| max.min(binding_max));
        let memory = [info.memory_bytes, options.memory_max].into_iter().flatten().min();
        let memory = Memory::new(memory);
        let created = AtomicU64::new(0);
        let mut gpu =
            Gpu { device, queue, info, variant, binding_max, memory, pipelines: None, created, fault };
        let open = |folder: PathBuf| PipelineCache::open(&gpu, &adapter.inner.get_info(), &folder);
        gpu.pipelines = options.cache.and_then(open);
        Ok(gpu)
    }

    /// The adapter.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// The features that its shaders use.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// Most bytes that a shader can see as one buffer.
    pub fn binding_max(&self) -> u64 {
        self.binding_max
    }

    /// How many buffers, pipelines and other objects were created on it so far; those that a driver makes for itself aside.
    pub fn created(&self) -> u64 {
        self.created.load(Ordering::Relaxed)
    }

    /// Gives the device up, as a driver's reset would: every call from now on fails.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Whether all is well.
    pub(super) fn check(&self) -> Result<()> {
        match &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(message) => Err(self.failed(message.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn failed(&self, message: String) -> Error {
        Error::Gpu { adapter: self.info.name.clone(), message }
    }

    /// Waits for everything submitted.
    pub(super) fn wait(&self) -> Result<()> {
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| self.failed(e.to_string()))?;
        self.check()
    }

    /// The first `bytes` of a buffer that can be mapped, once all that was submitted is done.
    pub(super) fn read<T>(&self, buffer: &wgpu::Buffer, bytes: u64, f: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let slice = buffer.slice(..bytes);
        // A failure shows when the range is asked for.
        slice.map_async(wgpu::MapMode::Read, |_| {});
        self.wait()?;
        let view = slice.get_mapped_range().map_err(|e| self.failed(e.to_string()))?;
        let read = f(&view);
        drop(view);
        buffer.unmap();
        Ok(read)
    }

    /// Refuses a buffer that no shader could see whole.
    pub(super) fn fits(&self, what: &str, needed: u64) -> Result<()> {
        if needed <= self.binding_max {
            return Ok(());
        }
        let (adapter, what) = (self.info.name.clone(), what.to_owned());
        Err(Error::GpuLimit { adapter, what, needed, limit: self.binding_max })
    }

    /// Bytes of memory that nobody has taken, as far as anybody knows.
    pub(super) fn memory_left(&self) -> u64 {
        self.memory.left()
    }

    /// Takes memory for something, before it is allocated.
    pub(super) fn take(&self, what: &str, needed: u64) -> Result<Taken> {
        self.memory.take(needed).map_err(|(left, memory)| {
            let (adapter, what) = (self.info.name.clone(), what.to_owned());
            Error::GpuMemory { adapter, what, needed, left, memory }
        })
    }

    /// Runs `f`, which creates something, and reports what the device had against it.
    pub(super) fn scoped<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        self.created.fetch_add(1, Ordering::Relaxed);
        let filters = [ErrorFilter::OutOfMemory, ErrorFilter::Validation, ErrorFilter::Internal];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let made = f();
        let mut error = None;
        for scope in scopes.into_iter().rev() {
            error = pollster::block_on(scope.pop()).or(error);
        }
        match error {
            Some(e) => Err(self.failed(e.to_string())),
            None => {
                self.check()?;
                made
            }
        }
    }

    /// A buffer of zeros.
    pub(super) fn buffer(&self, what: &str, bytes: u64, usage: BufferUsages) -> Result<wgpu::Buffer> {
        self.fits(what, bytes)?;
        self.scoped(|| {
            Ok(self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(what),
                size: bytes.max(4).next_multiple_of(4),
                usage,
                mapped_at_creation: false,
            }))
        })
    }

    /// A storage buffer of given contents.
    pub(super) fn filled<T: bytemuck::Pod>(&self, what: &str, data: &[T]) -> Result<wgpu::Buffer> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        self.fits(what, bytes.len() as u64)?;
        self.scoped(|| {
            let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(what),
                size: (bytes.len() as u64).max(4).next_multiple_of(4),
                usage: BufferUsages::STORAGE,
                mapped_at_creation: true,
            });
            let mut view = buffer.slice(..).get_mapped_range_mut().map_err(|e| self.failed(e.to_string()))?;
            view.slice(..bytes.len()).copy_from_slice(bytes);
            drop(view);
            buffer.unmap();
            Ok(buffer)
        })
    }
}
