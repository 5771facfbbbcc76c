//! Ops on token rows: everything of the forward pass that is not a ternary product.
//! Each op has one body over vectors of eight, compiled for every instruction set, so that all of them agree bit for bit
//! and the trainer, which calls the same methods, computes the very logits that are served.
#![cfg_attr(
    x86_kernels,
    expect(
        unsafe_code,
        reason = "calls a body compiled for an instruction set that the table of kernels has detected"
    )
)]

mod activation;
mod attention;
mod exp;
mod half;
mod head;
mod hyper;
mod quantise;
mod rms_norm;
mod rope;
mod sums;

pub use attention::{KEY_BLOCK, PAGE_STEP, Pages, k_transposed_len, transpose_key};
pub use exp::{exp, sigmoid};
pub use head::HeadRows;
pub use hyper::{HyperCoefficients, HyperWeights, STREAMS_MAX, permutations};
pub use rope::RopeTable;
pub use sums::dot;

pub(crate) use half::widen_one;

use ::half::f16;

use super::Kernels;
use super::isa::compiled_for;
use model::config::{Activation, RopeKind};

/// Declares one method of [`Kernels`] an op: its body, which may name `V`, compiled for the row's instruction set.
macro_rules! ops {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:path;)*) => {
        impl Kernels {$(
            $(#[$meta])*
            #[inline]
            pub fn $name(&self, $($arg: $ty),*) $(-> $ret)? {
                compiled_for!(self.isa, [], ($($arg: $ty),*) $(-> $ret)?, $body($($arg),*))
            }
        )*}
    };
}

ops! {
    /// RMS norm of one row: `y = x / rms(x) * gain`, with `rms = sqrt(mean(x^2) + eps)`. Returns `1 / rms`.
    fn rms_norm(x: &[f32], gain: Option<&[f32]>, eps: f32, y: &mut [f32]) -> f32 = rms_norm::body::<V>;

    /// Int8 quantisation of one row: returns `a = max|x| / 127` and writes `q = round_half_even(x / a)`.
    /// A row of zeros gives `a = 0` and zeros.
    fn quantise(x: &[f32], q: &mut [i8]) -> f32 = quantise::body::<V>;

    /// Rotates every head of `x` (heads x head_dim) by the angles of one position (`cos`, `sin`: one each for a pair of its first
    /// dimensions). With `-sin` it rotates back.
    fn rope(x: &mut [f32], head_dim: usize, cos: &[f32], sin: &[f32], kind: RopeKind) = rope::body;

    /// Causal attention of consecutive queries of one head; see [`attention`](self) for the layouts.
    fn attention(
        q: &[f32],
        q_stride: usize,
        first: usize,
        count: usize,
        pages: Pages<'_, f32>,
        head_dim: usize,
        scale: f32,
        out: &mut [f32],
        out_stride: usize,
        log_sum_exp: Option<&mut [f32]>,
        scratch: &mut Vec<f32>,
    ) = attention::body::<V, attention::Floats>;

    /// [`attention`](Self::attention) over keys and values in f16, as the cache holds them: the same bits as
    /// widening them first.
    fn attention_f16(
        q: &[f32],
        q_stride: usize,
        first: usize,
        count: usize,
        pages: Pages<'_, f16>,
        head_dim: usize,
        scale: f32,
        out: &mut [f32],
        out_stride: usize,
        log_sum_exp: Option<&mut [f32]>,
        scratch: &mut Vec<f32>,
    ) = attention::body::<V, attention::Halves>;

    /// Hyper-connection coefficients of one token from its streams `x` (n x d).
    fn hyper_coefficients(w: &HyperWeights<'_>, x: &[f32], c: &mut HyperCoefficients) = hyper::coefficients::<V>;

    /// The input of a sub-layer: `y = sum_i pre_i X_i`. `x` is n x d, `y` is d.
    fn hyper_read(c: &HyperCoefficients, x: &[f32], y: &mut [f32]) = hyper::read;

    /// The streams after a sub-layer: `out = R X + post (outer) f`. `x` and `out` are n x d, `f` is d.
    fn hyper_write(c: &HyperCoefficients, x: &[f32], f: &[f32], out: &mut [f32]) = hyper::write;

    /// The feed-forward non-linearity; `gate` is read by gated kinds alone.
    fn activation(kind: Activation, gate: &[f32], up: &[f32], out: &mut [f32]) = activation::body;

    /// Halves to f32, exactly, for finite halves.
    fn widen_f16(x: &[f16], y: &mut [f32]) = half::widen;

    /// f32 to the nearest halves, ties to even. What would overflow is kept finite, so that every kernel reads the same
    /// number from it.
    fn narrow_f16(x: &[f32], y: &mut [f16]) = half::narrow;

    /// What is left of numbers after [`Kernels::narrow_f16`] and [`Kernels::widen_f16`]: training computes with keys and values as the
    /// cache would hold them. What is no number stays none, so that a run which lost its numbers is seen to.
    fn round_f16(x: &mut [f32]) = half::round;

    /// Unpacks elements `start..start + out.len()` of a head or an embedding, whole groups of them.
    fn head_unpack(w: HeadRows<'_>, start: usize, out: &mut [f32]) = head::unpack;

    /// Products of every row of `w` (rows x cols) with every token of `x` (tokens x cols): `y[t * stride + r]`.
    fn head_products(
        w: HeadRows<'_>,
        cols: usize,
        x: &[f32],
        y: &mut [f32],
        stride: usize,
        scratch: &mut Vec<f32>,
    ) = head::products::<V>;

    /// Products of every row of a scaled int8 matrix with one token's quantised activations (`q`, scale `a`).
    fn head_products_int8(codes: &[i8], scales: &[f32], group: usize, q: &[i8], a: f32, y: &mut [f32])
        = head::products_int8;

    /// Dot product in eight lanes.
    fn dot_f32(a: &[f32], b: &[f32]) -> f32 = sums::dot_in::<V>;

    /// `y += s * x`.
    fn add_scaled(s: f32, x: &[f32], y: &mut [f32]) = sums::add_scaled;
}

#[cfg(test)]
mod tests;
