//! A GGUF file on disk or in memory: opening it, and finding what is in it. What its bytes mean, and whether they are
//! sound, is `parser`'s business; only as much of the file is read as the header turns out to need.
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
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::Problem;
use super::list::List;
use super::metadata::Metadata;
use super::other_kind::{OtherKind, other_folder};
use super::parser::{Stop, parse_header};
use super::tensor::{Tensor, TensorInfo};
use crate::{Error, Result, ordinary};

/// Bytes of a file that [`Header::open`] looks at first; nearly every header without a vocabulary fits.
const FIRST_READ: u64 = 1 << 20;
/// What a GGUF file says before its tensor data: metadata, and each tensor's name, type, shape and place.
#[derive(Clone, Debug)]
pub struct Header {
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) tensors: List<TensorInfo>,
    /// Positions in `tensors`, ordered by name.
    pub(super) sorted: Vec<u32>,
    /// Where tensor data starts in the file, and where the last tensor ends (without padding).
    pub(super) data: std::ops::Range<u64>,
    pub(super) alignment: u32,
    /// What is wrong with the first of its tensors that cannot be read.
    pub(super) problem: Option<Problem>,
}

/// A whole GGUF file in memory.
#[derive(Clone, Debug)]
pub struct Gguf {
    /// Shared with whoever goes on to need it when the bytes are gone.
    header: Arc<Header>,
    /// The file up to the end of its last tensor.
    bytes: Vec<u8>,
    name: String,
}

impl Header {
    /// Reads the header of a file, not its tensors. One that the file does not hold as promised is listed with its [`Fault`](super::Fault),
    /// so that a damaged file can be looked at; [`Gguf::open`] refuses it.
    pub fn open(path: &Path) -> Result<Header> {
        let (file, file_len) = open_file(path)?;
        read_header(file, file_len, path).map(|(header, _, _)| header)
    }

    /// 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The keys and values.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The tensors in the order of the header.
    pub fn tensors(&self) -> &List<TensorInfo> {
        &self.tensors
    }

    /// The tensor of that name.
    pub fn find(&self, name: &str) -> Option<&TensorInfo> {
        let at = |i: &u32| self.tensors.get(usize::try_from(*i).ok()?);
        let found = self.sorted.binary_search_by(|i| at(i).map(|t| t.name.as_str()).cmp(&Some(name))).ok()?;
        at(self.sorted.get(found)?)
    }

    /// Tensors start at multiples of this many bytes.
    pub fn alignment(&self) -> u32 {
        self.alignment
    }
}

impl Gguf {
    /// Reads a whole file into memory: an ordinary file, so that no pipe or device can keep us waiting.
    pub fn open(path: &Path) -> Result<Gguf> {
        let (file, file_len) = open_file(path)?;
        let (header, mut bytes, mut file) = read_header(file, file_len, path)?;
        let header = sound(header, &path.to_string_lossy())?;
        read_up_to(&mut file, &mut bytes, header.data.end, path)?;
        bytes.truncate(usize::try_from(header.data.end).unwrap_or(usize::MAX));
        Ok(Gguf { header: Arc::new(header), bytes, name: path.to_string_lossy().into_owned() })
    }

    /// Takes a file that is in memory already; `name` stands for it in errors.
    pub fn parse(bytes: Vec<u8>, name: &str) -> Result<Gguf> {
        let file_len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match parse_header(&bytes, file_len, name) {
            Ok(header) => Ok(Gguf { header: Arc::new(sound(header, name)?), bytes, name: name.to_owned() }),
            Err(Stop::Bad(problem)) => Err(Error::Gguf { problem, file: name.to_owned() }),
            // `bytes` is the whole file, so running out of bytes is running out of file.
            Err(Stop::More { at }) => {
                let problem = Problem::Truncated { what: "the header".to_owned(), at, needed: 1, file_len };
                Err(Error::Gguf { problem, file: name.to_owned() })
            }
        }
    }

    /// What the file says before its tensor data.
    pub fn header(&self) -> &Arc<Header> {
        &self.header
    }

    /// The keys and values.
    pub fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    /// The tensors in the order of the header.
    pub fn tensors(&self) -> &List<TensorInfo> {
        &self.header.tensors
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.header.find(name).is_some()
    }

    /// The tensor of that name, or an error naming it.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>> {
        match self.header.find(name).and_then(|info| self.bytes_of(info)) {
            Some(tensor) => Ok(tensor),
            None => Err(self.error(Problem::MissingTensor { name: name.to_owned() })),
        }
    }

    /// The name by which errors call this file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An error about this file: for users who find a tensor of the wrong shape.
    pub fn error(&self, problem: Problem) -> Error {
        Error::Gguf { problem, file: self.name.clone() }
    }

    fn bytes_of<'a>(&'a self, info: &'a TensorInfo) -> Option<Tensor<'a>> {
        let len = usize::try_from(info.bytes).ok()?;
        let start = usize::try_from(self.header.data.start.checked_add(info.offset)?).ok()?;
        // A tensor of no weights may lie anywhere, even where there is no data.
        let bytes = if len == 0 { &[] } else { self.bytes.get(start..start.checked_add(len)?)? };
        Some(Tensor { info, bytes, file: &self.name })
    }
}

/// Opens a file, and says of a folder what kind of model it may be.
fn open_file(path: &Path) -> Result<(File, u64)> {
    ordinary::open(path).map_err(|error| match other_folder(path) {
        Some(OtherKind { kind, cure }) => Error::Gguf {
            problem: Problem::OtherKind { kind, cure },
            file: path.to_string_lossy().into_owned(),
        },
        None => error,
    })
}

/// A header whose tensors can all be read.
fn sound(mut header: Header, file: &str) -> Result<Header> {
    match header.problem.take() {
        None => Ok(header),
        Some(problem) => Err(Error::Gguf { problem, file: file.to_owned() }),
    }
}

/// Reads until `bytes` holds the first `len` bytes of the file.
fn read_up_to(file: &mut File, bytes: &mut Vec<u8>, len: u64, path: &Path) -> Result<()> {
    let have = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let missing = len.saturating_sub(have);
    let too_big =
        || Error::Gguf { problem: Problem::Memory { bytes: len }, file: path.to_string_lossy().into_owned() };
    bytes.try_reserve_exact(usize::try_from(missing).map_err(|_| too_big())?).map_err(|_| too_big())?;
    let io = |source| Error::Io { what: "read", path: path.to_owned(), source };
    let read = file.take(missing).read_to_end(bytes).map_err(io)?;
    if u64::try_from(read).is_ok_and(|read| read == missing) {
        return Ok(());
    }
    Err(io(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it became shorter while being read")))
}

/// Reads as much of the file as the header takes; gives back what was read and the file, to read on.
fn read_header(mut file: File, file_len: u64, path: &Path) -> Result<(Header, Vec<u8>, File)> {
    let mut bytes = Vec::new();
    let mut want = FIRST_READ;
    loop {
        read_up_to(&mut file, &mut bytes, want.min(file_len), path)?;
        match parse_header(&bytes, file_len, &path.to_string_lossy()) {
            Ok(header) => return Ok((header, bytes, file)),
            Err(Stop::More { .. }) => want = want.saturating_mul(4),
            Err(Stop::Bad(problem)) => {
                return Err(Error::Gguf { problem, file: path.to_string_lossy().into_owned() });
            }
        }
    }
}
