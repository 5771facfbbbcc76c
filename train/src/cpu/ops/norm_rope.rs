//! Per-head RMS norm and rotation by position, for the queries and keys of a pass.

use cpu::Kernels;
use cpu::ops::RopeTable;
use model::config::RopeKind;

use super::norm;

/// `y = rope(rms_norm(x per head))`. Rows of `width`; the position of row `i` is `i % seq`.
pub(crate) fn forward(
    kn: &Kernels,
    width: usize,
    seq: usize,
    x: &[f32],
    gain: Option<&[f32]>,
    eps: f32,
    head_dim: usize,
    table: &RopeTable,
    kind: RopeKind,
    y: &mut [f32],
    inv_rms: &mut [f32],
) {
    let heads = width / head_dim;
    for (i, (x, y)) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).enumerate() {
        match gain {
            Some(gain) => {
                for h in 0..heads {
                    let at = h * head_dim..(h + 1) * head_dim;
                    inv_rms[i * heads + h] = kn.rms_norm(&x[at.clone()], Some(gain), eps, &mut y[at]);
                }
            }
            None => y.copy_from_slice(x),
        }
        let (cos, sin) = table.at(i % seq);
        kn.rope(y, head_dim, cos, sin, kind);
    }
}

/// Gradient of [`forward`]: `d_y` becomes the gradient of `x`.
pub(crate) fn backward(
    kn: &Kernels,
    width: usize,
    seq: usize,
    x: &[f32],
    gain: Option<&[f32]>,
    head_dim: usize,
    table: &RopeTable,
    kind: RopeKind,
    inv_rms: &[f32],
    d_y: &mut [f32],
    d_gain: Option<&mut [f32]>,
    scratch: &mut Vec<f32>,
) {
    for (i, d_y) in d_y.chunks_exact_mut(width).enumerate() {
        let (cos, sin) = table.at(i % seq);
        scratch.clear();
        scratch.extend(sin.iter().map(|s| -s));
        kn.rope(d_y, head_dim, cos, scratch, kind);
    }
    if gain.is_some() {
        scratch.clear();
        scratch.extend_from_slice(d_y);
        norm::backward(kn, head_dim, x, gain, inv_rms, scratch, d_y, d_gain);
    }
}
