//! A tensor of a file as an embedding or a head: halves, 8-bit integers or ternary rows. Values are checked as they are unpacked.

use std::ops::Range;

use formats::blocks::{TensorType, q8_0};
use formats::gguf::Tensor;
use half::f16;

use super::rows::{TensorRows, non_finite};
use crate::error::Result;

/// The rows of an embedding or a head.
pub enum TableRows<'a> {
    Halves(HalfRows<'a>),
    EightBit(EightBitRows<'a>),
    Ternary(TensorRows<'a>),
}

impl<'a> TableRows<'a> {
    /// # Errors
    /// A type that is none of them, or that is not read.
    pub fn new(tensor: Tensor<'a>) -> Result<Self> {
        Ok(match tensor.ty()? {
            TensorType::F16 => TableRows::Halves(HalfRows { tensor }),
            TensorType::Q8_0 => TableRows::EightBit(EightBitRows { tensor }),
            _ => TableRows::Ternary(TensorRows::new(tensor)?),
        })
    }
}

/// Rows of halves.
pub struct HalfRows<'a> {
    tensor: Tensor<'a>,
}

impl HalfRows<'_> {
    /// Writes some rows to `out` (rows.len() x cols).
    ///
    /// # Errors
    /// A value that is not finite.
    pub fn unpack(&self, rows: Range<usize>, out: &mut [f16]) -> Result<()> {
        let first = rows.start * self.tensor.info.dims.row() as usize;
        let halves = &self.tensor.bytes.as_chunks().0[first..first + out.len()];
        out.iter_mut().zip(halves).for_each(|(out, &half)| *out = f16::from_le_bytes(half));
        match out.iter().position(|h| !h.is_finite()) {
            Some(i) => Err(non_finite(&self.tensor.info.name, first + i, out[i].to_f32())),
            None => Ok(()),
        }
    }
}

/// Rows of Q8_0 blocks: 8-bit integers, 32 of which share a scale.
pub struct EightBitRows<'a> {
    tensor: Tensor<'a>,
}

impl EightBitRows<'_> {
    /// Writes the codes (rows.len() x cols) and the scales (rows.len() x cols / 32) of some rows.
    ///
    /// # Errors
    /// A scale that is not finite.
    pub fn unpack(&self, rows: Range<usize>, codes: &mut [i8], scales: &mut [f16]) -> Result<()> {
        let first = rows.start * (self.tensor.info.dims.row() as usize / q8_0::LEN);
        let blocks = &self.tensor.bytes.as_chunks::<{ q8_0::BYTES }>().0[first..first + scales.len()];
        let out = codes.as_chunks_mut().0.iter_mut().zip(scales.iter_mut());
        for ((codes, scale), [low, high, q @ ..]) in out.zip(blocks) {
            *scale = f16::from_le_bytes([*low, *high]);
            *codes = q.map(|q| q as i8);
        }
        match scales.iter().position(|s| !s.is_finite()) {
            Some(i) => Err(non_finite(&self.tensor.info.name, (first + i) * q8_0::LEN, scales[i].to_f32())),
            None => Ok(()),
        }
    }
}
