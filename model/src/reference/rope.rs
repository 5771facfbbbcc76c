//! Rotary position embedding (arXiv 2104.09864) of one position's heads.

use crate::config::RopeKind;

/// Rotates pair `i` of each head of `x` (heads x head_dim) by `position * base^(-2 i / head_dim)`.
pub fn rope(x: &mut [f32], head_dim: usize, position: usize, base: f32, kind: RopeKind) {
    for head in x.chunks_exact_mut(head_dim) {
        for i in 0..head_dim / 2 {
            let (j, k) = match kind {
                RopeKind::HalfSplit => (i, i + head_dim / 2),
                RopeKind::Interleaved => (2 * i, 2 * i + 1),
            };
            // The angle alone is f64: in f32 it is off by 1e-4 after a thousand positions.
            let angle = position as f64 * f64::from(base).powf(-2.0 * i as f64 / head_dim as f64);
            let (sin, cos) = (angle.sin() as f32, angle.cos() as f32);
            (head[j], head[k]) = (head[j] * cos - head[k] * sin, head[j] * sin + head[k] * cos);
        }
    }
}
