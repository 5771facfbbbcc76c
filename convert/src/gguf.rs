//! A GGUF file as a source: its header in memory, its tensors read piece by piece.

use std::ops::Range;
use std::path::{Path, PathBuf};

use formats::blocks;
use formats::gguf::{Header, Metadata, TensorFile};
use half::f16;

use crate::source::{Entry, Form, Reader, Source};
use crate::weights::{Ternary, Weights};
use crate::{Result, Watch};

/// Keys of a file that is a part of a model: the new one is whole.
const SPLIT: &str = "split.";

/// See the top of this file.
pub struct GgufSource {
    path: PathBuf,
    header: Header,
    metadata: Metadata,
    tensors: Vec<Entry>,
}

impl GgufSource {
    /// # Errors
    /// No GGUF file, or one that is damaged.
    pub fn open(path: &Path) -> Result<GgufSource> {
        let header = Header::open(path)?;
        let mut metadata = Metadata::new();
        for (key, value) in header.metadata().iter().filter(|(key, _)| !key.starts_with(SPLIT)) {
            metadata.insert(key, value.clone());
        }
        let entry = |t: &formats::gguf::TensorInfo| Entry {
            name: t.name.clone(),
            dims: t.dims.to_vec(),
            form: Form::Blocks { ty: t.ty, bytes: t.bytes },
        };
        let tensors = header.tensors().iter().map(entry).collect();
        Ok(GgufSource { path: path.to_owned(), header, metadata, tensors })
    }
}

impl Source for GgufSource {
    fn path(&self) -> &Path {
        &self.path
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn tensors(&self) -> &[Entry] {
        &self.tensors
    }

    fn open(&self, index: usize, _: &mut Watch<'_>) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(TensorFile::open(&self.path, &self.header, &self.tensors[index].name)?))
    }

    fn remarks(&self) -> &[String] {
        &[]
    }
}

impl Reader for TensorFile {
    fn bytes(&mut self, at: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        Ok(self.read(at, out)?)
    }

    fn weights(&mut self, at: Range<u64>) -> Result<Weights> {
        let (ty, count) = (self.ty()?, (at.end - at.start) as usize);
        let len = ty.block_len() as u64;
        let blocks = at.start / len..at.end.div_ceil(len);
        let first = blocks.start as usize;
        let mut bytes = Vec::new();
        self.read_blocks(blocks, &mut bytes)?;
        if !ty.is_ternary() {
            let mut floats = vec![0.0; count];
            let done = blocks::unpack(ty, &bytes, &mut floats);
            done.map_err(|e| self.explain(e.after_blocks(first)))?;
            return Ok(Weights::Floats(floats));
        }
        // All weights of a piece share the factor, where there is no group.
        let group = ty.group().unwrap_or(count).max(1);
        let (mut codes, mut scales) = (vec![0; count], vec![f16::ONE; count / group]);
        let read = if ty.group().is_some() { &mut scales[..] } else { &mut [] };
        let done = blocks::unpack_codes(ty, &bytes, read, &mut codes);
        done.map_err(|e| self.explain(e.after_blocks(first)))?;
        Ok(Weights::Ternary(Ternary { codes, scales, factor: self.factor()? }))
    }
}
