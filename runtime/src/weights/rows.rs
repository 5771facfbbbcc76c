//! A tensor of a file as ternary rows, whatever type the file keeps them in. CPU layouts and the GPU's words are made from these.

use std::ops::Range;

use formats::blocks::{self, TensorType};
use formats::gguf::Tensor;
use formats::rows::TernaryRows;
use formats::ternary::GROUP;
use half::f16;

use crate::error::{Error, Result};

/// A tensor whose weights are ternary, or claim to be. Floats are accepted where they are ternary already:
/// each group of 128 holds only `-s`, `0` and `s` for a scale that f16 can hold.
pub struct TensorRows<'a> {
    tensor: Tensor<'a>,
    ty: TensorType,
}

impl<'a> TensorRows<'a> {
    /// # Errors
    /// A type that holds no ternary weights, or that is not read.
    pub fn new(tensor: Tensor<'a>) -> Result<Self> {
        match tensor.ty()? {
            ty @ (TensorType::F32
            | TensorType::F16
            | TensorType::BF16
            | TensorType::Q1_58
            | TensorType::TQ2_0) => Ok(TensorRows { tensor, ty }),
            ty => Err(wrong_type(&tensor.info.name, ty.name(), "Q1_58, TQ2_0 or ternary floats")),
        }
    }
}

impl TernaryRows for TensorRows<'_> {
    type Error = Error;

    fn rows(&self) -> usize {
        self.tensor.info.dims.rows() as usize
    }

    fn cols(&self) -> usize {
        self.tensor.info.dims.row() as usize
    }

    /// 128 in every type that is read: a block of TQ2_0 is two groups of the same scale.
    fn group(&self) -> usize {
        GROUP
    }

    fn factor(&self) -> Option<f32> {
        None
    }

    fn unpack(&self, rows: Range<usize>, codes: &mut [i8], scales: &mut [f16]) -> Result<()> {
        let (name, ty, cols) = (&self.tensor.info.name, self.ty, self.cols());
        let row_bytes = ty.row_bytes(cols as u64)? as usize;
        let bytes = &self.tensor.bytes[rows.start * row_bytes..rows.end * row_bytes];
        let first = rows.start * cols;
        if ty.is_ternary() {
            let done = blocks::unpack_codes(ty, bytes, scales, codes);
            return Ok(done.map_err(|e| self.tensor.explain(e.after_blocks(first / ty.block_len())))?);
        }
        let mut values = vec![0.0; codes.len()];
        blocks::unpack(ty, bytes, &mut values)?;
        check_finite(name, first, &values)?;
        let groups = values.chunks_exact(GROUP).zip(codes.chunks_exact_mut(GROUP));
        for ((w, t), s) in groups.zip(scales) {
            *s = codes_of(w, t)
                .ok_or_else(|| wrong_type(name, ty.name(), "weights that are ternary in groups of 128"))?;
        }
        Ok(())
    }
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

/// Refuses NaN and infinities among values of which the first is element `first` of the tensor.
pub fn check_finite(name: &str, first: usize, values: &[f32]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(non_finite(name, first + index, values[index])),
        None => Ok(()),
    }
}

/// One value that is not finite.
pub fn non_finite(name: &str, index: usize, value: f32) -> Error {
    Error::NonFinite { name: name.to_owned(), index, value }
}

/// A tensor of a type that cannot be used there.
pub fn wrong_type(name: &str, found: &str, expected: &'static str) -> Error {
    Error::TensorType { name: name.to_owned(), found: found.to_owned(), expected }
}
