//! Writing a GGUF file whose tensors are in memory. How a file is laid out is [`Outline`]'s business.

use std::io::{self, Write};
use std::path::Path;

use super::metadata::Metadata;
use super::outline::Outline;
use crate::Result;
use crate::blocks::TypeId;

/// A GGUF file in the making.
#[derive(Clone, Debug, Default)]
pub struct GgufWriter {
    /// The keys and values; `general.alignment` decides the padding if it is here.
    pub metadata: Metadata,
    /// The tensors, without keys and values.
    outline: Outline,
    bytes: Vec<Vec<u8>>,
}

impl GgufWriter {
    /// No tensors yet.
    pub fn new(metadata: Metadata) -> GgufWriter {
        GgufWriter { metadata, ..GgufWriter::default() }
    }

    /// Adds a tensor: `dims` in GGUF order (row length first), `bytes` its blocks, row after row.
    ///
    /// An error if the name is taken, empty or longer than 63 bytes, or if the bytes do not fit type and shape.
    pub fn add_tensor(
        &mut self,
        name: &str,
        ty: impl Into<TypeId>,
        dims: &[u64],
        bytes: Vec<u8>,
    ) -> Result<()> {
        self.outline.add_tensor(name, ty, dims, bytes.len() as u64)?;
        self.bytes.push(bytes);
        Ok(())
    }

    /// Writes the file: whole, or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.whole_outline().write_from(path, |index, out| self.fill(index, out))
    }

    /// The file in memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.whole_outline().bytes_from(|index, out| self.fill(index, out))
    }

    fn fill(&self, index: usize, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.bytes[index])
    }

    /// A copy of the keys is little beside the tensors.
    fn whole_outline(&self) -> Outline {
        let mut outline = self.outline.clone();
        outline.metadata = self.metadata.clone();
        outline
    }
}
