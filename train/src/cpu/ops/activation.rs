//! Gradient of the feed-forward non-linearities.

use cpu::Kernels;
use cpu::ops::sigmoid;
use model::config::Activation;

/// Overwrites `d_gate` (where gated) and `d_up`.
pub(crate) fn backward(
    kn: &Kernels,
    kind: Activation,
    gate: Option<&[f32]>,
    up: &[f32],
    d_out: &[f32],
    d_gate: Option<&mut [f32]>,
    d_up: &mut [f32],
) {
    kn.vectorise(|| match (kind, gate, d_gate) {
        (Activation::Relu2, None, None) => {
            for ((d_up, d), u) in d_up.iter_mut().zip(d_out).zip(up) {
                *d_up = d * 2.0 * u.max(0.0);
            }
        }
        (Activation::SwiGlu, Some(gate), Some(d_gate)) => {
            let outs = d_gate.iter_mut().zip(d_up);
            for ((((d_gate, d_up), d), &g), u) in outs.zip(d_out).zip(gate).zip(up) {
                let s = sigmoid(g);
                *d_up = d * g * s;
                *d_gate = d * u * (s + g * s * (1.0 - s));
            }
        }
        (Activation::Relu2Gated, Some(gate), Some(d_gate)) => {
            let outs = d_gate.iter_mut().zip(d_up);
            for ((((d_gate, d_up), d), g), u) in outs.zip(d_out).zip(gate).zip(up) {
                let r = g.max(0.0);
                *d_up = d * r * r;
                *d_gate = d * u * 2.0 * r;
            }
        }
        _ => unreachable!("the graph gives a gate to gated kinds alone"),
    });
}
