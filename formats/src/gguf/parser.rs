//! From the bytes of a GGUF file to its header. Every number in the file is hostile until it has been compared with
//! the bytes that are there: nothing is allocated, multiplied or indexed before. The header alone decides whether the
//! file is sound, tensors' places included, so that a large file is refused, or listed, without reading its tensors.
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

use super::file::Header;
use super::list::List;
use super::metadata::{Entry, Metadata};
use super::tensor::{DIMS_MAX, Dims, TensorInfo};
use super::value::{Array, Strings, Value, id};
use super::{
    ALIGNMENT, ALIGNMENT_KEY, ALIGNMENT_MAX, KEY_BYTES_MAX, KEYS_MAX, MAGIC, NAME_BYTES_MAX, Problem,
    STR_BYTES_MAX, TENSORS_MAX,
};
use crate::Error;
use crate::blocks::TypeId;

/// Smallest key in a file: length, no text, type, one byte of value.
const KEY_BYTES_MIN: u64 = 8 + 4 + 1;
/// Smallest tensor in a header: length, no text, count of dimensions, type, offset.
const TENSOR_BYTES_MIN: u64 = 8 + 4 + 4 + 8;

/// Why parsing stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The file is not sound.
    Bad(Problem),
    /// The header goes on after byte `at`, where the part in memory ends; the file does too.
    More { at: u64 },
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Stop {
        Stop::Bad(problem)
    }
}

pub(super) type Parse<T> = std::result::Result<T, Stop>;

/// `bytes` are the first of `file_len`; `file` is for the metadata's later errors.
pub(super) fn parse_header(bytes: &[u8], file_len: u64, file: &str) -> Parse<Header> {
    let mut cursor = Cursor { rest: bytes, at: 0, file_len };
    let version = parse_version(&mut cursor)?;
    let tensor_count = cursor.count(TENSORS_MAX, TENSOR_BYTES_MIN, "tensors")?;
    let key_count = cursor.count(KEYS_MAX, KEY_BYTES_MIN, "keys")?;

    let mut entries = List::default();
    for _ in 0..key_count {
        let key = cursor.name(KEY_BYTES_MAX, "a key")?;
        let value = parse_value(&mut cursor, key)?;
        entries.push(Entry { key: key.into(), value });
    }
    let metadata = Metadata::from_entries(file.to_owned(), entries)?;
    let alignment = match metadata.get(ALIGNMENT_KEY) {
        None => ALIGNMENT,
        Some(Value::U32(found)) if found.is_power_of_two() && *found <= ALIGNMENT_MAX => *found,
        Some(Value::U32(found)) => {
            return Err(Problem::Alignment { found: *found, limit: ALIGNMENT_MAX }.into());
        }
        Some(other) => {
            let (key, found) = (ALIGNMENT_KEY.to_owned(), other.described());
            return Err(Problem::WrongType { key, expected: "a u32", found }.into());
        }
    };

    let mut tensors = List::default();
    for _ in 0..tensor_count {
        tensors.push(parse_tensor(&mut cursor, alignment.into())?);
    }
    let sorted = tensors.sorted_by_name(|t: &TensorInfo| &t.name).map_err(|at| {
        let name = tensors.get(at).map(|t| t.name.clone()).unwrap_or_default();
        Stop::Bad(Problem::DuplicateTensor { name })
    })?;

    let start = cursor.at.checked_next_multiple_of(alignment.into()).unwrap_or(u64::MAX);
    let end = place_tensors(&mut tensors, file_len.saturating_sub(start), alignment.into())?;
    // No data: no padding either, so the header may end the file.
    let data = if end == 0 { cursor.at..cursor.at } else { start..start.saturating_add(end) };
    Ok(Header { version, metadata, tensors, sorted, data, alignment })
}

/// A place in the part of the header that is in memory.
struct Cursor<'a> {
    rest: &'a [u8],
    at: u64,
    file_len: u64,
}

impl<'a> Cursor<'a> {
    /// Bytes of the file after this place.
    fn left(&self) -> u64 {
        self.file_len.saturating_sub(self.at)
    }

