//! A tensor of a file as a matrix: ternary rows, halves, 8-bit integers, or blocks of whatever else there is. Values are checked as they are
//! unpacked.

use std::ops::Range;

use formats::blocks::{self, TensorType, q8_0};
use formats::gguf::Tensor;
use half::f16;

use super::rows::{TensorRows, check_finite, non_finite};
use crate::error::Result;

/// The rows of a matrix, in the precision that the file has.
pub enum StoredRows<'a> {
    Halves(HalfRows<'a>),
    EightBit(EightBitRows<'a>),
    Blocks(BlockRows<'a>),
    Ternary(TensorRows<'a>),
}

impl<'a> StoredRows<'a> {
    /// An embedding or a head.
    ///
    /// # Errors
    /// A type that is not read.
    pub fn table(tensor: Tensor<'a>) -> Result<Self> {
        let ty = tensor.ty()?;
        Ok(match (ty, TensorRows::new(tensor)?) {
            (TensorType::F16, _) => StoredRows::Halves(HalfRows { tensor }),
            (TensorType::Q8_0, _) => StoredRows::EightBit(EightBitRows { tensor }),
            (_, Some(rows)) if ty.is_ternary() => StoredRows::Ternary(rows),
            _ => StoredRows::Blocks(BlockRows { tensor, ty }),
        })
    }

    /// The matrix of a linear layer. Floats are ternary rows where each group of them holds nothing but `-s`, 0 and `s`, as those of models do
    /// that were trained ternary and published unpacked; all of them are looked at.
    ///
    /// # Errors
    /// As [`table`](Self::table).
    pub fn linear(tensor: Tensor<'a>) -> Result<Self> {
        match TensorRows::new(tensor)? {
            Some(rows) if rows.is_ternary()? => Ok(StoredRows::Ternary(rows)),
            _ => Self::table(tensor),
        }
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

/// Rows of blocks of any type that unpacks to f32.
pub struct BlockRows<'a> {
    tensor: Tensor<'a>,
    ty: TensorType,
}

impl BlockRows<'_> {
    /// How a block lies.
    pub fn ty(&self) -> TensorType {
        self.ty
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.tensor.info.dims.row() as usize / self.ty.block_len() * self.ty.block_bytes()
    }

    /// Copies some rows to `out` (rows.len() x [`row_bytes`](Self::row_bytes)).
    ///
    /// # Errors
    /// A value, or a scale, that is not finite.
    pub fn copy(&self, rows: Range<usize>, out: &mut [u8]) -> Result<()> {
        let (row_bytes, cols) = (self.row_bytes(), self.tensor.info.dims.row() as usize);
        out.copy_from_slice(&self.tensor.bytes[rows.start * row_bytes..rows.end * row_bytes]);
        let mut values = vec![0.0; cols];
        for (r, row) in rows.zip(out.chunks_exact(row_bytes)) {
            let first = r * cols;
            let done = blocks::unpack(self.ty, row, &mut values);
            done.map_err(|e| self.tensor.explain(e.after_blocks(first / self.ty.block_len())))?;
            check_finite(&self.tensor.info.name, first, &values)?;
        }
        Ok(())
    }
}
