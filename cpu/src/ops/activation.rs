//! The feed-forward non-linearities of the model family.

use super::exp::sigmoid;
use model::config::Activation;

#[inline(always)]
pub(super) fn body(kind: Activation, gate: &[f32], up: &[f32], out: &mut [f32]) {
    assert_eq!(up.len(), out.len());
    match kind {
        Activation::SwiGlu => {
            assert_eq!(gate.len(), up.len());
            for ((o, &g), &u) in out.iter_mut().zip(gate).zip(up) {
                *o = g * sigmoid(g) * u;
            }
        }
        Activation::Relu2 => {
            for (o, &u) in out.iter_mut().zip(up) {
                let r = u.max(0.0);
                *o = r * r;
            }
        }
        Activation::Relu2Gated => {
            assert_eq!(gate.len(), up.len());
            for ((o, &g), &u) in out.iter_mut().zip(gate).zip(up) {
                let r = g.max(0.0);
                *o = r * r * u;
            }
        }
    }
}
