//! From the bytes of a GGUF file to its header. Every number in the file is hostile until it has been compared with
//! the bytes that are there: nothing is allocated, multiplied or indexed before. The header alone decides whether the
//! file is sound, tensors' places included, so that a large file is refused, or listed, without reading its tensors.
//! What makes a tensor unreadable, but not the list of them, is noted rather than refused.
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

use super::file::{Header, Part};
use super::list::List;
use super::metadata::{Entry, Metadata};
use super::other_kind::{OtherKind, other_kind};
use super::tensor::{DIMS_MAX, Dims, Fault, TensorInfo};
use super::value::{Array, Strings, Value, id};
use super::{
    ALIGNMENT, ALIGNMENT_KEY, ALIGNMENT_MAX, KEY_BYTES_MAX, KEYS_MAX, MAGIC, NAME_BYTES_MAX, Problem,
    STR_BYTES_MAX, TENSORS_MAX,
};
use crate::blocks::{self, TensorType, TypeId};
use crate::{Error, shown};

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
    for number in 1..=key_count {
        let key = cursor.name(KEY_BYTES_MAX, Place::Key(number))?;
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

    let (mut tensors, mut problem) = (List::default(), None);
    for number in 1..=tensor_count {
        tensors.push(parse_tensor(&mut cursor, number, alignment.into(), &mut problem)?);
    }
    let sorted = tensors.sorted_by_name(|t: &TensorInfo| &t.name).map_err(|at| {
        let name = tensors.get(at).map(|t| t.name.clone()).unwrap_or_default();
        Stop::Bad(Problem::DuplicateTensor { name })
    })?;

    let start = cursor.at.checked_next_multiple_of(alignment.into()).unwrap_or(u64::MAX);
    let end = place_tensors(&mut tensors, file_len.saturating_sub(start), alignment.into(), &mut problem);
    // No data: no padding either, so the header may end the file.
    let data = if end == 0 { cursor.at..cursor.at } else { start..start.saturating_add(end) };
    let parts = vec![Part { file_name: None, data }];
    Ok(Header { version, metadata, tensors, sorted, parts, alignment, problem })
}

