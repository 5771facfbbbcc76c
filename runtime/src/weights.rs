//! A model's tensors, out of a GGUF file and into the layouts that the kernels read. Every number
//! is checked for being finite, and every shape against the configuration; running them is `session`'s business.

use formats::blocks::{TensorType, q1_58, q8_0, tq2_0};
use formats::gguf::{Gguf, Tensor};
use formats::ternary::GROUP;
use half::f16;

use crate::config::ModelConfig;
use crate::cpu::ops::{HeadRows, HyperCoefficients, HyperWeights, permutations};
use crate::cpu::{Kernels, TernaryMatrix};
use crate::error::{Error, Result};

/// How far rows and columns of a mixing matrix may be from summing to 1: f32 rounding of 24 shares stays below 1e-6.
const MIXING_TOLERANCE: f32 = 1e-5;

/// Everything a model has learnt.
#[derive(Debug)]
pub struct Weights {
    /// One row for each id.
    pub embedding: Table,
    /// An untied head; a tied one reads the embedding.
    pub head: Option<Table>,
    /// The same rows for the ternary kernels, where the head reads int8 activations and is ternary.
    pub head_ternary: Option<TernaryMatrix>,
    /// Gain of the last norm, (d).
    pub output_norm: Vec<f32>,
    /// The blocks, first to last.
    pub blocks: Vec<Block>,
}

/// One block: attention, then the feed-forward network.
#[derive(Debug)]
pub struct Block {
    /// The streams around attention; `None` for one stream.
    pub hc_attn: Option<Hyper>,
    /// Gain of the norm before q, k and v, (d).
    pub attn_norm: Vec<f32>,
    /// Query, key and value on top of each other, (H hd + 2 K hd x d): they read the same input.
    pub qkv: TernaryMatrix,
    /// Gain of each query head's norm, (hd).
    pub q_norm: Option<Vec<f32>>,
    /// Gain of each key head's norm, (hd).
    pub k_norm: Option<Vec<f32>>,
    /// Gain of the norm before the output projection, (H hd).
    pub attn_sub_norm: Option<Vec<f32>>,
    /// Output projection, (d x H hd).
    pub o: TernaryMatrix,
    /// The streams around the feed-forward network; `None` for one stream.
    pub hc_ffn: Option<Hyper>,
    /// Gain of the norm before gate and up, (d).
    pub ffn_norm: Vec<f32>,
    /// Gate, where the activation has one, on top of up, (2 F x d) or (F x d).
    pub gate_up: TernaryMatrix,
    /// Gain of the norm before down, (F).
    pub ffn_sub_norm: Option<Vec<f32>>,
    /// Down, (d x F).
    pub down: TernaryMatrix,
}

/// An embedding or a head: rows x cols, looked up by row or multiplied by f32.
#[derive(Debug)]
pub enum Table {
    /// Halves.
    F16(Vec<f16>),
    /// Small integers with a scale for each `group` of them.
    Scaled {
        /// Row-major.
        codes: Vec<i8>,
        /// One for each group.
        scales: Vec<f32>,
        /// 32 (Q8_0) or 128 (Q1_58).
        group: usize,
    },
}

impl Table {
    /// Rows `range` of a table of `cols` columns.
    pub fn rows(&self, range: std::ops::Range<usize>, cols: usize) -> HeadRows<'_> {
        let elements = range.start * cols..range.end * cols;
        match self {
            Table::F16(w) => HeadRows::F16(&w[elements]),
            Table::Scaled { codes, scales, group } => HeadRows::Scaled {
                codes: &codes[elements.clone()],
                scales: &scales[elements.start / group..elements.end / group],
                group: *group,
            },
        }
    }
}

/// Parameters of one hyper-connection: pre, post, res.
#[derive(Debug)]
pub struct Hyper {
    alpha: [f32; 3],
    weight: [Vec<f32>; 3],
    bias: [Vec<f32>; 3],
}

impl Hyper {
    /// As the ops take them.
    pub fn weights(&self, config: &ModelConfig) -> HyperWeights<'_> {
        HyperWeights {
            streams: config.streams,
            eps: config.norm_eps,
            alpha: self.alpha,
            weight: self.weight.each_ref().map(Vec::as_slice),
            bias: self.bias.each_ref().map(Vec::as_slice),
        }
    }
}