    fn take(&mut self, len: u64, what: &'static str) -> Parse<&'a [u8]> {
        if len > self.left() {
            return Err(Problem::Truncated { what, at: self.at, needed: len, file_len: self.file_len }.into());
        }
        let split = usize::try_from(len).ok().and_then(|len| self.rest.split_at_checked(len));
        let (taken, rest) = split.ok_or(Stop::More { at: self.at })?;
        self.rest = rest;
        self.at = self.at.saturating_add(len);
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Parse<[u8; N]> {
        let taken = self.take(u64::try_from(N).unwrap_or(u64::MAX), what)?;
        <[u8; N]>::try_from(taken).map_err(|_| Stop::More { at: self.at })
    }

    fn u32(&mut self, what: &'static str) -> Parse<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &'static str) -> Parse<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// The text of a string, and where it starts. Its length is checked before anything is done with it.
    fn text(&mut self, limit: u64, what: &'static str) -> Parse<&'a str> {
        let len = self.u64(what)?;
        let at = self.at;
        if len > limit {
            return Err(Problem::TooLong { what, at, found: len, limit }.into());
        }
        std::str::from_utf8(self.take(len, what)?).map_err(|_| Problem::NotUtf8 { what, at }.into())
    }

    /// A name: some text.
    fn name(&mut self, limit: u64, what: &'static str) -> Parse<&'a str> {
        let text = self.text(limit, what)?;
        if text.is_empty() { Err(Problem::Empty { what, at: self.at }.into()) } else { Ok(text) }
    }

    /// A count of things that take at least `size` bytes each, together no more than `left`.
    fn count(&mut self, limit: u64, size: u64, what: &'static str) -> Parse<u64> {
        let found = self.u64(what)?;
        let limit = limit.min(self.left().checked_div(size).unwrap_or(u64::MAX));
        if found > limit {
            return Err(Problem::TooMany { what, found, limit }.into());
        }
        Ok(found)
    }
}

fn parse_version(cursor: &mut Cursor<'_>) -> Parse<u32> {
    let magic: [u8; 4] = cursor.array("the magic number")?;
    if magic != *MAGIC {
        let hint = match &magic {
            b"GUGF" => {
                "; the letters are swapped, which some early ternary exporters did: export the model again"
            }
            b"lmgg" | b"fmgg" | b"tjgg" | b"algg" => {
                "; this is a GGML file, older than GGUF: convert it first"
            }
            b"PK\x03\x04" => "; this is a zip archive or a PyTorch checkpoint",
            b"vers" => "; perhaps a Git LFS pointer in place of the file: fetch it with `git lfs pull`",
            b"<!DO" | b"<!do" | b"<htm" => {
                "; perhaps a web page saved in place of the file: download it again"
            }
            _ => "",
        };
        let found = magic.iter().map(|b| char::from(*b)).collect();
        return Err(Problem::Magic { found, hint }.into());
    }
    let found = cursor.u32("the version")?;
    match found {
        2 | 3 => Ok(found),
        1 => Err(Problem::Version { found, hint: "; convert the model again with a current tool" }.into()),
        _ if matches!(found.swap_bytes(), 1..=9) => {
            Err(Problem::Version { found, hint: "; the file is big-endian, only little-endian is supported" }
                .into())
        }
        _ => Err(Problem::Version { found, hint: "" }.into()),
    }
}

fn parse_value(cursor: &mut Cursor<'_>, key: &str) -> Parse<Value> {
    const WHAT: &str = "a value";
    Ok(match cursor.u32("a value's type")? {
        id::U8 => Value::U8(u8::from_le_bytes(cursor.array(WHAT)?)),
        id::I8 => Value::I8(i8::from_le_bytes(cursor.array(WHAT)?)),
        id::U16 => Value::U16(u16::from_le_bytes(cursor.array(WHAT)?)),
        id::I16 => Value::I16(i16::from_le_bytes(cursor.array(WHAT)?)),
        id::U32 => Value::U32(cursor.u32(WHAT)?),
        id::I32 => Value::I32(i32::from_le_bytes(cursor.array(WHAT)?)),
        id::F32 => Value::F32(f32::from_le_bytes(cursor.array(WHAT)?)),
        id::BOOL => Value::Bool(parse_bool(u8::from_le_bytes(cursor.array(WHAT)?), key)?),
        id::STR => Value::Str(cursor.text(STR_BYTES_MAX, "a string value")?.to_owned()),
        id::U64 => Value::U64(cursor.u64(WHAT)?),
        id::I64 => Value::I64(i64::from_le_bytes(cursor.array(WHAT)?)),
        id::F64 => Value::F64(f64::from_le_bytes(cursor.array(WHAT)?)),
        id::ARRAY => Value::Array(Box::new(parse_array(cursor, key)?)),
        found => return Err(Problem::ValueType { key: key.to_owned(), found }.into()),
    })
}

fn parse_bool(found: u8, key: &str) -> Parse<bool> {
    match found {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Problem::BadBool { key: key.to_owned(), found }.into()),
    }
}

fn parse_array(cursor: &mut Cursor<'_>, key: &str) -> Parse<Array> {
    Ok(match cursor.u32("an array's element type")? {
        id::U8 => Array::U8(numbers(cursor, u8::from_le_bytes)?),
        id::I8 => Array::I8(numbers(cursor, i8::from_le_bytes)?),
        id::U16 => Array::U16(numbers(cursor, u16::from_le_bytes)?),
        id::I16 => Array::I16(numbers(cursor, i16::from_le_bytes)?),
        id::U32 => Array::U32(numbers(cursor, u32::from_le_bytes)?),
        id::I32 => Array::I32(numbers(cursor, i32::from_le_bytes)?),
        id::F32 => Array::F32(numbers(cursor, f32::from_le_bytes)?),
        id::BOOL => {
            let bytes = numbers(cursor, u8::from_le_bytes)?;
            bytes.iter().try_for_each(|b| parse_bool(*b, key).map(drop))?;
            Array::Bool(bytes.iter().map(|b| *b != 0).collect())
        }
        id::STR => Array::Str(strings(cursor)?),
        id::U64 => Array::U64(numbers(cursor, u64::from_le_bytes)?),
        id::I64 => Array::I64(numbers(cursor, i64::from_le_bytes)?),
        id::F64 => Array::F64(numbers(cursor, f64::from_le_bytes)?),
        id::ARRAY => return Err(Problem::NestedArray { key: key.to_owned() }.into()),
        found => return Err(Problem::ValueType { key: key.to_owned(), found }.into()),
    })
}

fn numbers<T, const N: usize>(cursor: &mut Cursor<'_>, number: fn([u8; N]) -> T) -> Parse<Vec<T>> {
    let size = u64::try_from(N).unwrap_or(u64::MAX);
    let count = cursor.count(u64::MAX, size, "array elements")?;
    let bytes = cursor.take(count.saturating_mul(size), "an array")?;
    Ok(bytes.as_chunks::<N>().0.iter().map(|b| number(*b)).collect())
}

/// Twice over the same bytes: once to check and to add up lengths, once to copy into two exact allocations.
fn strings(cursor: &mut Cursor<'_>) -> Parse<Strings> {
    const WHAT: &str = "a string in an array";
    let count = cursor.count(u64::MAX, 8, "array elements")?;
    let mut again = Cursor { rest: cursor.rest, at: cursor.at, file_len: cursor.file_len };
    let mut bytes = 0usize;
    for _ in 0..count {
        bytes = bytes.saturating_add(cursor.text(STR_BYTES_MAX, WHAT)?.len());
    }
    let mut strings = Strings::with_capacity(usize::try_from(count).unwrap_or(0), bytes);
    for _ in 0..count {
        strings.push(again.text(STR_BYTES_MAX, WHAT)?);
    }
    Ok(strings)
}

/// A tensor, checked by itself; `bytes` is 0 where the type does not decide it.
fn parse_tensor(cursor: &mut Cursor<'_>, alignment: u64) -> Parse<TensorInfo> {
    let name = cursor.name(NAME_BYTES_MAX, "a tensor's name")?.to_owned();
    let found = cursor.u32("a tensor's dimension count")?;
    let count = usize::try_from(found).ok().filter(|n| (1..=DIMS_MAX).contains(n));
    let Some(count) = count else { return Err(Problem::DimCount { name, found }.into()) };
    let mut ne = [0; DIMS_MAX];
    for ne in ne.iter_mut().take(count) {
        *ne = cursor.u64("a tensor's shape")?;
    }
    let found = cursor.u32("a tensor's type")?;
    let offset = cursor.u64("a tensor's offset")?;

    let Some(dims) = ne.get(..count).and_then(Dims::new) else {
        return Err(Problem::DimCount { name, found: 0 }.into());
    };
    if !dims.countable() {
        return Err(Problem::TooManyWeights { name, dims: dims.to_vec() }.into());
    }
    let Some(ty) = TypeId::from_id(found) else { return Err(Problem::UnknownType { name, found }.into()) };
    let row = match ty.row_bytes(dims.row()) {
        Ok(row) => row,
        Err(Error::Block(problem)) => return Err(Problem::Tensor { name, problem }.into()),
        Err(_) => None,
    };
    let bytes = row.map_or(Some(0), |row| row.checked_mul(dims.rows()).filter(|b| i64::try_from(*b).is_ok()));
    let Some(bytes) = bytes else { return Err(Problem::TooManyWeights { name, dims: dims.to_vec() }.into()) };
    if !offset.is_multiple_of(alignment) {
        return Err(Problem::Misaligned { name, offset, alignment }.into());
    }
    Ok(TensorInfo { name, ty, dims, offset, bytes })
}

/// Checks that the tensors lie in `data_len` bytes, padding included, without sharing any, and measures those whose
/// type does not say how long they are: up to the next. Gives the end of the last.
fn place_tensors(tensors: &mut List<TensorInfo>, data_len: u64, alignment: u64) -> Parse<u64> {
    let mut order: Vec<(u64, bool, usize)> = Vec::with_capacity(tensors.len());
    for (index, t) in tensors.iter().enumerate() {
        // Tensors without weights take no place; the others are ordered by where they start.
        if t.dims.weights() > 0 {
            order.push((t.offset, t.ty.block().is_none(), index));
        } else if t.offset > data_len {
            let (name, offset) = (t.name.clone(), t.offset);
            return Err(Problem::OutOfFile { name, offset, bytes: 0, data_len }.into());
        }
    }
    order.sort_unstable();

    let mut previous: Option<(usize, u64)> = None;
    let mut starts = order.iter().map(|(offset, ..)| *offset).skip(1);
    for (offset, unmeasured, index) in &order {
        let next = starts.next().unwrap_or(data_len);
        let Some(tensor) = tensors.get_mut(*index) else { continue };
        if *unmeasured {
            tensor.bytes = next.saturating_sub(*offset);
        }
        let (name, bytes) = (&tensor.name, tensor.bytes);
        let end = offset.checked_add(bytes).filter(|_| bytes > 0);
        let padded = end.and_then(|end| end.checked_next_multiple_of(alignment));
        let in_file = *unmeasured && end.is_some_and(|end| end <= data_len);
        let Some(end) = end.filter(|_| in_file || padded.is_some_and(|end| end <= data_len)) else {
            let (name, offset) = (name.clone(), *offset);
            return Err(Problem::OutOfFile { name, offset, bytes, data_len }.into());
        };
        if let Some((other, previous_end)) = previous.filter(|(_, end)| end > offset) {
            let (name, offset) = (name.clone(), *offset);
            let previous = tensors.get(other).map(|t| t.name.clone()).unwrap_or_default();
            return Err(Problem::Overlap { name, offset, previous, previous_end }.into());
        }
        previous = Some((*index, end));
    }
    Ok(previous.map_or(0, |(_, end)| end))
}
