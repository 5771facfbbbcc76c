//! The WGSL kernels and the contract they share with their callers: source, bindings, constants and what changes between submissions.
//! No wgpu here; whoever dispatches them brings the device.

mod op;
mod step;
mod variant;

pub use op::{Access, Binding, Input, Op, Output, Table, Weights};
pub use step::{Draw, Place, Step};
pub use variant::Variant;

/// Rows that a workgroup of [`Op::Gemm`] takes.
pub const GEMM_ROWS: u32 = 64;
/// Tokens that a workgroup of [`Op::Gemm`] takes.
pub const GEMM_TOKENS: u32 = 16;
/// Rows times groups that a workgroup of [`Op::Gemv`] has room for.
pub const GEMV_PARTIALS: u32 = 2048;
/// Rows that a workgroup of [`Op::Product`] takes.
pub const PRODUCT_ROWS: u32 = 8;
/// Positions of a page of keys and values.
pub const PAGE_TOKENS: u32 = 64;
/// Numbers a token has among the projections of [`Op::HyperProject`].
pub const PROJECTED: u32 = 40;
/// Numbers a token has among the coefficients of a hyper-connection.
pub const COEFFICIENTS: u32 = 24;
/// Widest row that is quantised.
pub const WIDTH_MAX: u32 = 1 << 16;
/// Most workgroups of one dimension, on every device.
pub const GROUPS_MAX: u32 = 65_535;
/// What [`Op::Argmax`] and [`Op::Draw`] answer where a logit is not finite.
pub const NONE: u32 = u32::MAX;
