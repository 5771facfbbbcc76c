//! RMS norm of one row. Source: arXiv 1910.07467.

use super::sums::sum_of_squares;
use crate::vector::Vector;

#[inline(always)]
pub(super) fn body<V: Vector>(x: &[f32], gain: Option<&[f32]>, eps: f32, y: &mut [f32]) -> f32 {
    assert_eq!(x.len(), y.len());
    let inv_rms = 1.0 / (sum_of_squares::<V>(x) / x.len() as f32 + eps).sqrt();
    match gain {
        Some(gain) => {
            assert_eq!(x.len(), gain.len());
            for ((y, &x), &g) in y.iter_mut().zip(x).zip(gain) {
                *y = x * inv_rms * g;
            }
        }
        None => {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x * inv_rms;
            }
        }
    }
    inv_rms
}
