//! Random bits that are a pure function of (seed, step, site, place): nothing is stored, and every device draws the same ones in whatever order.

use crate::rng::SplitMix64;

/// The bits of one site in one step. Dropout's sites count from 1; whoever else draws takes the largest numbers.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    key: u32,
}

impl Draws {
    /// Those of `site` in `step`.
    pub fn new(seed: u64, step: u64, site: u32) -> Draws {
        Draws { key: SplitMix64::new(&[seed, step, u64::from(site)]).next_u64() as u32 }
    }

    /// The 32 bits of a place.
    #[inline(always)]
    pub fn at(self, place: u32) -> u32 {
        mix(place ^ self.key)
    }
}

/// A bijection of 32 bits with low bias: every input bit flips every output bit about half of the time.
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7FEB_352D);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}
