//! Dropout (Srivastava et al. 2014) whose mask is a pure function of (step, site, token, column): nothing is stored, the backward pass
//! draws the same mask again, and a GPU can do likewise.

use crate::draws::Draws;

/// The masks of one site in one step.
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    draws: Draws,
    /// A value survives where its hash is at least this.
    threshold: u32,
    /// Survivors are multiplied by `1 / (1 - p)`.
    scale: f32,
}

impl Mask {
    /// The mask of `site` in `step`; `p` in [0, 1) is the share dropped.
    pub fn new(seed: u64, step: u64, site: u32, p: f32) -> Mask {
        let threshold = (f64::from(p) * 4_294_967_296.0) as u32;
        Mask { draws: Draws::new(seed, step, site), threshold, scale: 1.0 / (1.0 - p) }
    }

    /// Whether anything is dropped at all.
    pub fn active(&self) -> bool {
        self.threshold > 0
    }

    /// Drops from one token's row in place.
    #[inline(always)]
    pub fn apply(&self, token: usize, row: &mut [f32]) {
        let first = (token as u32).wrapping_mul(row.len() as u32);
        for (i, v) in row.iter_mut().enumerate() {
            let keep = self.draws.at(first.wrapping_add(i as u32)) >= self.threshold;
            *v *= if keep { self.scale } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_keeps_the_mean_and_differs_by_site_step_and_token() {
        let draw = |step, site, token| {
            let mut row = vec![1.0f32; 4096];
            Mask::new(7, step, site, 0.25).apply(token, &mut row);
            row
        };
        let row = draw(1, 1, 0);
        let dropped = row.iter().filter(|v| **v == 0.0).count();
        assert!((900..1150).contains(&dropped), "{dropped} of 4096");
        assert!(row.iter().all(|v| *v == 0.0 || (*v - 4.0 / 3.0).abs() < 1e-6));
        assert_eq!(row, draw(1, 1, 0));
        for other in [draw(2, 1, 0), draw(1, 2, 0), draw(1, 1, 1)] {
            let same = row.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!((2300..2800).contains(&same), "{same} of 4096 alike");
        }
    }
}
