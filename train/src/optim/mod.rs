//! Optimisers: Muon for the ternary matrices, AdamW for the rest. Pure functions over slices; which parameter gets which,
//! and on which thread, is the backend's business.

pub mod adamw;
pub mod muon;

use runtime::cpu::Kernels;

use crate::backend::Moments;
use crate::program::{ParamKind, ParamSpec};

/// Settings of both optimisers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Of the ternary matrices.
    pub muon: muon::Settings,
    /// Of everything else; the weight decay applies to embedding and head alone.
    pub adam: adamw::Settings,
    /// Largest global gradient norm that AdamW sees; 0: no limit. Muon does not depend on the gradient's size.
    pub clip_norm: f32,
}

impl Settings {
    /// The factor that brings a gradient of this norm within the limit.
    pub fn clip(&self, norm: f64) -> f32 {
        let limit = f64::from(self.clip_norm);
        if limit > 0.0 && norm > limit { (limit / norm) as f32 } else { 1.0 }
    }
}

/// Optimiser memory of a parameter before the first step.
pub fn fresh_moments(spec: &ParamSpec) -> Moments {
    let second = if matches!(spec.kind, ParamKind::Ternary { .. }) { 0 } else { spec.len() };
    Moments { first: vec![0.0; spec.len()], second: vec![0.0; second] }
}

/// L2 norm over all gradients; each in lanes, their squares summed in f64.
pub fn global_norm(kernels: &Kernels, gradients: &[Vec<f32>]) -> f64 {
    gradients.iter().map(|g| f64::from(kernels.dot_f32(g, g))).sum::<f64>().sqrt()
}
