//! A tensor of a file as ternary rows, whatever type the file keeps them in. CPU layouts and the GPU's words are made from these.

use std::ops::Range;

use formats::blocks::{self, TensorType, q2_0};
use formats::gguf::Tensor;
use formats::rows::TernaryRows;
use formats::ternary::GROUP;
use half::f16;

use crate::error::{Error, Result};

/// A tensor whose weights are ternary, or floats that may be: each group of 128 holds only `-s`, `0` and `s` for a scale that f16 can hold.
///
/// Groups are of 128, a part of the file's where those are longer, and two of them where they are of 64 and alike. Where two have scales of
/// their own, or a weight is 2, groups are of 64.
pub struct TensorRows<'a> {
    tensor: Tensor<'a>,
    ty: TensorType,
    group: usize,
    factor: Option<f32>,
}

impl<'a> TensorRows<'a> {
    /// `None` if the type holds neither ternary weights nor floats.
    ///
    /// # Errors
    /// A type that is not read, or a factor that is not finite.
    pub fn new(tensor: Tensor<'a>) -> Result<Option<Self>> {
        let ty = tensor.ty()?;
        let cols = tensor.info.dims.row() as usize;
        let group = match ty {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => GROUP,
            TensorType::Q2_0 if !cols.is_multiple_of(GROUP) || !pairs_up(tensor.blocks()) => HALF,
            TensorType::Q2_0_128 if q2_0::has_twos::<{ q2_0::BYTES_128 }>(tensor.blocks()) => HALF,
            ty if ty.is_ternary() => GROUP,
            _ => return Ok(None),
        };
        let factor = tensor.factor()?;
        Ok(Some(TensorRows { tensor, ty, group, factor }))
    }

    /// Whether all of them are ternary. What a type says of itself is not looked at; floats are, up to the first group that is not.
    ///
    /// # Errors
    /// A value that is not finite before that.
    pub fn is_ternary(&self) -> Result<bool> {
        if self.ty.is_ternary() {
            return Ok(true);
        }
        let cols = self.cols();
        if !cols.is_multiple_of(GROUP) {
            return Ok(false);
        }
        let (mut codes, mut scales) = (vec![0; cols], vec![f16::ZERO; cols / GROUP]);
        for r in 0..self.rows() {
            match self.unpack(r..r + 1, &mut codes, &mut scales) {
                Err(Error::TensorType { .. }) => return Ok(false),
                done => done?,
            }
        }
        Ok(true)
    }
}

/// The shorter of two groups that kernels know.
const HALF: usize = GROUP / 2;

impl TernaryRows for TensorRows<'_> {
    type Error = Error;

    fn rows(&self) -> usize {
        self.tensor.info.dims.rows() as usize
    }

    fn cols(&self) -> usize {
        self.tensor.info.dims.row() as usize
    }

    fn group(&self) -> usize {
        self.group
    }

    fn factor(&self) -> Option<f32> {
        self.factor
    }

    fn unpack(&self, rows: Range<usize>, codes: &mut [i8], scales: &mut [f16]) -> Result<()> {
        let (name, ty, cols) = (&self.tensor.info.name, self.ty, self.cols());
        let row_bytes = ty.row_bytes(cols as u64)? as usize;
        let bytes = &self.tensor.blocks()[rows.start * row_bytes..rows.end * row_bytes];
        let first = rows.start * cols;
        if ty.is_ternary() {
            let explain = |e: formats::Error| self.tensor.explain(e.after_blocks(first / ty.block_len()));
            if ty.block_len() >= self.group {
                return Ok(blocks::unpack_codes(ty, bytes, scales, codes).map_err(explain)?);
            }
            let mut halves = vec![f16::ZERO; 2 * scales.len()];
            blocks::unpack_codes(ty, bytes, &mut halves, codes).map_err(explain)?;
            let groups = codes.chunks_exact(GROUP).zip(halves.as_chunks::<2>().0);
            for ((codes, &[low, high]), scale) in groups.zip(scales) {
                *scale = if codes[..HALF].iter().all(|t| *t == 0) { high } else { low };
            }
            return Ok(());
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

/// Whether every two blocks of Q2_0 are one group of 128: ternary, and of the same scale where neither is all zeros.
fn pairs_up(bytes: &[u8]) -> bool {
    let zeros = |block: &[u8; q2_0::BYTES]| block[2..].iter().all(|codes| *codes == 0x55);
    !q2_0::has_twos::<{ q2_0::BYTES }>(bytes)
        && bytes.as_chunks::<{ 2 * q2_0::BYTES }>().0.iter().all(|pair| {
            let [low, high] = pair.as_chunks::<{ q2_0::BYTES }>().0 else { unreachable!("two blocks") };
            low[..2] == high[..2] || zeros(low) || zeros(high)
        })
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
