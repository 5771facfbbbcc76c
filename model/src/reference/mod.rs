//! The mathematics of the model in plain f32 loops: the specification in code, never made clever.
//! Fast kernels are claims about these; nothing that runs in earnest calls them.
//!
//! Activations are quantised where the model quantises them, but products are taken as floats: how the quantised
//! arithmetic is carried out exactly is `cpu`'s scalar kernels' business.

mod activation;
mod attention;
mod bitlinear;
mod embed;
mod head;
mod hyper;
mod quantise;
mod rms_norm;
mod rope;

pub use activation::activation;
pub use attention::attention;
pub use bitlinear::bitlinear;
pub use embed::{embed, sum_of_streams};
pub use head::head;
pub use hyper::{Hyper, HyperCoefficients, hyper_coefficients, hyper_read, hyper_write};
pub use quantise::quantise;
pub use rms_norm::rms_norm;
pub use rope::rope;
