//! Weights out of a GGUF file, block by block and tensor by tensor, laid out by all threads. Every number is checked for being
//! finite, and every shape against the configuration, before anything is allocated by it.

use formats::blocks::{TensorType, q8_0};
use formats::gguf::{Gguf, Tensor};
use formats::rows::TernaryRows;
use half::f16;

use super::rows::{self, TensorRows};
use super::{Held, Table, Weights, mixing};
use crate::error::{Error, Result};
use cpu::{Kernels, Pool, TernaryMatrix, advise_huge_pages};
use model::forward::Forward;
use model::tensors::{TensorId, TensorKind, TensorSpec};

impl Weights {
    /// Takes every tensor of a forward pass out of `gguf`.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape or type, or not finite, or a hyper-connection that does not conserve its streams; each by name.
    pub fn from_gguf(gguf: &Gguf, forward: &Forward, kernels: &Kernels, pool: &Pool) -> Result<Self> {
        let loader = Loader { gguf, kernels, pool };
        let by_f32 = |id| id == forward.head_table() && !forward.config.head_int8;
        let tensors = forward.tensors.iter().enumerate().map(|(i, spec)| {
            Ok(match spec.kind {
                TensorKind::Ternary { .. } => Held::Stacked,
                TensorKind::Table { .. } => Held::Table(loader.table(spec, by_f32(TensorId(i)))?),
                TensorKind::Plain(_) => Held::Plain(loader.plain(spec)?),
            })
        });
        let tensors = tensors.collect::<Result<_>>()?;
        let stacks = forward.stacks.iter().map(|stack| {
            let parts: Vec<_> = stack.parts.iter().map(|id| &forward.tensors[id.0]).collect();
            loader.ternary(&parts)
        });
        let weights = Weights { tensors, stacks: stacks.collect::<Result<_>>()? };
        for connection in &forward.connections {
            if let Some(hyper) = &connection.hyper {
                mixing::check(&connection.name, &weights.hyper(&forward.config, hyper), kernels)?;
            }
        }
        Ok(weights)
    }
}

struct Loader<'a> {
    gguf: &'a Gguf,
    kernels: &'a Kernels,
    pool: &'a Pool,
}

impl<'a> Loader<'a> {
    /// A tensor, of the shape that it must have.
    fn tensor(&self, spec: &TensorSpec) -> Result<Tensor<'a>> {
        let tensor = self.gguf.tensor(&spec.name)?;
        let dims = tensor.info.dims;
        if (dims.row(), dims.rows()) != (spec.cols() as u64, spec.rows() as u64) {
            let expected = spec.shape.iter().rev().map(|&d| d as u64).collect();
            return Err(Error::TensorShape { name: spec.name.clone(), found: dims.to_vec(), expected });
        }
        Ok(tensor)
    }

    /// f32 values: a gain, a bias.
    fn plain(&self, spec: &TensorSpec) -> Result<Vec<f32>> {
        let tensor = self.tensor(spec)?;
        let ty = tensor.ty()?;
        if !matches!(ty, TensorType::F32 | TensorType::F16 | TensorType::BF16) {
            return Err(rows::wrong_type(&spec.name, ty.name(), "F32, F16 or BF16"));
        }
        let values = tensor.to_f32()?;
        rows::check_finite(&spec.name, 0, &values)?;
        Ok(values)
    }

    /// Tensors on top of each other, as one matrix of the ternary kernels.
    fn ternary(&self, parts: &[&TensorSpec]) -> Result<TernaryMatrix> {
        // Only after the shapes were found right is there anything to allocate for.
        let parts: Vec<_> =
            parts.iter().map(|spec| TensorRows::new(self.tensor(spec)?)).collect::<Result<_>>()?;
        TernaryMatrix::from_rows(self.kernels, self.pool, &parts)
    }

    /// The embedding, or an untied head; `by_f32` if a head multiplies it by f32.
    fn table(&self, spec: &TensorSpec, by_f32: bool) -> Result<Table> {
        let (name, rows, cols) = (&spec.name, spec.rows(), spec.cols());
        let tensor = self.tensor(spec)?;
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
            _ if !by_f32 => Ok(Table::Ternary(self.ternary(&[spec])?)),
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
}
