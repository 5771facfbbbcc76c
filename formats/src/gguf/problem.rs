//! Everything that can be wrong with a GGUF file, one variant a kind; [`crate::Error::Gguf`] adds the file's name.
//! Strings that come from the file are shown escaped.

use super::tensor::Fault;
use crate::blocks;
use crate::shown;

/// What is wrong, and where in the file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the message under each variant names its fields")]
pub enum Problem {
    #[error("not a GGUF file: it starts with {found:?}, expected \"GGUF\"")]
    Magic { found: String },
    #[error("not a GGUF file, but {kind}; {cure}")]
    OtherKind { kind: &'static str, cure: &'static str },
    #[error("GGUF version {found}; versions 2 and 3 are supported{hint}")]
    Version { found: u32, hint: &'static str },
    #[error(
        "the file ends at byte {file_len}, inside {what} (byte {at}, {needed} bytes long); the copy is incomplete"
    )]
    Truncated { what: String, at: u64, needed: u64, file_len: u64 },
    #[error("the header counts {found} {what}, more than {limit}, which is all this file could hold")]
    TooMany { what: &'static str, found: u64, limit: u64 },
    #[error("{what} at byte {at} is {found} bytes long; at most {limit} are allowed")]
    TooLong { what: String, at: u64, found: u64, limit: u64 },
    #[error("{what} at byte {at} is empty")]
    Empty { what: String, at: u64 },
    #[error("{what} at byte {at} is not UTF-8")]
    NotUtf8 { what: String, at: u64 },
    #[error("key `{}` appears twice", shown(key))]
    DuplicateKey { key: String },
    #[error("key `{}` has the value type {found}; GGUF defines 0 to 12", shown(key))]
    ValueType { key: String, found: u32 },
    #[error("key `{}` is an array of arrays, which is not supported", shown(key))]
    NestedArray { key: String },
    #[error("key `{}` holds {found} where a bool must be 0 or 1", shown(key))]
    BadBool { key: String, found: u8 },
    #[error("key `{}` is {found}; expected {expected}", shown(key))]
    WrongType { key: String, expected: &'static str, found: String },
    #[error("key `{}` is missing; expected {expected}", shown(key))]
    MissingKey { key: String, expected: &'static str },
    #[error("key `{}` {what}", shown(key))]
    BadValue { key: String, what: String },
    #[error("general.alignment is {found}; expected a power of two up to {limit}")]
    Alignment { found: u32, limit: u32 },
    #[error("tensor `{}` appears twice", shown(name))]
    DuplicateTensor { name: String },
    #[error("tensor `{}` has {found} dimensions; expected 1 to 4", shown(name))]
    DimCount { name: String, found: u32 },
    #[error("tensor `{}` of shape {dims:?} has more weights than a file can", shown(name))]
    TooManyWeights { name: String, dims: Vec<u64> },
    #[error(
        "tensor `{}` has type {found}, which is no tensor type we know; a newer file, or a damaged one",
        shown(name)
    )]
    UnknownType { name: String, found: u32 },
    #[error("tensor `{}` is of type {found}, which cannot be used here", shown(name))]
    UnsupportedType { name: String, found: &'static str },
    #[error("tensor `{}` starts at {offset}, which is no multiple of the alignment {alignment}", shown(name))]
    Misaligned { name: String, offset: u64, alignment: u64 },
    #[error(
        "tensor `{}` takes {bytes} bytes at {offset}, but the file has {data_len} bytes of tensor data; the copy is incomplete",
        shown(name)
    )]
    OutOfFile { name: String, offset: u64, bytes: u64, data_len: u64 },
    #[error(
        "tensor `{}` starts at {offset}, inside `{}`, which ends at {previous_end}",
        shown(name),
        shown(previous)
    )]
    Overlap { name: String, offset: u64, previous: String, previous_end: u64 },
    #[error("tensor `{}` {fault}", shown(name))]
    Broken { name: String, fault: Fault },
    #[error("tensor `{}` is missing", shown(name))]
    MissingTensor { name: String },
    #[error("tensor `{}`: {problem}", shown(name))]
    Tensor {
        name: String,
        #[source]
        problem: blocks::Problem,
    },
    #[error("tensor `{}` takes {expected} bytes as {ty} of shape {dims:?}, but has {found}", shown(name))]
    TensorBytes { name: String, ty: &'static str, dims: Vec<u64>, expected: u64, found: u64 },
    #[error(
        "part {number} of {count} of this split model is missing; expected it beside the others as {}",
        shown(name)
    )]
    MissingPart { number: u64, count: u64, name: String },
    #[error(
        "by its name this is part {number} of {count} of a split model, but it says that it is {says}; give the parts their own names again"
    )]
    PartDiffers { number: u64, count: u64, says: String },
    #[error(
        "the parts of this split model have {found} tensors together, but {expected} are expected; some part is of another model"
    )]
    PartsTensors { found: u64, expected: u64 },
    #[error("the model takes {bytes} bytes of memory, more than this machine will give")]
    Memory { bytes: u64 },
}
