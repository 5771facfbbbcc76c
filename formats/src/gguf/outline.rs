//! A GGUF file that is not in memory: its metadata and what tensors it will hold, whose bytes come one tensor at a time when it is written.
//! Tensors follow each other in the order they were added, each padded to the alignment; what is written here the reader accepts, or nothing is written.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use super::metadata::Metadata;
use super::tensor::Dims;
use super::value::{Array, Value, id};
use super::{
    ALIGNMENT, ALIGNMENT_KEY, ALIGNMENT_MAX, KEY_BYTES_MAX, KEYS_MAX, MAGIC, NAME_BYTES_MAX, Problem,
    STR_BYTES_MAX, TENSORS_MAX, VERSION,
};
use crate::blocks::{self, TypeId};
use crate::{Error, Result, atomic};

/// See the top of this file.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// The keys and values; `general.alignment` decides the padding if it is here.
    pub metadata: Metadata,
    tensors: Vec<Listed>,
    names: HashSet<String>,
}

/// A tensor to come.
#[derive(Clone, Debug)]
struct Listed {
    name: String,
    ty: TypeId,
    dims: Dims,
    bytes: u64,
}

impl Outline {
    /// No tensors yet.
    pub fn new(metadata: Metadata) -> Outline {
        Outline { metadata, ..Outline::default() }
    }

