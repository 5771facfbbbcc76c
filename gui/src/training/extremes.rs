//! The lowest and the highest of some values: what is left of a stretch of a curve where it has less room than values.

/// See the top of this file; `low > high` while there are none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extremes {
    pub low: f32,
    pub high: f32,
}

impl Extremes {
    /// Of nothing.
    pub const NONE: Extremes = Extremes { low: f32::INFINITY, high: f32::NEG_INFINITY };

    /// Takes in a value; what is no number changes nothing.
    pub fn add(&mut self, v: f32) {
        if v.is_finite() {
            self.low = self.low.min(v);
            self.high = self.high.max(v);
        }
    }

    /// Takes in others.
    pub fn join(&mut self, other: Extremes) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.low > self.high
    }
}
