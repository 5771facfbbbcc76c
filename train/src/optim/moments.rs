//! How what the optimiser remembers is kept from step to step: in f32, or in bf16 with the bits that are cut off decided at random, so that the
//! mean stays. Rounded to the nearest, a running mean that changes by less than 1 in 256 a step would not change at all.

use cpu::Kernels;
use model::draws::Draws;
use serde::{Deserialize, Serialize};

use crate::arena::Place;

/// How moments are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moments {
    /// As they are computed.
    #[default]
    F32,
    /// In half the room, rounded at random.
    Bf16,
}

/// The sites that the ternary matrices and everything else draw at.
const MATRICES: u32 = u32::MAX;
const OTHERS: u32 = u32::MAX - 1;

impl Place {
    /// Where the moments of a parameter that lies here draw their bits.
    pub fn site(&self) -> u32 {
        match self {
            Place::Ternary(_) => MATRICES,
            Place::Dense(_) => OTHERS,
        }
    }
}

/// The rounding of moments in one step, of some values whose first one has this place among those of its array.
#[derive(Clone, Copy, Debug)]
pub struct Rounding {
    draws: Draws,
    first: usize,
}

impl Rounding {
    /// Of a parameter that lies at `place`, in `step`.
    pub fn new(seed: u64, step: u64, place: &Place) -> Rounding {
        let (Place::Ternary(range) | Place::Dense(range)) = place;
        Rounding { draws: Draws::new(seed, step, place.site()), first: range.start }
    }

    /// Of its values from the one of this number on.
    pub fn from(self, value: usize) -> Rounding {
        Rounding { first: self.first + value, ..self }
    }

    /// Rounds first moments: by the low halves of the values' bits.
    pub fn first(self, kernels: &Kernels, values: &mut [f32]) {
        self.round(kernels, values, |bits| bits & 0xFFFF);
    }

    /// Rounds second moments: by the high halves.
    pub fn second(self, kernels: &Kernels, values: &mut [f32]) {
        self.round(kernels, values, |bits| bits >> 16);
    }

    fn round(self, kernels: &Kernels, values: &mut [f32], half: impl Fn(u32) -> u32) {
        kernels.vectorise(|| {
            for (i, v) in values.iter_mut().enumerate() {
                *v = rounded(*v, half(self.draws.at((self.first + i) as u32)));
            }
        });
    }
}

/// One of the two values of bf16 around `v`, decided by 16 random bits: the nearer, the likelier, and `v` itself if it is one.
#[inline(always)]
fn rounded(v: f32, random: u32) -> f32 {
    /// The largest bf16. Beyond it there is infinity alone, which nothing finite becomes.
    const LARGEST: u32 = 0x7F7F_0000;
    let bits = v.to_bits();
    let random = if bits & 0x7FFF_FFFF < LARGEST { random } else { 0 };
    f32::from_bits((bits + random) & 0xFFFF_0000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::kernels::testing::Lcg;

    #[test]
    fn moments_in_bf16_become_a_neighbour_or_stay() {
        for v in [0.0f32, -0.0, 1.0, -1.5, 3.0e-39, 2f32.powi(-130), 0.333_333_34, -7.1e30, 3.4e38, -3.395e38]
        {
            let low = f32::from_bits(v.to_bits() & 0xFFFF_0000);
            let high = f32::from_bits((v.to_bits() & 0xFFFF_0000) + 0x1_0000);
            for random in [0, 1, 0x7FFF, 0xFFFF] {
                let got = rounded(v, random);
                assert!(got.is_finite() && (got == low || got == high), "{v:e} became {got:e}");
                assert!(low != v || got.to_bits() == v.to_bits(), "{v:e} became {got:e}");
            }
        }
    }

    /// Of many steps, within four deviations of what a coin with the right odds gives.
    #[test]
    fn moments_in_bf16_have_the_right_mean() {
        let (len, steps) = (64usize, 4096u64);
        let values: Vec<f32> = Lcg::new(3).vec(len).iter().map(|v| v * 1e-3).collect();
        let mut sums = [vec![0.0f64; len], vec![0.0f64; len]];
        let mut both_up = vec![0.0f64; len];
        let is_up = |v: f32, r: f32| f64::from(u8::from(r.abs() > v.abs()));
        for step in 0..steps {
            let rounding = Rounding::new(11, step, &Place::Dense(640..640 + len));
            let (mut first, mut second) = (values.clone(), values.clone());
            rounding.first(Kernels::best(), &mut first);
            rounding.second(Kernels::best(), &mut second);
            for i in 0..len {
                sums[0][i] += f64::from(first[i]);
                sums[1][i] += f64::from(second[i]);
                both_up[i] += is_up(values[i], first[i]) * is_up(values[i], second[i]);
            }
        }
        for (i, &v) in values.iter().enumerate() {
            let low = f64::from(f32::from_bits(v.to_bits() & 0xFFFF_0000));
            let gap = f64::from(f32::from_bits((v.to_bits() & 0xFFFF_0000) + 0x1_0000)) - low;
            let odds = (f64::from(v) - low) / gap;
            let deviation = |p: f64| (p * (1.0 - p) / steps as f64).sqrt();
            for sum in &sums {
                let error = (sum[i] / steps as f64 - f64::from(v)).abs();
                assert!(error <= 4.0 * gap.abs() * deviation(odds), "{v:e}: off by {error:e}");
            }
            // The halves of a value's bits have nothing to do with each other.
            let both = both_up[i] / steps as f64;
            assert!((both - odds * odds).abs() <= 5.0 * deviation(odds * odds) + 1e-3, "{odds} {both}");
        }
    }

    #[test]
    fn moments_are_rounded_by_place_step_and_array_and_not_by_how_they_are_cut() {
        let values = Lcg::new(8).vec(301);
        let round = |seed, step, place: Place, cut: usize| {
            let rounding = Rounding::new(seed, step, &place);
            let mut all = values.clone();
            let (a, b) = all.split_at_mut(cut);
            rounding.first(Kernels::best(), a);
            rounding.from(cut).first(Kernels::best(), b);
            all.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        };
        let at = |first: usize| Place::Dense(first..first + 301);
        let want = round(1, 2, at(64), 0);
        assert!(round(1, 2, at(64), 37) == want);
        for kernels in Kernels::available() {
            let mut all = values.clone();
            Rounding::new(1, 2, &at(64)).first(kernels, &mut all);
            assert!(all.into_iter().map(f32::to_bits).eq(want.iter().copied()), "{}", kernels.name);
        }
        for other in [
            round(2, 2, at(64), 0),
            round(1, 3, at(64), 0),
            round(1, 2, at(128), 0),
            round(1, 2, Place::Ternary(64..365), 0),
        ] {
            assert!(other != want);
        }
    }
}
