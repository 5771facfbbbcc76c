//! Optimisers: Muon or AdamW for the ternary matrices, AdamW for the rest. Pure functions over slices; which parameter gets which,
//! and on which thread, is the backend's business.

pub mod adamw;
mod moments;
pub mod muon;

use cpu::Kernels;
use serde::{Deserialize, Serialize};

pub use moments::{Moments, Rounding};

/// What updates the ternary matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matrices {
    /// Muon: better for the same number of steps.
    #[default]
    Muon,
    /// AdamW, as everything else: a step takes less time.
    AdamW,
}

/// Settings of both optimisers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What updates the ternary matrices.
    pub matrices: Matrices,
    /// Of the ternary matrices, if Muon it is.
    pub muon: muon::Settings,
    /// Of everything else; the weight decay applies to matrices, embedding and head alone.
    pub adam: adamw::Settings,
    /// Largest global gradient norm that AdamW sees; 0: no limit. Muon does not depend on the gradient's size.
    pub clip_norm: f32,
    /// How what they remember is kept.
    pub moments: Moments,
}

impl Settings {
    /// The factor that brings a gradient of this norm within the limit.
    pub fn clip(&self, norm: f64) -> f32 {
        let limit = f64::from(self.clip_norm);
        if limit > 0.0 && norm > limit { (limit / norm) as f32 } else { 1.0 }
    }
}

/// Elements that [`global_norm`] sums in f32 lanes before f64 takes over.
const NORM_CHUNK: usize = 1 << 14;

/// L2 norm over all gradients, in an order that depends on their lengths alone.
pub fn global_norm(kernels: &Kernels, gradients: &[Vec<f32>]) -> f64 {
    let squares =
        gradients.iter().flat_map(|g| g.chunks(NORM_CHUNK)).map(|g| f64::from(kernels.dot_f32(g, g)));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::kernels::testing::Lcg;

    #[test]
    fn optim_global_norm_matches_f64_and_does_not_depend_on_the_instruction_set() {
        let mut rng = Lcg::new(2);
        let gradients: Vec<Vec<f32>> = [0, 1, 7, 1000, 100_000].iter().map(|&n| rng.vec(n)).collect();
        let want = gradients.iter().flatten().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        for kernels in Kernels::available() {
            let got = global_norm(kernels, &gradients);
            assert!((got / want - 1.0).abs() < 1e-6, "{got} {want}");
            assert_eq!(got.to_bits(), global_norm(Kernels::best(), &gradients).to_bits());
        }
    }

    #[test]
    fn optim_clip_shortens_long_gradients_only() {
        let s = |clip_norm| Settings {
            matrices: Matrices::Muon,
            muon: muon::Settings { momentum: 0.95, ns_steps: 5, weight_decay: 0.0 },
            adam: adamw::Settings { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.0 },
            clip_norm,
            moments: Moments::F32,
        };
        assert_eq!(s(1.0).clip(4.0), 0.25);
        assert_eq!(s(1.0).clip(0.5), 1.0);
        assert_eq!(s(0.0).clip(100.0), 1.0);
    }
}
