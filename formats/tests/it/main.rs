//! The crate from outside: whole files, sound and hostile.

mod blocks_py;
mod gguf_hostile;
mod gguf_py;
mod gguf_round_trip;
mod memory;
mod raw_gguf;
mod split;
mod tensor_file;
mod types_hostile;