    /// Lists a tensor of so many bytes: `dims` in GGUF order (row length first).
    ///
    /// # Errors
    /// A name that is taken, empty or longer than 63 bytes; bytes that do not fit type and shape.
    pub fn add_tensor(&mut self, name: &str, ty: impl Into<TypeId>, dims: &[u64], bytes: u64) -> Result<()> {
        let ty = ty.into();
        let owned = || name.to_owned();
        let found = name.len() as u64;
        if name.is_empty() {
            return Err(bad(Problem::Empty { what: "a tensor's name".into(), at: 0 }));
        }
        if found > NAME_BYTES_MAX {
            let what = "a tensor's name".into();
            return Err(bad(Problem::TooLong { what, at: 0, found, limit: NAME_BYTES_MAX }));
        }
        let dim_count = Problem::DimCount { name: owned(), found: dims.len() as u32 };
        let shape = Dims::new(dims).ok_or_else(|| bad(dim_count))?;
        let too_many = || bad(Problem::TooManyWeights { name: owned(), dims: dims.to_vec() });
        if !shape.countable() {
            return Err(too_many());
        }
        let expected = ty.tensor_bytes(shape.row(), shape.rows()).map_err(|e| match e {
            Error::Block(problem @ blocks::Problem::RowLength { .. }) => {
                bad(Problem::Tensor { name: owned(), problem })
            }
            _ => too_many(),
        })?;
        // A type whose size its number does not decide takes what it is given, but something.
        let expected = expected.unwrap_or(bytes.max(u64::from(shape.weights() > 0)));
        if expected != bytes {
            let (ty, dims, found) = (ty.name(), dims.to_vec(), bytes);
            return Err(bad(Problem::TensorBytes { name: owned(), ty, dims, expected, found }));
        }
        if !self.names.insert(owned()) {
            return Err(bad(Problem::DuplicateTensor { name: owned() }));
        }
        self.tensors.push(Listed { name: owned(), ty, dims: shape, bytes });
        Ok(())
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Writes the file: whole, or not at all. `fill` writes the bytes of the tensor of that number, all of them (asserted).
    ///
    /// # Errors
    /// What the reader would refuse; what the system or `fill` says.
    pub fn write_from(
        &self,
        path: &Path,
        fill: impl FnMut(usize, &mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        let header = self.header()?;
        atomic::write_atomic(path, |out| self.write_to(&header, out, fill))
    }

    /// The file in memory; `fill` as in [`write_from`](Self::write_from).
    ///
    /// # Errors
    /// The same, and no memory for it.
    pub fn bytes_from(&self, fill: impl FnMut(usize, &mut dyn Write) -> io::Result<()>) -> Result<Vec<u8>> {
        let header = self.header()?;
        let data: u64 = self.tensors.iter().map(|t| self.padded(t.bytes)).sum();
        let bytes = data.saturating_add(header.len() as u64);
        let mut out = Vec::new();
        let room = usize::try_from(bytes).ok().filter(|&bytes| out.try_reserve_exact(bytes).is_ok());
        if room.is_none() {
            return Err(bad(Problem::Memory { bytes }));
        }
        let written = self.write_to(&header, &mut out, fill);
        written.map_err(|source| Error::Io { what: "write", path: "new file".into(), source })?;
        Ok(out)
    }

    /// Meaningful once [`Outline::header`] has checked it.
    fn padded(&self, bytes: u64) -> u64 {
        match self.metadata.get(ALIGNMENT_KEY) {
            Some(Value::U32(found)) => bytes.next_multiple_of(u64::from(*found)),
            _ => bytes.next_multiple_of(u64::from(ALIGNMENT)),
        }
    }

    fn write_to(
        &self,
        header: &[u8],
        out: &mut dyn Write,
        mut fill: impl FnMut(usize, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        out.write_all(header)?;
        for (index, t) in self.tensors.iter().enumerate() {
            let mut counted = Counted { out: &mut *out, bytes: 0 };
            fill(index, &mut counted)?;
            assert_eq!(counted.bytes, t.bytes, "the bytes of tensor {}", t.name);
            io::copy(&mut io::Read::take(io::repeat(0), self.padded(t.bytes) - t.bytes), out)?;
        }
        Ok(())
    }

    /// Everything before the tensor data, padding included.
    fn header(&self) -> Result<Vec<u8>> {
        self.check()?;
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in self.metadata.iter() {
            put_str(&mut out, key);
            out.extend(value.type_id().to_le_bytes());
            put_value(&mut out, value);
        }
        let mut offset = 0u64;
        for t in &self.tensors {
            put_str(&mut out, &t.name);
            out.extend((t.dims.len() as u32).to_le_bytes());
            t.dims.iter().for_each(|ne| out.extend(ne.to_le_bytes()));
            out.extend(t.ty.id().to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += self.padded(t.bytes);
        }
        if offset > 0 {
            out.resize(self.padded(out.len() as u64) as usize, 0);
        }
        Ok(out)
    }

    /// Refuses what the reader would refuse, other than what [`Outline::add_tensor`] has refused already.
    fn check(&self) -> Result<()> {
        let counts = [("tensors", self.tensors.len(), TENSORS_MAX), ("keys", self.metadata.len(), KEYS_MAX)];
        for (what, found, limit) in counts {
            if found as u64 > limit {
                return Err(bad(Problem::TooMany { what, found: found as u64, limit }));
            }
        }
        for (key, value) in self.metadata.iter() {
            if key.is_empty() {
                return Err(bad(Problem::Empty { what: "a key".into(), at: 0 }));
            }
            let too_long = |what: &str, found: usize, limit| match found as u64 > limit {
                true => Err(bad(Problem::TooLong { what: what.into(), at: 0, found: found as u64, limit })),
                false => Ok(()),
            };
            too_long("a key", key.len(), KEY_BYTES_MAX)?;
            if let Value::Str(s) = value {
                too_long("a string value", s.len(), STR_BYTES_MAX)?;
            }
            if let Value::Array(array) = value
                && let Array::Str(strings) = &**array
            {
                strings.iter().try_for_each(|s| too_long("a string in an array", s.len(), STR_BYTES_MAX))?;
            }
        }
        match self.metadata.get(ALIGNMENT_KEY) {
            None => Ok(()),
            Some(Value::U32(found)) if found.is_power_of_two() && *found <= ALIGNMENT_MAX => Ok(()),
            Some(Value::U32(found)) => Err(bad(Problem::Alignment { found: *found, limit: ALIGNMENT_MAX })),
            Some(_) => self.metadata.require_u32(ALIGNMENT_KEY).and_then(|_| {
                Err(self.metadata.invalid(ALIGNMENT_KEY, "is stored in another width; expected a u32"))
            }),
        }
    }
}

/// A writer that counts.
struct Counted<'w> {
    out: &'w mut dyn Write,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn bad(problem: Problem) -> Error {
    Error::Gguf { problem, file: "new file".to_owned() }
}

fn put_str(out: &mut Vec<u8>, s: &str) {
    out.extend((s.len() as u64).to_le_bytes());
    out.extend(s.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(v) => out.extend(v.to_le_bytes()),
        Value::I8(v) => out.extend(v.to_le_bytes()),
        Value::U16(v) => out.extend(v.to_le_bytes()),
        Value::I16(v) => out.extend(v.to_le_bytes()),
        Value::U32(v) => out.extend(v.to_le_bytes()),
        Value::I32(v) => out.extend(v.to_le_bytes()),
        Value::F32(v) => out.extend(v.to_le_bytes()),
        Value::Bool(v) => out.push(u8::from(*v)),
        Value::Str(v) => put_str(out, v),
        Value::U64(v) => out.extend(v.to_le_bytes()),
        Value::I64(v) => out.extend(v.to_le_bytes()),
        Value::F64(v) => out.extend(v.to_le_bytes()),
        Value::Array(array) => put_array(out, array),
    }
}

fn put_array(out: &mut Vec<u8>, array: &Array) {
    debug_assert_ne!(array.element_id(), id::ARRAY);
    out.extend(array.element_id().to_le_bytes());
    out.extend((array.len() as u64).to_le_bytes());
    match array {
        Array::U8(v) => out.extend(v),
        Array::I8(v) => out.extend(v.iter().flat_map(|v| v.to_le_bytes())),
        Array::U16(v) => out.extend(v.iter().flat_map(|v| v.to_le_bytes())),
        Array::I16(v) => out.extend(v.iter().flat_map(|v| v.to_le_bytes())),
        Array::U32(v) => out.extend(v.iter().flat_map(|v| v.to_le_bytes())),
        Array::I32(v) => out.extend(v.iter().flat_map(|v| v.to_le_bytes())),
        Array::F32(v) => out.extend(v.iter().flat_map(|v| v.to_le_bytes())),
        Array::Bool(v) => out.extend(v.iter().map(|v| u8::from(*v))),
        Array::Str(v) => v.iter().for_each(|s| put_str(out, s)),
        Array::U64(v) => out.extend(v.iter().flat_map(|v| v.to_le_bytes())),
        Array::I64(v) => out.extend(v.iter().flat_map(|v| v.to_le_bytes())),
        Array::F64(v) => out.extend(v.iter().flat_map(|v| v.to_le_bytes())),
    }
}
