//! A GGUF model on disk or in memory, of one file or of several that it is split over: opening it, and finding what is in it. What its bytes mean, and whether they
//! are sound, is `parser`'s business; only as much of a file is read as its header turns out to need.
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

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::list::List;
use super::metadata::Metadata;
use super::other_kind::{OtherKind, other_folder};
use super::parser::{Stop, parse_header};
use super::split::{self, Split};
use super::tensor::{Tensor, TensorInfo};
use super::{Problem, TENSORS_MAX};
use crate::{Error, Result, ordinary};

/// Bytes of a file that [`Header::open`] looks at first; nearly every header without a vocabulary fits.
const FIRST_READ: u64 = 1 << 20;

/// What a GGUF model says before its tensor data: metadata, and each tensor's name, type, shape and place.
#[derive(Clone, Debug)]
pub struct Header {
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) tensors: List<TensorInfo>,
    /// Positions in `tensors`, ordered by name.
    pub(super) sorted: Vec<u32>,
    /// The files it is in, as tensors number them.
    pub(super) parts: Vec<Part>,
    pub(super) alignment: u32,
    /// What is wrong with the first of its tensors that cannot be read.
    pub(super) problem: Option<Problem>,
}

/// One of the files that a model is in.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Its name beside the file that was opened, if it need not be that one.
    pub file_name: Option<OsString>,
    /// Where tensor data starts in it, and where its last tensor ends (without padding).
    pub data: Range<u64>,
}

/// A whole GGUF model in memory.
#[derive(Clone, Debug)]
pub struct Gguf {
    /// Shared with whoever goes on to need it when the bytes are gone.
    header: Arc<Header>,
    /// Its files, as tensors number them.
    files: Vec<Loaded>,
    name: String,
}

/// A file in memory.
#[derive(Clone, Debug)]
struct Loaded {
    /// The file up to the end of its last tensor.
    bytes: Vec<u8>,
    name: String,
}

impl Header {
    /// Reads the header of a model, not its tensors; that of a split model from all its files, whichever of them `path` is. A tensor that its file does not hold as
    /// promised is listed with its [`Fault`](super::Fault), so that a damaged file can be looked at; [`Gguf::open`] refuses it.
    ///
    /// # Errors
    /// A file that is no GGUF; parts that are missing or do not belong together.
    pub fn open(path: &Path) -> Result<Header> {
        open_parts(path, |opened| Ok(opened.header))
    }

    /// The files of the model whose header was read from `path`, in the order of its parts.
    pub fn files(&self, path: &Path) -> impl Iterator<Item = PathBuf> {
        self.parts.iter().map(|part| part.path(path))
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

impl Part {
    /// Its file, if the model was opened as `path`.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.file_name.as_ref().map_or_else(|| path.to_owned(), |name| path.with_file_name(name))
    }
}

impl Gguf {
    /// Reads a whole model into memory, all files of it, whichever of them `path` is: ordinary files, so that no pipe or device can keep us waiting.
    ///
    /// # Errors
    /// A file that is no GGUF, or a damaged one; parts that are missing or do not belong together.
    pub fn open(path: &Path) -> Result<Gguf> {
        let mut files = Vec::new();
        let header = open_parts(path, |mut opened| {
            let name = opened.path.to_string_lossy().into_owned();
            let header = sound(opened.header, &name)?;
            let end = header.parts.iter().map(|part| part.data.end).max().unwrap_or(0);
            read_up_to(&mut opened.file, &mut opened.start, end, &opened.path)?;
            opened.start.truncate(usize::try_from(end).unwrap_or(usize::MAX));
            files.push(Loaded { bytes: opened.start, name });
            Ok(header)
        })?;
        Ok(Gguf { header: Arc::new(header), files, name: path.to_string_lossy().into_owned() })
    }

