//! The tensors of a file as the file means them, each of the shape and type that its place calls for. Whatever a device makes of a
//! model is made from these, so every number is checked here, for all devices alike.

use formats::blocks::TensorType;
use formats::gguf::{Gguf, Tensor};
use model::tensors::TensorSpec;

use super::rows::{self, TensorRows};
use super::tables::TableRows;
use crate::error::{Error, Result};

/// A file that holds a model's tensors.
#[derive(Clone, Copy)]
pub struct WeightsFile<'a> {
    pub gguf: &'a Gguf,
}

impl<'a> WeightsFile<'a> {
    /// A tensor, of the shape that it must have.
    fn tensor(self, spec: &TensorSpec) -> Result<Tensor<'a>> {
        let tensor = self.gguf.tensor(&spec.name)?;
        let dims = tensor.info.dims;
        if (dims.row(), dims.rows()) != (spec.cols() as u64, spec.rows() as u64) {
            let expected = spec.shape.iter().rev().map(|&d| d as u64).collect();
            return Err(Error::TensorShape { name: spec.name.clone(), found: dims.to_vec(), expected });
        }
        Ok(tensor)
    }

    /// f32 values: a gain, a bias.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape or type, or not finite.
    pub fn plain(self, spec: &TensorSpec) -> Result<Vec<f32>> {
        let tensor = self.tensor(spec)?;
        let ty = tensor.ty()?;
        if !matches!(ty, TensorType::F32 | TensorType::F16 | TensorType::BF16) {
            return Err(rows::wrong_type(&spec.name, ty.name(), "F32, F16 or BF16"));
        }
        let values = tensor.to_f32()?;
        rows::check_finite(&spec.name, 0, &values)?;
        Ok(values)
    }

    /// A matrix of ternary weights.
    ///
    /// # Errors
    /// A tensor that is missing or of another shape or type. Its values are checked as they are unpacked.
    pub fn ternary(self, spec: &TensorSpec) -> Result<TensorRows<'a>> {
        TensorRows::new(self.tensor(spec)?)
    }

    /// An embedding or a head.
    ///
    /// # Errors
    /// As [`ternary`](Self::ternary).
    pub fn table(self, spec: &TensorSpec) -> Result<TableRows<'a>> {
        TableRows::new(self.tensor(spec)?)
    }
}
