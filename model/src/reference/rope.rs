//! Rotary position embedding (arXiv 2104.09864) of one position's heads.

use crate::config::RopeKind;
use crate::rope::Frequencies;

/// Turns each pair of the first dimensions of each head of `x` (heads x head_dim) by its frequency times `position`.
pub fn rope(x: &mut [f32], head_dim: usize, position: usize, frequencies: &Frequencies, kind: RopeKind) {
    let pairs = frequencies.pairs();
    for head in x.chunks_exact_mut(head_dim) {
        for i in 0..pairs {
            let (j, k) = match kind {
                RopeKind::HalfSplit => (i, i + pairs),
                RopeKind::Interleaved => (2 * i, 2 * i + 1),
            };
            // Angles are f64: in f32 they are off by 1e-4 after a thousand positions.
            let (cos, sin) = frequencies.turn(position, i);
            (head[j], head[k]) = (head[j] * cos - head[k] * sin, head[j] * sin + head[k] * cos);
        }
    }
}
