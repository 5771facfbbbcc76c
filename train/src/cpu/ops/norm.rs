//! Gradient of RMS norm, for whole rows or for heads within a row.

use cpu::{Kernels, ops::dot};

/// Gradient of `y = x * inv_rms * gain` over `rows` of `width`: overwrites `d_x`, adds to `d_gain`.
/// `inv_rms` has one value a row.
pub(crate) fn backward(
    kn: &Kernels,
    width: usize,
    x: &[f32],
    gain: Option<&[f32]>,
    inv_rms: &[f32],
    d_y: &[f32],
    d_x: &mut [f32],
    mut d_gain: Option<&mut [f32]>,
) {
    kn.vectorise(|| {
        let rows = x.chunks_exact(width).zip(d_y.chunks_exact(width)).zip(d_x.chunks_exact_mut(width));
        for (((x, d_y), d_x), &r) in rows.zip(inv_rms) {
            row(x, gain, r, d_y, d_x, d_gain.as_deref_mut());
        }
    });
}

/// One row of [`backward`]: `d_x = r (g d_y) - x r^3 / n <g d_y, x>`.
#[inline(always)]
fn row(x: &[f32], gain: Option<&[f32]>, r: f32, d_y: &[f32], d_x: &mut [f32], d_gain: Option<&mut [f32]>) {
    match gain {
        Some(gain) => {
            for ((d_x, d_y), g) in d_x.iter_mut().zip(d_y).zip(gain) {
                *d_x = d_y * g;
            }
        }
        None => d_x.copy_from_slice(d_y),
    }
    if let Some(d_gain) = d_gain {
        for ((d_gain, d_y), x) in d_gain.iter_mut().zip(d_y).zip(x) {
            *d_gain += d_y * x * r;
        }
    }
    let c = dot(d_x, x) * r * r * r / x.len() as f32;
    for (d_x, x) in d_x.iter_mut().zip(x) {
        *d_x = *d_x * r - x * c;
    }
}
