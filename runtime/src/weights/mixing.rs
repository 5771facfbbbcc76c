//! The conservation law of hyper-connections, checked when a model is loaded: every row and column of a mixing matrix sums to 1.

use crate::error::{Error, Result};
use cpu::Kernels;
use cpu::ops::{HyperCoefficients, HyperWeights};

/// How far rows and columns of a mixing matrix may be from summing to 1: f32 rounding of 24 shares stays below 1e-6.
const TOLERANCE: f32 = 1e-5;

/// Refuses a connection that does not conserve its streams.
pub fn check(name: &str, w: &HyperWeights<'_>, kernels: &Kernels) -> Result<()> {
    for (line, index, sum) in sums(w, kernels) {
        // A NaN conserves nothing either.
        let conserves = (sum - 1.0).abs() <= TOLERANCE;
        if !conserves {
            return Err(Error::Mixing { name: name.to_owned(), line, index, sum });
        }
    }
    Ok(())
}

/// Sums of the rows and columns of the mixing matrix that the biases alone make: the very op, run on a token of zeros.
pub fn sums(w: &HyperWeights<'_>, kernels: &Kernels) -> Vec<(&'static str, usize, f32)> {
    let n = w.streams;
    let mut c = HyperCoefficients::default();
    kernels.hyper_coefficients(w, &vec![0.0; w.weight[0].len() / n], &mut c);
    let row = |i: usize| ("row", i, (0..n).map(|j| c.mix[i * n + j]).sum());
    let column = |j: usize| ("column", j, (0..n).map(|i| c.mix[i * n + j]).sum());
    (0..n).map(row).chain((0..n).map(column)).collect()
}
