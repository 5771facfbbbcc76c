//! The same model on a graphics device, through WGSL compute. The device is its own, never a window's; losing it is an error
//! of the call that notices, and whoever called goes on with the CPU.

mod adapter;
mod batch;
mod buffers;
mod counters;
mod device;
mod fallback;
mod matrix;
mod memory;
mod model;
mod pace;
mod pages;
mod pipeline_cache;
mod pipelines;
mod plan;
mod product;
mod reach;
mod rows;
mod timer;
mod told;
mod worker;

pub use adapter::{Adapter, AdapterInfo, adapters};
pub use counters::Counters;
pub use device::{Gpu, GpuOptions};
pub use fallback::{Fault, GpuOrCpu};
pub use model::GpuModel;
pub use product::{Product, ProductTime};
pub use shaders::Variant;
pub use worker::{GpuSession, GpuWorker};