    /// Takes a file that is in memory already; `name` stands for it in errors. A part of a split model stays one, as its others are not there.
    pub fn parse(bytes: Vec<u8>, name: &str) -> Result<Gguf> {
        let file_len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match parse_header(&bytes, file_len, name) {
            Ok(header) => {
                let header = Arc::new(sound(header, name)?);
                let files = vec![Loaded { bytes, name: name.to_owned() }];
                Ok(Gguf { header, files, name: name.to_owned() })
            }
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
        let part = usize::try_from(info.part).ok()?;
        let (file, data) = (self.files.get(part)?, &self.header.parts.get(part)?.data);
        let start = usize::try_from(data.start.checked_add(info.offset)?).ok()?;
        // A tensor of no weights may lie anywhere, even where there is no data.
        let bytes = if len == 0 { &[] } else { file.bytes.get(start..start.checked_add(len)?)? };
        Some(Tensor { info, bytes, file: &file.name })
    }
}

/// A file whose header has been read.
struct Opened {
    header: Header,
    /// What of the file was read for that, and the file, to read on.
    start: Vec<u8>,
    file: File,
    path: PathBuf,
}

/// Opens a file or, if it is a part of a split model, all its parts in order. `take` gets each and gives its header back; the headers are joined.
fn open_parts(path: &Path, mut take: impl FnMut(Opened) -> Result<Header>) -> Result<Header> {
    let opened = read_header(path)?;
    let Some(split) = Split::of(path, &opened.header.metadata)? else { return take(opened) };
    drop(opened);
    let mut whole: Option<Header> = None;
    for number in split.numbers() {
        let opened = open_part(&split, number, path)?;
        let file_name = opened.path.file_name().map(OsString::from);
        let mut part = take(opened)?;
        part.parts.iter_mut().for_each(|part| part.file_name.clone_from(&file_name));
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => whole.join(part)?,
        }
    }
    let missing = || missing_part(&split, 1, path);
    whole.ok_or_else(missing)?.joined(path)
}

/// A part, checked to be what its name says. `path` is what was asked for.
fn open_part(split: &Split, number: u64, path: &Path) -> Result<Opened> {
    let part = read_header(&split.path(number)).map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => missing_part(split, number, path),
        other => other,
    })?;
    split.check(number, &part.header.metadata)?;
    Ok(part)
}

fn missing_part(split: &Split, number: u64, path: &Path) -> Error {
    let name = split.path(number).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let problem = Problem::MissingPart { number, count: split.count(), name };
    Error::Gguf { problem, file: path.to_string_lossy().into_owned() }
}

impl Header {
    /// Appends the tensors of another part. Which names there are is known when all have [joined](Self::joined).
    fn join(&mut self, part: Header) -> Result<()> {
        let found = u64::try_from(self.tensors.len().saturating_add(part.tensors.len())).unwrap_or(u64::MAX);
        if found > TENSORS_MAX {
            let problem = Problem::TooMany { what: "tensors", found, limit: TENSORS_MAX };
            return Err(part.metadata.error(problem));
        }
        let number = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        part.tensors.into_iter().for_each(|t| self.tensors.push(TensorInfo { part: number, ..t }));
        self.parts.extend(part.parts);
        self.problem = self.problem.take().or(part.problem);
        Ok(())
    }

    /// The header of the whole, opened as `path`: without what only parts have to say.
    fn joined(mut self, path: &Path) -> Result<Header> {
        let found = u64::try_from(self.tensors.len()).unwrap_or(u64::MAX);
        Split::check_tensors(found, &self.metadata)?;
        self.sorted = self.tensors.sorted_by_name(|t| &t.name).map_err(|at| {
            let twice = self.tensors.get(at);
            let part = twice.and_then(|t| self.parts.get(usize::try_from(t.part).ok()?));
            let file = part.map_or_else(|| path.to_owned(), |part| part.path(path));
            let name = twice.map(|t| t.name.clone()).unwrap_or_default();
            Error::Gguf {
                problem: Problem::DuplicateTensor { name },
                file: file.to_string_lossy().into_owned(),
            }
        })?;
        self.metadata = self.metadata.without(&split::KEYS);
        Ok(self)
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

/// Opens a file and reads as much of it as the header takes.
fn read_header(path: &Path) -> Result<Opened> {
    let (mut file, file_len) = open_file(path)?;
    let mut start = Vec::new();
    let mut want = FIRST_READ;
    loop {
        read_up_to(&mut file, &mut start, want.min(file_len), path)?;
        match parse_header(&start, file_len, &path.to_string_lossy()) {
            Ok(header) => return Ok(Opened { header, start, file, path: path.to_owned() }),
            Err(Stop::More { .. }) => want = want.saturating_mul(4),
            Err(Stop::Bad(problem)) => {
                return Err(Error::Gguf { problem, file: path.to_string_lossy().into_owned() });
            }
        }
    }
}
