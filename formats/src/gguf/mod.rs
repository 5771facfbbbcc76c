//! GGUF: one file holds a model's metadata and tensors. Versions 2 and 3 are read, 3 is written, little-endian.
//! The layout and our limits are described in `docs/formats.md`; what the keys mean is for their users.

mod file;
mod list;
mod metadata;
mod other_kind;
mod outline;
mod parser;
mod problem;
mod split;
mod tensor;
mod tensor_file;
mod value;
mod writer;

pub use file::{Gguf, Header};
pub use list::{Iter, List};
pub use metadata::Metadata;
pub use outline::Outline;
pub use problem::Problem;
pub use tensor::{DIMS_MAX, Dims, Fault, Tensor, TensorInfo};
pub use tensor_file::TensorFile;
pub use value::{Array, Strings, Value};
pub use writer::GgufWriter;

/// The first four bytes of every file.
const MAGIC: &[u8; 4] = b"GGUF";
/// What we write.
const VERSION: u32 = 3;
/// Where tensors start, unless the file says otherwise: multiples of this.
pub const ALIGNMENT: u32 = 32;
/// The key by which a file says otherwise.
pub const ALIGNMENT_KEY: &str = "general.alignment";

/// No padding is longer; a file of many tiny tensors cannot claim to be mostly padding.
const ALIGNMENT_MAX: u32 = 1 << 20;
/// Real files have some dozens.
const KEYS_MAX: u64 = 1_000_000;
/// Real files have some thousands; this many of no size still take less than 64 MiB and twice their file to list.
const TENSORS_MAX: u64 = 500_000;
/// The longest the format allows.
const KEY_BYTES_MAX: u64 = 65_535;
/// llama.cpp's limit is 64 with a closing zero.
const NAME_BYTES_MAX: u64 = 63;
/// A tokenizer.json in a value is the longest string known, some dozens of MB.
const STR_BYTES_MAX: u64 = 64 << 20;
