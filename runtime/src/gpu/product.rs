//! One ternary product by itself, to be held against the CPU's and timed. Models go through sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shaders::Step;
use wgpu::{Buffer, BufferUsages};

use super::device::Gpu;
use super::matrix::Matrix;
use super::pipelines::Pipelines;
use super::plan::{Dispatch, To, product, record};
use super::rows::Rows;
use super::timer::Timer;
use crate::error::Result;
use cpu::{Pool, TernaryMatrix};

/// A matrix, the quantised rows it is multiplied by, and the result.
#[derive(Debug)]
pub struct Product {
    gpu: Arc<Gpu>,
    step: Step,
    bytes: u64,
    y: Buffer,
    back: Buffer,
    one_by_one: Vec<Dispatch>,
    together: Vec<Dispatch>,
    timer: Option<Timer>,
}

/// How long a product took.
#[derive(Clone, Copy, Debug)]
pub struct ProductTime {
    /// From recording to the end, a product.
    pub wall: Duration,
    /// In shaders, a product, where the device has a clock.
    pub device: Option<Duration>,
}

impl Product {
    /// A product of `m` with tokens of int8 activations `q` (tokens x cols) and their scales `a` (tokens).
    ///
    /// # Errors
    /// A shape beyond the device's limits, or no memory.
    pub fn new(gpu: Arc<Gpu>, m: &TernaryMatrix, q: &[i8], a: &[f32]) -> Result<Self> {
        assert_eq!(q.len(), a.len() * m.cols());
        let rows = Rows::ternary("the matrix", m.parts())?;
        let matrix = Matrix::new(&gpu, &Pool::up_to(1), "the matrix", &rows)?;
        let bytes = (4 * a.len() * m.rows()) as u64;
        let step = Step { count: a.len() as u32, ..Step::default() };
        let step_buffer =
            gpu.buffer("the step", size_of::<Step>() as u64, BufferUsages::UNIFORM | BufferUsages::COPY_DST)?;
        gpu.queue.write_buffer(&step_buffer, 0, bytemuck::bytes_of(&step));
        let scales: Vec<f32> = (q.chunks_exact(m.cols()).zip(a))
            .flat_map(|(q, &a)| {
                let sums = q.chunks_exact(128).map(|q| q.iter().map(|&q| i32::from(q)).sum::<i32>() as f32);
                std::iter::once(a).chain(sums)
            })
            .collect();
        let (q, scales) = (gpu.filled("quantised rows", q)?, gpu.filled("their scales", &scales)?);
        let y = gpu.buffer("the result", bytes, BufferUsages::STORAGE | BufferUsages::COPY_SRC)?;
        let back =
            gpu.buffer("the result read back", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        let mut pipelines = Pipelines::default();
        let mut plan = |together| {
            let to = (To::Buffer { y: &y, stride: m.rows() }, 0);
            product(&gpu, &mut pipelines, &matrix, [&step_buffer, &q, &scales], to, together)
        };
        let (one_by_one, together) = (plan(false)?, plan(true)?);
        let timer = Timer::new(&gpu)?;
        Ok(Product { gpu, step, bytes, y, back, one_by_one, together, timer })
    }

    fn list(&self, together: bool) -> &[Dispatch] {
        if together { &self.together } else { &self.one_by_one }
    }

    /// The result, (tokens x rows): a token at a time, or 16 together.
    ///
    /// # Errors
    /// A device that fails.
    pub fn run(&self, together: bool) -> Result<Vec<f32>> {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        record(&mut encoder.begin_compute_pass(&Default::default()), self.list(together), &self.step);
        encoder.copy_buffer_to_buffer(&self.y, 0, &self.back, 0, self.bytes);
        self.gpu.queue.submit([encoder.finish()]);
        self.gpu.read(&self.back, self.bytes, bytemuck::pod_collect_to_vec)
    }

    /// Times `count` products in one submission.
    ///
    /// # Errors
    /// A device that fails.
    pub fn time(&self, together: bool, count: u32) -> Result<ProductTime> {
        let start = Instant::now();
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("products"),
            timestamp_writes: self.timer.as_ref().map(Timer::writes),
        });
        for _ in 0..count {
            record(&mut pass, self.list(together), &self.step);
        }
        drop(pass);
        if let Some(timer) = &self.timer {
            timer.resolve(&mut encoder);
        }
        self.gpu.queue.submit([encoder.finish()]);
        self.gpu.wait()?;
        let wall = start.elapsed() / count;
        let device = self.timer.as_ref().map(|t| t.read(&self.gpu)).transpose()?;
        Ok(ProductTime { wall, device: device.map(|d| d / count) })
    }
}
