//! A tensor in a GGUF file: its name, type, shape and place, and with its bytes the way to its weights.
//! How blocks hold weights is [`crate::blocks`]' business.

use std::ops::Deref;

use super::Problem;
use crate::blocks::{self, TensorType, TypeId};
use crate::{Error, Result};

/// Most dimensions a tensor has.
pub const DIMS_MAX: usize = 4;

/// A shape in GGUF order: `dims[0]` is the length of a row, the other end of what NumPy prints. Reads as a slice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Dims {
    ne: [u64; DIMS_MAX],
    count: u8,
}

impl Dims {
    /// `dims` has 1 to [`DIMS_MAX`] elements, or `None`.
    pub(super) fn new(dims: &[u64]) -> Option<Dims> {
        let mut ne = [1; DIMS_MAX];
        ne.get_mut(..dims.len()).filter(|ne| !ne.is_empty())?.copy_from_slice(dims);
        Some(Dims { ne, count: dims.len() as u8 })
    }

    /// Length of a row.
    pub fn row(&self) -> u64 {
        self.ne[0]
    }

    /// Number of rows: the product of all other dimensions.
    pub fn rows(&self) -> u64 {
        self.ne[1..].iter().product()
    }

    /// Number of weights.
    pub fn weights(&self) -> u64 {
        self.ne.iter().product()
    }

    /// Whether even the product of the dimensions that are not 0 fits what file offsets can count.
    pub(super) fn countable(&self) -> bool {
        let product = self.ne.iter().try_fold(1u64, |n, ne| n.checked_mul((*ne).max(1)));
        product.is_some_and(|n| i64::try_from(n).is_ok())
    }
}

impl Deref for Dims {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.ne[..usize::from(self.count)]
    }
}

impl std::fmt::Debug for Dims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.deref().fmt(f)
    }
}

/// Why a tensor that a file lists cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its rows are no whole number of blocks.
    Rows,
    /// It starts where the file says that none does.
    Misaligned,
    /// The file ends before it does.
    OutOfFile,
    /// Another one before it has some of its bytes.
    Overlap,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fault::Rows => "has rows of no whole number of blocks",
            Fault::Misaligned => "starts at no multiple of the alignment",
            Fault::OutOfFile => "ends beyond the end of the file",
            Fault::Overlap => "lies over another tensor",
        })
    }
}

/// What a file says of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// 1 to 63 bytes.
    pub name: String,
    /// How the weights are stored: what its number, shape and length say together.
    pub ty: TypeId,
    /// The shape, rows first.
    pub dims: Dims,
    /// Where it starts, in bytes from the start of the tensor data of its part.
    pub offset: u64,
    /// Which of the files of a split model it is in, from 0; 0 of a whole one.
    pub part: u32,
    /// How long it is. For a type of which nothing decides this, up to the next tensor.
    pub bytes: u64,
    /// What is wrong with it; never anything in a [`Gguf`](super::Gguf).
    pub fault: Option<Fault>,
}

impl TensorInfo {
    /// Bytes behind its blocks.
    pub(super) fn tail_bytes(&self) -> usize {
        let some = self.dims.weights() > 0;
        self.ty.known().filter(|_| some).map_or(0, TensorType::tail_bytes)
    }
}

/// A tensor and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// Name, type and shape.
    pub info: &'a TensorInfo,
    /// The blocks and what stands behind them, `info.bytes` in all; not aligned to anything.
    pub bytes: &'a [u8],
    pub(super) file: &'a str,
}

impl<'a> Tensor<'a> {
    /// Its type, or an error naming it if it is one that this crate does not read.
    pub fn ty(&self) -> Result<TensorType> {
        let info = self.info;
        info.ty.known().ok_or_else(|| {
            self.error(Problem::UnsupportedType { name: info.name.clone(), found: info.ty.name() })
        })
    }

    /// All its weights as f32, row after row.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        let ty = self.ty()?;
        let memory = Problem::Memory { bytes: self.info.dims.weights().saturating_mul(4) };
        let mut out = Vec::new();
        let count = usize::try_from(self.info.dims.weights()).unwrap_or(usize::MAX);
        if out.try_reserve_exact(count).is_err() {
            return Err(self.error(memory));
        }
        out.resize(count, 0.0);
        blocks::unpack(ty, self.blocks(), &mut out).map_err(|e| self.explain(e))?;
        if let Some(factor) = self.factor()? {
            out.iter_mut().for_each(|w| *w *= factor);
        }
        Ok(out)
    }

    /// Its blocks alone, without what stands behind them.
    pub fn blocks(&self) -> &'a [u8] {
        let tail = self.info.tail_bytes().min(self.bytes.len());
        &self.bytes[..self.bytes.len() - tail]
    }

    /// What all its weights are multiplied by, if that stands behind its blocks (I2_S), else `None`. Finite, or an error naming the tensor.
    pub fn factor(&self) -> Result<Option<f32>> {
        match &self.bytes[self.blocks().len()..] {
            [] => Ok(None),
            tail => blocks::i2_s::factor(tail).map(Some).map_err(|e| self.explain(e)),
        }
    }

    /// Adds this tensor's and the file's name to an error about blocks.
    pub fn explain(&self, error: Error) -> Error {
        match error {
            Error::Block(problem) => self.error(Problem::Tensor { name: self.info.name.clone(), problem }),
            other => other,
        }
    }

    fn error(&self, problem: Problem) -> Error {
        Error::Gguf { problem, file: self.file.to_owned() }
    }
}