impl Weights {
    /// Takes every tensor of the configuration out of `gguf`.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape or type, or not finite, or a hyper-connection that does not conserve its streams; each by name.
    pub fn from_gguf(gguf: &Gguf, c: &ModelConfig, kernels: &Kernels) -> Result<Self> {
        let loader = Loader { gguf, config: c, kernels };
        let embedding = loader.table("token_embd.weight")?;
        let head = if c.tied { None } else { Some(loader.table("output.weight")?) };
        let head_ternary = match head.as_ref().unwrap_or(&embedding) {
            Table::Scaled { codes, scales, group: GROUP } if c.head_int8 => {
                let scales: Vec<f16> = scales.iter().map(|&s| f16::from_f32(s)).collect();
                Some(TernaryMatrix::from_codes(kernels, c.vocab, c.width, codes, &scales))
            }
            _ => None,
        };
        Ok(Weights {
            embedding,
            head,
            head_ternary,
            output_norm: loader.vector("output_norm.weight", c.width)?,
            blocks: (0..c.blocks).map(|b| loader.block(b)).collect::<Result<_>>()?,
        })
    }

    /// The farthest that a row or column of any mixing matrix is from summing to 1; `None` with one stream.
    pub fn mixing_error(&self, c: &ModelConfig, kernels: &Kernels) -> Option<f32> {
        let hypers = self.blocks.iter().flat_map(|b| [&b.hc_attn, &b.hc_ffn]).flatten();
        let sums = hypers.flat_map(|h| mixing_sums(&h.weights(c), kernels));
        sums.map(|(_, _, sum)| (sum - 1.0).abs()).reduce(f32::max)
    }

    /// The table that the head reads.
    pub fn head_table(&self) -> &Table {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}

struct Loader<'a> {
    gguf: &'a Gguf,
    config: &'a ModelConfig,
    kernels: &'a Kernels,
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
            return Err(wrong_type(name, ty.name(), "F32, F16 or BF16"));
        }
        let values = tensor.to_f32()?;
        check_finite(name, &values)?;
        Ok(values)
    }

    /// Tensors of some rows each, on top of each other, as one matrix of the ternary kernels.
    fn ternary(&self, parts: &[(String, usize)], cols: usize) -> Result<TernaryMatrix> {
        let mut codes = Vec::new();
        let mut scales = Vec::new();
        let mut total = 0;
        for (name, rows) in parts {
            // Only after the shape was found right is there anything to allocate for.
            let tensor = self.tensor(name, *rows, cols)?;
            let (code_at, scale_at) = (codes.len(), scales.len());
            codes.resize(code_at + rows * cols, 0i8);
            scales.resize(scale_at + rows * cols / GROUP, f16::ZERO);
            self.codes(&tensor, &mut codes[code_at..], &mut scales[scale_at..])?;
            total += rows;
        }
        Ok(TernaryMatrix::from_codes(self.kernels, total, cols, &codes, &scales))
    }

    /// Codes and finite scales of a tensor. Floats are accepted where they are ternary already: each group of 128 holds
    /// only `-s`, `0` and `s` for a scale that f16 can hold.
    fn codes(&self, tensor: &Tensor<'_>, codes: &mut [i8], scales: &mut [f16]) -> Result<()> {
        let name = &tensor.info.name;
        let ty = tensor.ty()?;
        let done = match ty {
            TensorType::Q1_58 => q1_58::unpack_codes(tensor.bytes, scales, codes),
            TensorType::TQ2_0 => tq2_0::unpack_codes(tensor.bytes, scales, codes),
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => {
                let values = tensor.to_f32()?;
                check_finite(name, &values)?;
                let groups = values.chunks_exact(GROUP).zip(codes.chunks_exact_mut(GROUP));
                for ((w, t), s) in groups.zip(scales) {
                    *s = codes_of(w, t).ok_or_else(|| {
                        wrong_type(name, ty.name(), "weights that are ternary in groups of 128")
                    })?;
                }
                return Ok(());
            }
            TensorType::Q8_0 => return Err(wrong_type(name, ty.name(), "Q1_58, TQ2_0 or ternary floats")),
        };
        Ok(done.map_err(|e| tensor.explain(e))?)
    }

    /// The embedding, or an untied head.
    fn table(&self, name: &str) -> Result<Table> {
        let (rows, cols) = (self.config.vocab, self.config.width);
        let tensor = self.tensor(name, rows, cols)?;
        match tensor.ty()? {
            TensorType::F16 => {
                let halves: Vec<f16> =
                    tensor.bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b)).collect();
                match halves.iter().position(|h| !h.is_finite()) {
                    Some(index) => Err(non_finite(name, index, halves[index].to_f32())),
                    None => Ok(Table::F16(halves)),
                }
            }
            TensorType::Q8_0 => {
                let (blocks, _) = tensor.bytes.as_chunks::<{ q8_0::BYTES }>();
                let mut codes = Vec::with_capacity(rows * cols);
                let mut scales = Vec::with_capacity(blocks.len());
                for (index, [low, high, q @ ..]) in blocks.iter().enumerate() {
                    let scale = f16::from_le_bytes([*low, *high]).to_f32();
                    if !scale.is_finite() {
                        return Err(non_finite(name, index * q8_0::LEN, scale));
                    }
                    scales.push(scale);
                    codes.extend(q.map(|q| q as i8));
                }
                Ok(Table::Scaled { codes, scales, group: q8_0::LEN })
            }
            _ => {
                let mut codes = vec![0i8; rows * cols];
                let mut scales = vec![f16::ZERO; rows * cols / GROUP];
                self.codes(&tensor, &mut codes, &mut scales)?;
                Ok(Table::Scaled { codes, scales: scales.iter().map(|s| s.to_f32()).collect(), group: GROUP })
            }
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
        check_mixing(name, &hyper.weights(self.config), self.kernels)?;
        Ok(Some(hyper))
    }
}

