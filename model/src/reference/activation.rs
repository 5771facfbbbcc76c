//! The feed-forward non-linearities.

use crate::config::Activation;

/// `swiglu`: silu(gate) * up; `relu2`: relu(up)^2; `relu2_gated`: relu(gate)^2 * up.
pub fn activation(kind: Activation, gate: &[f32], up: &[f32]) -> Vec<f32> {
    let mut y = Vec::new();
    for i in 0..up.len() {
        y.push(match kind {
            Activation::SwiGlu => gate[i] / (1.0 + (-gate[i]).exp()) * up[i],
            Activation::Relu2 => up[i].max(0.0).powi(2),
            Activation::Relu2Gated => gate[i].max(0.0).powi(2) * up[i],
        });
    }
    y
}
