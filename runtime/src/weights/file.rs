//! The tensors of a file as the file means them, each of the shape and type that its place calls for. Whatever a device makes of a
//! model is made from these, so every number is checked here, for all devices alike.

use formats::blocks::TensorType;
use formats::gguf::{Gguf, Tensor};
use model::tensors::TensorSpec;

use super::rows;
use super::stored::StoredRows;
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

    /// The matrix of a linear layer.
    ///
    /// # Errors
    /// A tensor that is missing or of another shape, or of a type that is not read. Its values are checked as they are unpacked.
    pub fn linear(self, spec: &TensorSpec) -> Result<StoredRows<'a>> {
        StoredRows::linear(self.tensor(spec)?)
    }

    /// Whether [`linear`](Self::linear) would be had, without a look at its values.
    ///
    /// # Errors
    /// The same.
    pub fn check_linear(self, spec: &TensorSpec) -> Result<()> {
        self.table(spec).map(|_| ())
    }

    /// An embedding or a head.
    ///
    /// # Errors
    /// As [`linear`](Self::linear).
    pub fn table(self, spec: &TensorSpec) -> Result<StoredRows<'a>> {
        StoredRows::table(self.tensor(spec)?)
    }
}
