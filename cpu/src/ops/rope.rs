//! Rotary position embedding (arXiv 2104.09864): the table of angles and the rotation of one row of heads.

use model::config::RopeKind;
use model::rope::Frequencies;

/// Cosines and sines, positions x pairs that turn.
#[derive(Clone, Debug)]
pub struct RopeTable {
    pairs: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl RopeTable {
    /// Angles of positions `0..positions`.
    pub fn new(positions: usize, frequencies: &Frequencies) -> Self {
        let pairs = frequencies.pairs();
        let turns = (0..positions).flat_map(|p| (0..pairs).map(move |i| frequencies.turn(p, i)));
        let (cos, sin) = turns.unzip();
        RopeTable { pairs, cos, sin }
    }

    /// Positions the table covers.
    pub fn positions(&self) -> usize {
        self.cos.len() / self.pairs
    }

    /// `(cos, sin)` of one position, one each for a pair.
    pub fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.pairs..(position + 1) * self.pairs;
        (&self.cos[range.clone()], &self.sin[range])
    }
}

#[inline(always)]
pub(super) fn body(x: &mut [f32], head_dim: usize, cos: &[f32], sin: &[f32], kind: RopeKind) {
    let pairs = cos.len();
    assert_eq!(pairs, sin.len());
    assert!(2 * pairs <= head_dim && x.len().is_multiple_of(head_dim));
    for head in x.chunks_exact_mut(head_dim) {
        let turning = &mut head[..2 * pairs];
        match kind {
            RopeKind::HalfSplit => {
                let (lo, hi) = turning.split_at_mut(pairs);
                for (((a, b), &c), &s) in lo.iter_mut().zip(hi).zip(cos).zip(sin) {
                    let (x0, x1) = (*a, *b);
                    *a = x0 * c - x1 * s;
                    *b = x0 * s + x1 * c;
                }
            }
            RopeKind::Interleaved => {
                for ((pair, &c), &s) in turning.chunks_exact_mut(2).zip(cos).zip(sin) {
                    let (x0, x1) = (pair[0], pair[1]);
                    pair[0] = x0 * c - x1 * s;
                    pair[1] = x0 * s + x1 * c;
                }
            }
        }
    }
}
