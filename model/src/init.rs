//! The values that a tensor starts from: a pure function of the seed and the tensor's name.

use crate::rng::SplitMix64;
use crate::tensors::{Init, TensorSpec};

/// The first values of a tensor, row-major.
pub fn initial(spec: &TensorSpec, seed: u64) -> Vec<f32> {
    let n = spec.len();
    match spec.init {
        Init::Constant(v) => vec![v; n],
        Init::OneHot { base, at, value } => {
            let mut v = vec![base; n];
            v[at] = value;
            v
        }
        Init::Normal(std) => {
            let words: Vec<u64> = [seed].into_iter().chain(spec.name.bytes().map(u64::from)).collect();
            let mut rng = SplitMix64::new(&words);
            (0..n).map(|_| rng.normal() as f32 * std).collect()
        }
    }
}
