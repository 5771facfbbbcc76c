//! Weights out of a GGUF file, block by block and tensor by tensor, laid out by all threads. Every number is checked for being
//! finite, and every shape against the configuration, before anything is allocated by it.

use formats::blocks::{TensorType, q8_0};
use formats::gguf::{Gguf, Tensor};
use formats::rows::TernaryRows;
use half::f16;

use super::rows::{self, TensorRows};
use super::{Block, Hyper, Table, Weights, mixing};
use crate::error::{Error, Result};
use cpu::ops::permutations;
use cpu::{Kernels, Pool, TernaryMatrix, advise_huge_pages};
use model::config::ModelConfig;

impl Weights {
    /// Takes every tensor of the configuration out of `gguf`.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape or type, or not finite, or a hyper-connection that does not conserve its streams; each by name.
    pub fn from_gguf(gguf: &Gguf, c: &ModelConfig, kernels: &Kernels, pool: &Pool) -> Result<Self> {
        let loader = Loader { gguf, config: c, kernels, pool };
        let embedding = loader.table("token_embd.weight", c.tied && !c.head_int8)?;
        let head = if c.tied { None } else { Some(loader.table("output.weight", !c.head_int8)?) };
        Ok(Weights {
            embedding,
            head,
            output_norm: loader.vector("output_norm.weight", c.width)?,
            blocks: (0..c.blocks).map(|b| loader.block(b)).collect::<Result<_>>()?,
        })
    }
}

struct Loader<'a> {
    gguf: &'a Gguf,
    config: &'a ModelConfig,
    kernels: &'a Kernels,
    pool: &'a Pool,
}

impl<'a> Loader<'a> {
    fn block(&self, b: usize) -> Result<Block> {
        let c = self.config;
        let name = |part: &str| format!("blk.{b}.{part}.weight");
        let matrix = |parts: &[(&str, usize)], cols| {
            let parts: Vec<_> = parts.iter().map(|&(part, rows)| (name(part), rows)).collect();
            self.ternary(&parts, cols)
        };
        let (gate, up) = (("ffn_gate", c.ffn), ("ffn_up", c.ffn));
        let gain = |part, len| self.vector(&name(part), len);
        let optional = |present: bool, part, len| present.then(|| gain(part, len)).transpose();
        Ok(Block {
            hc_attn: self.hyper(&format!("blk.{b}.hc_attn"))?,
            attn_norm: gain("attn_norm", c.width)?,
            qkv: matrix(
                &[("attn_q", c.q_width()), ("attn_k", c.kv_width()), ("attn_v", c.kv_width())],
                c.width,
            )?,
            q_norm: optional(c.qk_norm, "attn_q_norm", c.head_dim)?,
            k_norm: optional(c.qk_norm, "attn_k_norm", c.head_dim)?,
            attn_sub_norm: optional(c.attn_sub_norm, "attn_sub_norm", c.q_width())?,
            o: matrix(&[("attn_output", c.width)], c.q_width())?,
            hc_ffn: self.hyper(&format!("blk.{b}.hc_ffn"))?,
            ffn_norm: gain("ffn_norm", c.width)?,
            gate_up: if c.activation.gated() {
                matrix(&[gate, up], c.width)?
            } else {
                matrix(&[up], c.width)?
            },
            ffn_sub_norm: optional(c.ffn_sub_norm, "ffn_sub_norm", c.ffn)?,
            down: matrix(&[("ffn_down", c.width)], c.ffn)?,
        })
    }

