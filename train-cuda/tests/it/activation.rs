//! The feed-forward non-linearities and their gradients, bit for bit.

use cpu::Kernels;
use cpu::ops::sigmoid;
use model::config::Activation;
use train_cuda::driver::Arg;

use crate::harness::{Numbers, bench};
use crate::rows::*;

const KINDS: [Activation; 3] = [Activation::SwiGlu, Activation::Relu2, Activation::Relu2Gated];

/// As `train::cpu::ops::activation` has it: gate, up.
fn backward(kind: Activation, g: f32, u: f32, d: f32) -> (f32, f32) {
    match kind {
        Activation::SwiGlu => {
            let s = sigmoid(g);
            (d * u * (s + g * s * (1.0 - s)), d * g * s)
        }
        Activation::Relu2 => (7.0, d * 2.0 * u.max(0.0)),
        Activation::Relu2Gated => {
            let r = g.max(0.0);
            (d * u * 2.0 * r, d * r * r)
        }
    }
}

#[test]
fn activations_have_the_processors_bits() {
    let Some(b) = bench() else { return };
    for len in [128usize, 33 * 128, 7 * 1152] {
        let mut n = Numbers::new(len as u64);
        let (mut gate, up, d_out) = (n.vec(len), n.vec(len), n.vec(len));
        gate.iter_mut().for_each(|g| *g *= 9.0);
        gate[..6].copy_from_slice(&[0.0, -0.0, 100.0, -100.0, 88.5, -87.4]);
        let (g, u, d) = (b.upload(&gate), b.upload(&up), b.upload(&d_out));
        for (i, kind) in KINDS.into_iter().enumerate() {
            let gated = kind != Activation::Relu2;
            let g = if gated { g.arg() } else { Arg::NULL };
            let mut want = vec![0.0; len];
            Kernels::best().activation(kind, &gate, &up, &mut want);
            let out = b.room::<f32>(len);
            let args = [g, u.arg(), out.arg(), (len as u64).into(), i.into()];
            b.run("activation.f32", "activation", line(len), &args);
            same_bits(&format!("{kind:?} {len}"), &b.download(&out), &want);
            for build in BUILDS {
                let (d_gate, d_up) = (build.upload(&b, &vec![7.0; len]), build.room(&b, len));
                let to = if gated { d_gate.arg() } else { Arg::NULL };
                let args = [g, u.arg(), d.arg(), to, d_up.arg(), (len as u64).into(), i.into()];
                b.run(&build.module("activation"), "activation_backward", line(len), &args);
                let both: Vec<(f32, f32)> =
                    (0..len).map(|i| backward(kind, gate[i], up[i], d_out[i])).collect();
                let of = |pick: fn(&(f32, f32)) -> f32| {
                    both.iter().map(|v| build.stored(pick(v))).collect::<Vec<_>>()
                };
                same_bits(&format!("{kind:?} {len} d_gate"), &d_gate.download(&b), &of(|v| v.0));
                same_bits(&format!("{kind:?} {len} d_up"), &d_up.download(&b), &of(|v| v.1));
            }
        }
    }
}
