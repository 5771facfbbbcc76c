//! NVIDIA's driver through cudarc, which opens it when it is first asked for: cards, memory, kernels, graphs; and NCCL, where several cards
//! work together. Nothing above this folder holds a handle of theirs, and all that is unsafe about it is here.

mod buffer;
mod card;
mod device;
mod graph;
mod kernel;
mod module;
mod nccl;

pub use crate::error::Result;
pub use buffer::{Buffer, Pinned};
pub use card::{Card, cards};
pub use device::{Device, Launch, Moment};
pub use graph::Graph;
pub use kernel::{Arg, Kernel, Shape};
pub use module::kernels_digest;
pub(crate) use nccl::Span;
pub use nccl::{MeetingPoint, check_nccl};
