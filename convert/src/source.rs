//! Where a model comes from: its metadata as a GGUF file will have them, its tensors, and the way to their weights.

use std::ops::Range;
use std::path::Path;

use formats::blocks::{TensorType, TypeId};
use formats::gguf::Metadata;

use crate::gguf::GgufSource;
use crate::part::Part;
use crate::weights::Weights;
use crate::{Result, Watch};

/// See the top of this file.
pub trait Source {
    /// The file or folder.
    fn path(&self) -> &Path;

    /// Keys and values for the new file.
    fn metadata(&self) -> &Metadata;

    /// The tensors, in the order in which they are written.
    fn tensors(&self) -> &[Entry];

    /// The way to the weights of one of them.
    ///
    /// # Errors
    /// A file that cannot be read any more; an end that was asked for.
    fn open(&self, index: usize, watch: &mut Watch<'_>) -> Result<Box<dyn Reader + '_>>;

    /// What happened to the weights on the way here, for who converts them; nothing if nothing did.
    fn remarks(&self) -> &[String];
}

/// A tensor of a source.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name in a GGUF file.
    pub name: String,
    /// The length of a row first.
    pub dims: Vec<u64>,
    /// How its weights are kept.
    pub form: Form,
}

/// How a source keeps the weights of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In a type of a GGUF file, in its order: they can be copied.
    Blocks {
        /// The type.
        ty: TypeId,
        /// Bytes of all of them.
        bytes: u64,
    },
    /// As floats of this type, in whatever order.
    Floats(TensorType),
    /// As codes with one factor for all.
    Codes,
}

/// The weights of one tensor, in the order of a GGUF file.
pub trait Reader {
    /// Replaces `out` by these bytes of it; for [`Form::Blocks`], as far as they lie in it.
    ///
    /// # Errors
    /// A file that cannot be read any more.
    fn bytes(&mut self, at: Range<u64>, out: &mut Vec<u8>) -> Result<()>;

    /// These weights of it; whole blocks of 256, but for the last ones.
    ///
    /// # Errors
    /// A file that cannot be read any more, blocks that are damaged.
    fn weights(&mut self, at: Range<u64>) -> Result<Weights>;
}

impl Entry {
    /// The length of a row.
    pub fn row(&self) -> u64 {
        self.dims[0]
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.dims[1..].iter().product()
    }

    /// The number of weights.
    pub fn weights(&self) -> u64 {
        self.dims.iter().product()
    }

    /// What it is to the model.
    pub(crate) fn part(&self) -> Part {
        Part::of(&self.name)
    }

    /// Whether its weights are ternary by the way they are kept.
    pub(crate) fn is_ternary(&self) -> bool {
        match self.form {
            Form::Blocks { ty, .. } => ty.known().is_some_and(TensorType::is_ternary),
            Form::Floats(_) => false,
            Form::Codes => true,
        }
    }

    /// How its weights are kept, in a word.
    pub fn kept_as(&self) -> &'static str {
        match self.form {
            Form::Blocks { ty, .. } => ty.name(),
            Form::Floats(ty) => ty.name(),
            Form::Codes => "codes",
        }
    }
}

/// Opens a GGUF file, or a folder as Hugging Face's libraries write it.
///
/// # Errors
/// Neither, or one that is damaged or holds what we do not know.
pub fn open(path: &Path) -> Result<Box<dyn Source>> {
    Ok(Box::new(GgufSource::open(path)?))
}
