//! A model's weights on a device, uploaded from the CPU's layout. Sessions keep everything that changes.

use std::sync::{Arc, Mutex};

use wgpu::Buffer;

use super::device::Gpu;
use super::kernels::Kernels;
use super::matrix::Matrix;
use super::memory::Taken;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::weights::{self, Weights};
use model::config::ModelConfig;

/// A model on a device.
#[derive(Debug)]
pub struct GpuModel {
    pub(super) gpu: Arc<Gpu>,
    pub(super) config: ModelConfig,
    pub(super) kernels: Mutex<Kernels>,
    pub(super) embedding: Matrix,
    /// An untied head.
    head: Option<Matrix>,
    pub(super) output_norm: Buffer,
    pub(super) blocks: Vec<Block>,
    taken: Taken,
}

#[derive(Debug)]
pub(super) struct Block {
    pub hc_attn: Option<Hyper>,
    pub attn_norm: Buffer,
    pub qkv: Matrix,
    /// Gains of query and key heads, one after the other; ones where there is no norm.
    pub qk_gains: Buffer,
    pub attn_sub_norm: Option<Buffer>,
    pub o: Matrix,
    pub hc_ffn: Option<Hyper>,
    pub ffn_norm: Buffer,
    pub gate_up: Matrix,
    pub ffn_sub_norm: Option<Buffer>,
    pub down: Matrix,
}

/// One hyper-connection.
#[derive(Debug)]
pub(super) struct Hyper {
    /// Rows of pre, post and res on top of each other, (rows, streams * width).
    pub weights: Buffer,
    /// Alphas, then biases in the same order.
    pub constants: Buffer,
    /// How many rows.
    pub rows: u32,
}

impl GpuModel {
    /// Uploads a model.
    ///
    /// # Errors
    /// A shape beyond the shaders' limits or the device's, or more than is left of its memory, before anything is allocated; or no memory.
    pub fn new(gpu: Arc<Gpu>, model: &Model) -> Result<Self> {
        let (c, w) = (model.config(), model.weights());
        check(&gpu, c)?;
        let taken = gpu.take("the model", bytes(&gpu, c, w)?)?;
        let table = |what: &str, t| Matrix::table(&gpu, what, t, c.vocab, c.width);
        let embedding = table("the embedding", &w.embedding)?;
        let head = w.head.as_ref().map(|t| table("the head", t)).transpose()?;
        let blocks = w
            .blocks
            .iter()
            .map(|b| {
                let block = Block::new(&gpu, c, b)?;
                // What the driver keeps to copy from can go.
                gpu.queue.submit([]);
                gpu.device
                    .poll(wgpu::PollType::wait_indefinitely())
                    .map_err(|e| gpu.failed(e.to_string()))?;
                Ok(block)
            })
            .collect::<Result<Vec<_>>>()?;
        let output_norm = gpu.filled("output_norm", &w.output_norm)?;
        gpu.check()?;
        let gpu_model = GpuModel {
            config: c.clone(),
            kernels: Mutex::default(),
            embedding,
            head,
            output_norm,
            blocks,
            taken,
            gpu,
        };
        debug_assert_eq!(gpu_model.buffers().map(Buffer::size).sum::<u64>(), gpu_model.bytes());
        Ok(gpu_model)
    }

    /// Its shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Bytes of it on the device.
    pub fn bytes(&self) -> u64 {
        self.taken.bytes()
    }

    /// The table that the head reads.
    pub(super) fn head(&self) -> &Matrix {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        let tables = [&self.embedding].into_iter().chain(&self.head).flat_map(Matrix::buffers);
        tables.chain([&self.output_norm]).chain(self.blocks.iter().flat_map(Block::buffers))
    }
}

