//! One tensor of a file on disk, read piece by piece: for who looks at weights without keeping them. The file may have been
//! changed since its header was read; then its bytes are what they are, and bytes that are gone are an error.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Problem;
use super::file::Header;
use super::tensor::TensorInfo;
use crate::blocks::{TensorType, i2_s};
use crate::{Error, Result, ordinary};

/// A tensor on disk. It keeps its file open, so that one that is deleted meanwhile can still be read.
#[derive(Debug)]
pub struct TensorFile {
    file: File,
    path: PathBuf,
    info: TensorInfo,
    /// Where it starts in the file.
    start: u64,
}

impl TensorFile {
    /// Opens the tensor of that name in the file that `header` was read from, or in the one of its parts that has it.
    pub fn open(path: &Path, header: &Header, name: &str) -> Result<TensorFile> {
        let place = header.find(name).and_then(|info| {
            let part = header.parts.get(usize::try_from(info.part).ok()?)?;
            Some((info, part.path(path), part.data.start.checked_add(info.offset)?))
        });
        let Some((info, path, start)) = place else {
            return Err(in_file(path, Problem::MissingTensor { name: name.to_owned() }));
        };
        if let Some(fault) = info.fault {
            return Err(in_file(&path, Problem::Broken { name: name.to_owned(), fault }));
        }
        let (file, _) = ordinary::open(&path)?;
        Ok(TensorFile { file, path, info: info.clone(), start })
    }

    /// Its name, type and shape.
    pub fn info(&self) -> &TensorInfo {
        &self.info
    }

    /// Its type, or an error naming it if it is one that this crate does not read.
    pub fn ty(&self) -> Result<TensorType> {
        let (name, found) = (self.info.name.clone(), self.info.ty.name());
        self.info.ty.known().ok_or_else(|| in_file(&self.path, Problem::UnsupportedType { name, found }))
    }

    /// Replaces `out` by the bytes of these blocks, as far as they lie in the tensor.
    ///
    /// An error if the type is not one of ours, or if the file does not hold them any more.
    pub fn read_blocks(&mut self, blocks: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        let size = u64::try_from(self.ty()?.block_bytes()).unwrap_or(u64::MAX);
        let end = blocks.end.saturating_mul(size).min(self.blocks_end());
        self.read(blocks.start.saturating_mul(size)..end, out)
    }

    /// What all its weights are multiplied by, if that stands behind its blocks (I2_S), else `None`. Finite, or an error naming the tensor.
    pub fn factor(&mut self) -> Result<Option<f32>> {
        let blocks = self.blocks_end();
        if blocks == self.info.bytes {
            return Ok(None);
        }
        let mut tail = Vec::new();
        self.read(blocks..self.info.bytes, &mut tail)?;
        i2_s::factor(&tail).map(Some).map_err(|e| self.explain(e))
    }

    /// Where in the tensor its blocks end, and what stands behind them begins.
    fn blocks_end(&self) -> u64 {
        self.info.bytes.saturating_sub(u64::try_from(self.info.tail_bytes()).unwrap_or(0))
    }

    /// Replaces `out` by these bytes of the tensor, as far as they lie in it.
    pub fn read(&mut self, bytes: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let end = bytes.end.min(self.info.bytes);
        let len = end.saturating_sub(bytes.start);
        if len == 0 {
            return Ok(());
        }
        let room = usize::try_from(len).ok().filter(|len| out.try_reserve_exact(*len).is_ok());
        if room.is_none() {
            return Err(in_file(&self.path, Problem::Memory { bytes: len }));
        }
        let io = |source| Error::Io { what: "read", path: self.path.clone(), source };
        self.file.seek(SeekFrom::Start(self.start.saturating_add(bytes.start))).map_err(io)?;
        let read = (&self.file).take(len).read_to_end(out).map_err(io)?;
        if u64::try_from(read).is_ok_and(|read| read == len) {
            return Ok(());
        }
        Err(io(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter since it was opened")))
    }

    /// Adds this tensor's and the file's name to an error about blocks.
    pub fn explain(&self, error: Error) -> Error {
        match error {
            Error::Block(problem) => {
                in_file(&self.path, Problem::Tensor { name: self.info.name.clone(), problem })
            }
            other => other,
        }
    }
}

fn in_file(path: &Path, problem: Problem) -> Error {
    Error::Gguf { problem, file: path.to_string_lossy().into_owned() }
}