    /// A tensor of rows x cols; a vector has one row.
    fn tensor(&self, name: &str, rows: usize, cols: usize) -> Result<Tensor<'a>> {
        let tensor = self.gguf.tensor(name)?;
        let dims = tensor.info.dims;
        if (dims.row(), dims.rows()) != (cols as u64, rows as u64) {
            let expected = if rows == 1 { vec![cols as u64] } else { vec![cols as u64, rows as u64] };
            return Err(Error::TensorShape { name: name.to_owned(), found: dims.to_vec(), expected });
        }
        Ok(tensor)
    }

    /// An f32 vector: a gain, a bias.
    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>> {
        self.dense(name, 1, len)
    }

    fn dense(&self, name: &str, rows: usize, cols: usize) -> Result<Vec<f32>> {
        let tensor = self.tensor(name, rows, cols)?;
        let ty = tensor.ty()?;
        if !matches!(ty, TensorType::F32 | TensorType::F16 | TensorType::BF16) {
            return Err(rows::wrong_type(name, ty.name(), "F32, F16 or BF16"));
        }
        let values = tensor.to_f32()?;
        rows::check_finite(name, 0, &values)?;
        Ok(values)
    }

    /// Tensors of some rows each, on top of each other, as one matrix of the ternary kernels.
    fn ternary(&self, parts: &[(String, usize)], cols: usize) -> Result<TernaryMatrix> {
        // Only after the shapes were found right is there anything to allocate for.
        let tensor = |(name, rows): &(String, usize)| TensorRows::new(self.tensor(name, *rows, cols)?);
        let parts: Vec<_> = parts.iter().map(tensor).collect::<Result<_>>()?;
        TernaryMatrix::from_rows(self.kernels, self.pool, &parts)
    }

    /// The embedding, or an untied head; `by_f32` if a head multiplies it by f32.
    fn table(&self, name: &str, by_f32: bool) -> Result<Table> {
        let (rows, cols) = (self.config.vocab, self.config.width);
        let tensor = self.tensor(name, rows, cols)?;
        match tensor.ty()? {
            TensorType::F16 => {
                let halves: Vec<f16> =
                    tensor.bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b)).collect();
                match halves.iter().position(|h| !h.is_finite()) {
                    Some(index) => Err(rows::non_finite(name, index, halves[index].to_f32())),
                    None => Ok(Table::F16(halves)),
                }
            }
            TensorType::Q8_0 => self.eight_bit(&tensor),
            _ if !by_f32 => Ok(Table::Ternary(self.ternary(&[(name.to_owned(), rows)], cols)?)),
            _ => {
                let tensor = TensorRows::new(tensor)?;
                let (group, factor) = (tensor.group(), tensor.factor().unwrap_or(1.0));
                let mut codes = vec![0i8; rows * cols];
                let mut scales = vec![f16::ZERO; rows * (cols / group)];
                tensor.unpack(0..rows, &mut codes, &mut scales)?;
                let scales = scales.iter().map(|s| factor * s.to_f32()).collect();
                Ok(Table::Scaled { codes, scales, group })
            }
        }
    }

    /// A table of 8-bit integers, of a shape that was found right.
    fn eight_bit(&self, tensor: &Tensor<'_>) -> Result<Table> {
        const PART: usize = 1 << 12; // blocks that a thread takes at a time
        let (blocks, _) = tensor.bytes.as_chunks::<{ q8_0::BYTES }>();
        let (mut codes, mut scales) = (vec![0i8; blocks.len() * q8_0::LEN], vec![0.0f32; blocks.len()]);
        advise_huge_pages(&codes, true);
        advise_huge_pages(&scales, true);
        let parts = codes.chunks_mut(PART * q8_0::LEN).zip(scales.chunks_mut(PART)).zip(blocks.chunks(PART));
        self.pool.chunks_mut(&mut parts.collect::<Vec<_>>(), 1, |_, part| {
            let ((codes, scales), blocks) = &mut part[0];
            let out = codes.as_chunks_mut().0.iter_mut().zip(scales.iter_mut());
            for ((codes, scale), [low, high, q @ ..]) in out.zip(blocks.iter()) {
                *scale = f16::from_le_bytes([*low, *high]).to_f32();
                *codes = q.map(|q| q as i8);
            }
        });
        match scales.iter().position(|s| !s.is_finite()) {
            Some(block) => Err(rows::non_finite(&tensor.info.name, block * q8_0::LEN, scales[block])),
            None => Ok(Table::Scaled { codes, scales, group: q8_0::LEN }),
        }
    }

    fn hyper(&self, name: &str) -> Result<Option<Hyper>> {
        let (n, d) = (self.config.streams, self.config.width);
        if n == 1 {
            return Ok(None);
        }
        let outputs = [n, n, permutations(n).len()];
        let mut hyper = Hyper { alpha: [0.0; 3], weight: Default::default(), bias: Default::default() };
        for (i, part) in ["pre", "post", "res"].into_iter().enumerate() {
            hyper.weight[i] = self.dense(&format!("{name}_{part}.weight"), outputs[i], n * d)?;
            hyper.bias[i] = self.vector(&format!("{name}_{part}.bias"), outputs[i])?;
            hyper.alpha[i] = self.vector(&format!("{name}_{part}.alpha"), 1)?[0];
        }
        mixing::check(name, &hyper.weights(self.config), self.kernels)?;
        Ok(Some(hyper))
    }
}