/// What of the header is being read, for messages.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// Something that needs no number.
    The(&'static str),
    /// The key of this number, counted from 1, whose text is not known yet.
    Key(u64),
    /// The value of that key.
    Value(&'a str),
    /// An element of that key's array, counted from 0 as token ids are.
    Element(&'a str, u64),
    /// The name of the tensor of this number, counted from 1.
    TensorName(u64),
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::The(what) => f.write_str(what),
            Place::Key(number) => write!(f, "key number {number}"),
            Place::Value(key) => write!(f, "the value of key `{}`", shown(key)),
            Place::Element(key, index) => write!(f, "element {index} of key `{}`", shown(key)),
            Place::TensorName(number) => write!(f, "the name of tensor number {number}"),
        }
    }
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

    fn take(&mut self, len: u64, place: Place<'_>) -> Parse<&'a [u8]> {
        if len > self.left() {
            let (what, at, file_len) = (place.to_string(), self.at, self.file_len);
            return Err(Problem::Truncated { what, at, needed: len, file_len }.into());
        }
        let split = usize::try_from(len).ok().and_then(|len| self.rest.split_at_checked(len));
        let (taken, rest) = split.ok_or(Stop::More { at: self.at })?;
        self.rest = rest;
        self.at = self.at.saturating_add(len);
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, place: Place<'_>) -> Parse<[u8; N]> {
        let taken = self.take(u64::try_from(N).unwrap_or(u64::MAX), place)?;
        <[u8; N]>::try_from(taken).map_err(|_| Stop::More { at: self.at })
    }

    fn u32(&mut self, place: Place<'_>) -> Parse<u32> {
        Ok(u32::from_le_bytes(self.array(place)?))
    }

    fn u64(&mut self, place: Place<'_>) -> Parse<u64> {
        Ok(u64::from_le_bytes(self.array(place)?))
    }

    /// The text of a string, and where it starts. Its length is checked before anything is done with it.
    fn text(&mut self, limit: u64, place: Place<'_>) -> Parse<&'a str> {
        let len = self.u64(place)?;
        let at = self.at;
        if len > limit {
            return Err(Problem::TooLong { what: place.to_string(), at, found: len, limit }.into());
        }
        let bytes = self.take(len, place)?;
        std::str::from_utf8(bytes).map_err(|_| Problem::NotUtf8 { what: place.to_string(), at }.into())
    }

    /// A name: some text.
    fn name(&mut self, limit: u64, place: Place<'_>) -> Parse<&'a str> {
        let text = self.text(limit, place)?;
        if text.is_empty() {
            return Err(Problem::Empty { what: place.to_string(), at: self.at }.into());
        }
        Ok(text)
    }

    /// A count of things that take at least `size` bytes each, together no more than `left`.
    fn count(&mut self, limit: u64, size: u64, what: &'static str) -> Parse<u64> {
        let found = self.u64(Place::The(what))?;
        let limit = limit.min(self.left().checked_div(size).unwrap_or(u64::MAX));
        if found > limit {
            return Err(Problem::TooMany { what, found, limit }.into());
        }
        Ok(found)
    }
}

fn parse_version(cursor: &mut Cursor<'_>) -> Parse<u32> {
    let start = cursor.rest;
    let magic: [u8; 4] = cursor.array(Place::The("the magic number"))?;
    if magic != *MAGIC {
        let found = magic.iter().map(|b| char::from(*b)).collect();
        return Err(match other_kind(start) {
            Some(OtherKind { kind, cure }) => Problem::OtherKind { kind, cure }.into(),
            None => Problem::Magic { found }.into(),
        });
    }
    let found = cursor.u32(Place::The("the version"))?;
    match found {
        2 | 3 => Ok(found),
        1 => Err(Problem::Version { found, hint: "; convert the model again with a current tool" }.into()),
        _ if matches!(found.swap_bytes(), 1..=9) => {
            Err(Problem::Version { found, hint: "; the file is big-endian, only little-endian is supported" }
                .into())
        }
        4..=99 => Err(Problem::Version { found, hint: "; the file is newer than this program" }.into()),
        _ => Err(Problem::Version { found, hint: "" }.into()),
    }
}

fn parse_value(cursor: &mut Cursor<'_>, key: &str) -> Parse<Value> {
    let place = Place::Value(key);
    Ok(match cursor.u32(place)? {
        id::U8 => Value::U8(u8::from_le_bytes(cursor.array(place)?)),
        id::I8 => Value::I8(i8::from_le_bytes(cursor.array(place)?)),
        id::U16 => Value::U16(u16::from_le_bytes(cursor.array(place)?)),
        id::I16 => Value::I16(i16::from_le_bytes(cursor.array(place)?)),
        id::U32 => Value::U32(cursor.u32(place)?),
        id::I32 => Value::I32(i32::from_le_bytes(cursor.array(place)?)),
        id::F32 => Value::F32(f32::from_le_bytes(cursor.array(place)?)),
        id::BOOL => Value::Bool(parse_bool(u8::from_le_bytes(cursor.array(place)?), key)?),
        id::STR => Value::Str(cursor.text(STR_BYTES_MAX, place)?.to_owned()),
        id::U64 => Value::U64(cursor.u64(place)?),
        id::I64 => Value::I64(i64::from_le_bytes(cursor.array(place)?)),
        id::F64 => Value::F64(f64::from_le_bytes(cursor.array(place)?)),
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
    Ok(match cursor.u32(Place::Value(key))? {
        id::U8 => Array::U8(numbers(cursor, key, u8::from_le_bytes)?),
        id::I8 => Array::I8(numbers(cursor, key, i8::from_le_bytes)?),
        id::U16 => Array::U16(numbers(cursor, key, u16::from_le_bytes)?),
        id::I16 => Array::I16(numbers(cursor, key, i16::from_le_bytes)?),
        id::U32 => Array::U32(numbers(cursor, key, u32::from_le_bytes)?),
        id::I32 => Array::I32(numbers(cursor, key, i32::from_le_bytes)?),
        id::F32 => Array::F32(numbers(cursor, key, f32::from_le_bytes)?),
        id::BOOL => {
            let bytes = numbers(cursor, key, u8::from_le_bytes)?;
            bytes.iter().try_for_each(|b| parse_bool(*b, key).map(drop))?;
            Array::Bool(bytes.iter().map(|b| *b != 0).collect())
        }
        id::STR => Array::Str(strings(cursor, key)?),
        id::U64 => Array::U64(numbers(cursor, key, u64::from_le_bytes)?),
        id::I64 => Array::I64(numbers(cursor, key, i64::from_le_bytes)?),
        id::F64 => Array::F64(numbers(cursor, key, f64::from_le_bytes)?),
        id::ARRAY => return Err(Problem::NestedArray { key: key.to_owned() }.into()),
        found => return Err(Problem::ValueType { key: key.to_owned(), found }.into()),
    })
}

fn numbers<T, const N: usize>(cursor: &mut Cursor<'_>, key: &str, number: fn([u8; N]) -> T) -> Parse<Vec<T>> {
    let size = u64::try_from(N).unwrap_or(u64::MAX);
    let count = cursor.count(u64::MAX, size, "array elements")?;
    let bytes = cursor.take(count.saturating_mul(size), Place::Value(key))?;
    Ok(bytes.as_chunks::<N>().0.iter().map(|b| number(*b)).collect())
}

/// Twice over the same bytes: once to check and to add up lengths, once to copy into two exact allocations.
fn strings(cursor: &mut Cursor<'_>, key: &str) -> Parse<Strings> {
    let count = cursor.count(u64::MAX, 8, "array elements")?;
    let mut again = Cursor { rest: cursor.rest, at: cursor.at, file_len: cursor.file_len };
    let mut bytes = 0usize;
    for index in 0..count {
        bytes = bytes.saturating_add(cursor.text(STR_BYTES_MAX, Place::Element(key, index))?.len());
    }
    let mut strings = Strings::with_capacity(usize::try_from(count).unwrap_or(0), bytes);
    for index in 0..count {
        strings.push(again.text(STR_BYTES_MAX, Place::Element(key, index))?);
    }
    Ok(strings)
}

/// A tensor, checked by itself; `bytes` is 0 where the type or a fault does not decide it. The first problem is kept.
fn parse_tensor(
    cursor: &mut Cursor<'_>,
    number: u64,
    alignment: u64,
    first: &mut Option<Problem>,
) -> Parse<TensorInfo> {
    let name = cursor.name(NAME_BYTES_MAX, Place::TensorName(number))?.to_owned();
    let found = cursor.u32(Place::The("a tensor's dimension count"))?;
    let count = usize::try_from(found).ok().filter(|n| (1..=DIMS_MAX).contains(n));
    let Some(count) = count else { return Err(Problem::DimCount { name, found }.into()) };
    let mut ne = [0; DIMS_MAX];
    for ne in ne.iter_mut().take(count) {
        *ne = cursor.u64(Place::The("a tensor's shape"))?;
    }
    let found = cursor.u32(Place::The("a tensor's type"))?;
    let offset = cursor.u64(Place::The("a tensor's offset"))?;

    let Some(dims) = ne.get(..count).and_then(Dims::new) else {
        return Err(Problem::DimCount { name, found: 0 }.into());
    };
    if !dims.countable() {
        return Err(Problem::TooManyWeights { name, dims: dims.to_vec() }.into());
    }
    let Some(ty) = TypeId::from_id(found) else { return Err(Problem::UnknownType { name, found }.into()) };
    let too_many = || Problem::TooManyWeights { name: name.clone(), dims: dims.to_vec() };
    let (mut fault, mut bytes) = (None, 0);
    match ty.tensor_bytes(dims.row(), dims.rows()) {
        Ok(found) => bytes = found.unwrap_or(0),
        Err(Error::Block(problem @ blocks::Problem::RowLength { .. })) => {
            fault = Some(Fault::Rows);
            first.get_or_insert_with(|| Problem::Tensor { name: name.clone(), problem });
        }
        Err(_) => return Err(too_many().into()),
    }
    if i64::try_from(bytes).is_err() {
        return Err(too_many().into());
    }
    if !offset.is_multiple_of(alignment) {
        fault = Some(Fault::Misaligned);
        first.get_or_insert_with(|| Problem::Misaligned { name: name.clone(), offset, alignment });
    }
    Ok(TensorInfo { name, ty, dims, offset, part: 0, bytes, fault })
}

/// Finds those tensors that do not lie in `data_len` bytes, padding included, or share some of them. Gives the end of the last that lies in the data; the
/// first problem is kept.
fn place_tensors(
    tensors: &mut List<TensorInfo>,
    data_len: u64,
    alignment: u64,
    first: &mut Option<Problem>,
) -> u64 {
    // Tensors without weights take no place; the others are ordered by where they start.
    let mut order: Vec<(u64, bool, usize)> = Vec::with_capacity(tensors.len());
    for index in 0..tensors.len() {
        let Some(t) = tensors.get_mut(index).filter(|t| t.fault.is_none()) else { continue };
        if t.dims.weights() > 0 {
            order.push((t.offset, t.ty.block().is_none(), index));
        } else if t.offset > data_len {
            t.fault = Some(Fault::OutOfFile);
            let (name, offset) = (&t.name, t.offset);
            first.get_or_insert_with(|| Problem::OutOfFile {
                name: name.clone(),
                offset,
                bytes: 0,
                data_len,
            });
        }
    }
    order.sort_unstable();
    measure_by_room(tensors, &order, data_len, alignment);

    let mut previous: Option<(usize, u64)> = None;
    for &(offset, unmeasured, index) in &order {
        let Some(tensor) = tensors.get_mut(index) else { continue };
        let bytes = tensor.bytes;
        let end = offset.checked_add(bytes).filter(|_| bytes > 0);
        let padded = end.and_then(|end| end.checked_next_multiple_of(alignment));
        let in_file = unmeasured && end.is_some_and(|end| end <= data_len);
        let Some(end) = end.filter(|_| in_file || padded.is_some_and(|end| end <= data_len)) else {
            tensor.fault = Some(Fault::OutOfFile);
            let name = &tensor.name;
            first.get_or_insert_with(|| Problem::OutOfFile { name: name.clone(), offset, bytes, data_len });
            continue;
        };
        if let Some((other, previous_end)) = previous.filter(|(_, end)| *end > offset) {
            tensor.fault = Some(Fault::Overlap);
            if first.is_none() {
                let name = tensor.name.clone();
                let previous = tensors.get(other).map(|t| t.name.clone()).unwrap_or_default();
                *first = Some(Problem::Overlap { name, offset, previous, previous_end });
            }
            continue;
        }
        previous = Some((index, end));
    }
    previous.map_or(0, |(_, end)| end)
}

/// Gives those tensors whose type's number does not say how long they are a type and a length. The room up to the next, or to the end of the data, decides between
/// the kinds that have this number. Where several fit, as of tiny tensors, it is the kind that others of the file are, or llama.cpp's; where none does, the tensor
/// keeps its type and is as long as the room.
///
/// `order` is of where each starts, whether its type leaves its length open, and its index; sorted.
fn measure_by_room(
    tensors: &mut List<TensorInfo>,
    order: &[(u64, bool, usize)],
    data_len: u64,
    alignment: u64,
) {
    let mut usual: Option<TensorType> = None;
    // Those that leave no choice say what is usual in this file, so they come first.
    for choosing in [false, true] {
        let mut starts = order.iter().map(|(offset, ..)| *offset).skip(1);
        for &(offset, unmeasured, index) in order {
            let room = starts.next().unwrap_or(data_len).saturating_sub(offset);
            let Some(tensor) = tensors.get_mut(index).filter(|t| unmeasured && t.ty.block().is_none()) else {
                continue;
            };
            let (row, rows) = (tensor.dims.row(), tensor.dims.rows());
            let mut fitting = tensor.ty.placed(row, rows, room, alignment);
            let (first, second) = (fitting.next(), fitting.next());
            tensor.bytes = room;
            if let Some(fit) = first.filter(|_| choosing || second.is_none()) {
                let chosen = usual.filter(|usual| second == Some(*usual)).unwrap_or(fit);
                usual.get_or_insert(chosen);
                tensor.bytes = chosen.tensor_bytes(row, rows).unwrap_or(room);
                tensor.ty = TypeId::Known(chosen);
            }
        }
    }
}
