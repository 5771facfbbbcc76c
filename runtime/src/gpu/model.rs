//! A model's weights on a device, uploaded from the CPU's layout. Sessions keep everything that changes.

use std::sync::{Arc, Mutex};

use wgpu::Buffer;

use super::device::Gpu;
use super::kernels::Kernels;
use super::matrix::Matrix;
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::weights;

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
    bytes: u64,
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
    /// A shape beyond the shaders' limits or the device's, or no memory there.
    pub fn new(gpu: Arc<Gpu>, model: &Model) -> Result<Self> {
        let (c, w) = (model.config(), model.weights());
        check(&gpu, c)?;
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
        let mut gpu_model = GpuModel {
            config: c.clone(),
            kernels: Mutex::default(),
            embedding,
            head,
            output_norm,
            blocks,
            bytes: 0,
            gpu,
        };
        gpu_model.bytes = gpu_model.matrices().map(Matrix::bytes).sum();
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

    /// Bytes of its matrices on the device.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The table that the head reads.
    pub(super) fn head(&self) -> &Matrix {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        let blocks = self.blocks.iter().flat_map(|b| [&b.qkv, &b.o, &b.gate_up, &b.down]);
        [&self.embedding].into_iter().chain(&self.head).chain(blocks)
    }
}

impl Block {
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