/// Bytes that a model will take.
fn bytes(gpu: &Gpu, c: &ModelConfig, w: &Weights) -> Result<u64> {
    let table = |what, t| Matrix::table_bytes(gpu, what, t, c.vocab, c.width);
    let mut sum = table("the embedding", &w.embedding)?;
    if let Some(head) = &w.head {
        sum += table("the head", head)?;
    }
    let mut floats = w.output_norm.len();
    for b in &w.blocks {
        for (what, m) in
            [("attn_qkv", &b.qkv), ("attn_output", &b.o), ("ffn_gate_up", &b.gate_up), ("ffn_down", &b.down)]
        {
            sum += Matrix::ternary_bytes(gpu, what, m)?;
        }
        let gains =
            [Some(&b.attn_norm), b.attn_sub_norm.as_ref(), Some(&b.ffn_norm), b.ffn_sub_norm.as_ref()];
        floats += gains.into_iter().flatten().map(Vec::len).sum::<usize>() + 2 * c.head_dim;
        for h in [&b.hc_attn, &b.hc_ffn].into_iter().flatten() {
            let h = h.weights(c);
            floats += h.alpha.len() + h.weight.iter().chain(&h.bias).map(|w| w.len()).sum::<usize>();
        }
    }
    Ok(sum + 4 * floats as u64)
}

impl Block {
    fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        let hypers = self.hc_attn.iter().chain(&self.hc_ffn).flat_map(|h| [&h.weights, &h.constants]);
        let gains = [&self.attn_norm, &self.qk_gains, &self.ffn_norm].into_iter();
        let gains = gains.chain(&self.attn_sub_norm).chain(&self.ffn_sub_norm);
        let matrices = [&self.qkv, &self.o, &self.gate_up, &self.down].into_iter();
        hypers.chain(gains).chain(matrices.flat_map(Matrix::buffers))
    }

    fn new(gpu: &Gpu, c: &ModelConfig, b: &weights::Block) -> Result<Self> {
        let gain = |what, g: &Vec<f32>| gpu.filled(what, g);
        let optional = |what, g: &Option<Vec<f32>>| g.as_ref().map(|g| gain(what, g)).transpose();
        let ones = vec![1.0; c.head_dim];
        let head_gain = |g: &Option<Vec<f32>>| g.clone().unwrap_or_else(|| ones.clone());
        Ok(Block {
            hc_attn: b.hc_attn.as_ref().map(|h| Hyper::new(gpu, c, h)).transpose()?,
            attn_norm: gain("attn_norm", &b.attn_norm)?,
            qkv: Matrix::ternary(gpu, "attn_qkv", &b.qkv)?,
            qk_gains: gpu.filled("attn_qk_norm", &[head_gain(&b.q_norm), head_gain(&b.k_norm)].concat())?,
            attn_sub_norm: optional("attn_sub_norm", &b.attn_sub_norm)?,
            o: Matrix::ternary(gpu, "attn_output", &b.o)?,
            hc_ffn: b.hc_ffn.as_ref().map(|h| Hyper::new(gpu, c, h)).transpose()?,
            ffn_norm: gain("ffn_norm", &b.ffn_norm)?,
            gate_up: Matrix::ternary(gpu, "ffn_gate_up", &b.gate_up)?,
            ffn_sub_norm: optional("ffn_sub_norm", &b.ffn_sub_norm)?,
            down: Matrix::ternary(gpu, "ffn_down", &b.down)?,
        })
    }
}

impl Hyper {
    fn new(gpu: &Gpu, c: &ModelConfig, h: &weights::Hyper) -> Result<Self> {
        let w = h.weights(c);
        let constants = [&w.alpha[..], w.bias[0], w.bias[1], w.bias[2]].concat();
        Ok(Hyper {
            weights: gpu.filled("hyper-connection weights", &w.weight.concat())?,
            rows: (constants.len() - 3) as u32,
            constants: gpu.filled("hyper-connection constants", &constants)?,
        })
    }
}

/// Refuses a shape that the shaders have no room for.
fn check(gpu: &Gpu, c: &ModelConfig) -> Result<()> {
    for (what, width) in
        [("the model's width", c.width), ("its feed-forward width", c.ffn), ("its heads' width", c.q_width())]
    {
        if width > shaders::WIDTH_MAX as usize {
            return Err(Error::GpuLimit {
                adapter: gpu.info().name.clone(),
                what: format!("a quantised row of {what}"),
                needed: width as u64,
                limit: u64::from(shaders::WIDTH_MAX),
            });
        }
    }
    Ok(())
}
