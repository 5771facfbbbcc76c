//! Time in shaders by the device's own clock: what is left of a submission's wall time is recording, waiting and reading back.

use std::time::Duration;

use wgpu::{Buffer, BufferUsages, CommandEncoder, ComputePassTimestampWrites, Features, QuerySet};

use super::device::Gpu;
use crate::error::Result;

const BYTES: u64 = 16;

/// Two timestamps, at the beginning and the end of a pass.
#[derive(Debug)]
pub struct Timer {
    set: QuerySet,
    resolved: Buffer,
    back: Buffer,
    /// Nanoseconds of a tick.
    period: f64,
}

impl Timer {
    /// A timer, if the device has a clock.
    ///
    /// # Errors
    /// No memory on the device.
    pub fn new(gpu: &Gpu) -> Result<Option<Self>> {
        if !gpu.device.features().contains(Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let set = gpu.scoped(|| {
            Ok(gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }))
        })?;
        let resolve = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        let read = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        Ok(Some(Timer {
            set,
            resolved: gpu.buffer("timestamps", BYTES, resolve)?,
            back: gpu.buffer("timestamps read back", BYTES, read)?,
            period: f64::from(gpu.queue.get_timestamp_period()),
        }))
    }

    /// What a pass has to be told.
    pub fn writes(&self) -> ComputePassTimestampWrites<'_> {
        ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    /// Copies the two to where they can be read.
    pub fn resolve(&self, encoder: &mut CommandEncoder) {
        encoder.resolve_query_set(&self.set, 0..2, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.back, 0, BYTES);
    }

    /// The time between them.
    ///
    /// # Errors
    /// A device that fails.
    pub fn read(&self, gpu: &Gpu) -> Result<Duration> {
        let ticks: [u64; 2] = gpu.read(&self.back, BYTES, bytemuck::pod_read_unaligned)?;
        let nanoseconds = ticks[1].saturating_sub(ticks[0]) as f64 * self.period;
        Ok(Duration::from_nanos(nanoseconds as u64))
    }
}