/// Refuses a connection that does not conserve its streams.
fn check_mixing(name: &str, w: &HyperWeights<'_>, kernels: &Kernels) -> Result<()> {
    for (line, index, sum) in mixing_sums(w, kernels) {
        // A NaN conserves nothing either.
        let conserves = (sum - 1.0).abs() <= MIXING_TOLERANCE;
        if !conserves {
            return Err(Error::Mixing { name: name.to_owned(), line, index, sum });
        }
    }
    Ok(())
}

/// Sums of the rows and columns of the mixing matrix that the biases alone make: the very op, run on a token of zeros.
fn mixing_sums(w: &HyperWeights<'_>, kernels: &Kernels) -> Vec<(&'static str, usize, f32)> {
    let n = w.streams;
    let mut c = HyperCoefficients::default();
    kernels.hyper_coefficients(w, &vec![0.0; w.weight[0].len() / n], &mut c);
    let row = |i: usize| ("row", i, (0..n).map(|j| c.mix[i * n + j]).sum());
    let column = |j: usize| ("column", j, (0..n).map(|i| c.mix[i * n + j]).sum());
    (0..n).map(row).chain((0..n).map(column)).collect()
}

/// The scale and codes of a group of floats that is ternary already.
fn codes_of(w: &[f32], codes: &mut [i8]) -> Option<f16> {
    let max = w.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let scale = f16::from_f32(max);
    for (code, &v) in codes.iter_mut().zip(w) {
        *code = if v == 0.0 { 0 } else { v.signum() as i8 };
    }
    let exact = scale.to_f32() == max && w.iter().all(|v| *v == 0.0 || v.abs() == max);
    exact.then_some(scale)
}

fn check_finite(name: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(non_finite(name, index, values[index])),
        None => Ok(()),
    }
}

fn non_finite(name: &str, index: usize, value: f32) -> Error {
    Error::NonFinite { name: name.to_owned(), index, value }
}

fn wrong_type(name: &str, found: &str, expected: &'static str) -> Error {
    Error::TensorType { name: name.to_owned(), found: found.to_owned(), expected }
}
