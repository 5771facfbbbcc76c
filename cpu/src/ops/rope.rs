//! Rotary position embedding (arXiv 2104.09864): the table of angles and the rotation of one row of heads.

use model::config::RopeKind;

/// Cosines and sines, positions x (head_dim / 2), computed in f64 and rounded once.
#[derive(Clone, Debug)]
pub struct RopeTable {
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl RopeTable {
    /// Angles `position * base^(-2 i / head_dim)` for positions `0..positions`.
    pub fn new(positions: usize, head_dim: usize, base: f32) -> Self {
        let half = head_dim / 2;
        let mut cos = Vec::with_capacity(positions * half);
        let mut sin = Vec::with_capacity(positions * half);
        for p in 0..positions {
            for i in 0..half {
                let angle = p as f64 * f64::from(base).powf(-2.0 * i as f64 / head_dim as f64);
                cos.push(angle.cos() as f32);
                sin.push(angle.sin() as f32);
            }
        }
        RopeTable { half, cos, sin }
    }

    /// Positions the table covers.
    pub fn positions(&self) -> usize {
        self.cos.len() / self.half.max(1)
    }

    /// `(cos, sin)` of one position, each head_dim / 2 long.
    pub fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.half..(position + 1) * self.half;
        (&self.cos[range.clone()], &self.sin[range])
    }
}

#[inline(always)]
pub(super) fn body(x: &mut [f32], cos: &[f32], sin: &[f32], kind: RopeKind) {
    let half = cos.len();
    assert_eq!(half, sin.len());
    assert_eq!(x.len() % (2 * half), 0);
    for head in x.chunks_exact_mut(2 * half) {
        match kind {
            RopeKind::HalfSplit => {
                let (lo, hi) = head.split_at_mut(half);
                for (((a, b), &c), &s) in lo.iter_mut().zip(hi).zip(cos).zip(sin) {
                    let (x0, x1) = (*a, *b);
                    *a = x0 * c - x1 * s;
                    *b = x0 * s + x1 * c;
                }
            }
            RopeKind::Interleaved => {
                for ((pair, &c), &s) in head.chunks_exact_mut(2).zip(cos).zip(sin) {
                    let (x0, x1) = (pair[0], pair[1]);
                    pair[0] = x0 * c - x1 * s;
                    pair[1] = x0 * s + x1 * c;
                }
            }
        }
    }
}
