//! How fast each pair of a head's dimensions turns with position (rotary embedding, arXiv 2104.09864), stretched to longer texts or not: the
//! one table that every device makes its angles from.

use std::f64::consts::TAU;

use crate::config::{ModelConfig, Stretch, Yarn};
use crate::error::{Error, Result};
use crate::metadata::ROPE_DIVISORS;

/// The frequencies of a model's rotary embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Frequencies {
    /// Radians a position, one for each pair of dimensions that turns.
    radians: Vec<f64>,
    /// What cosine and sine are multiplied by.
    magnitude: f64,
}

impl Frequencies {
    /// Those of `dims` dimensions as they were first published: pair `i` turns by `base^(-2 i / dims)`.
    pub fn plain(dims: usize, base: f32) -> Self {
        let of_pair = |i| f64::from(base).powf(-2.0 * i as f64 / dims as f64);
        Frequencies { radians: (0..dims / 2).map(of_pair).collect(), magnitude: 1.0 }
    }

    /// Those of a shape. `divisors` are the values of its tensor of divisors, one for each pair, if it has one.
    ///
    /// # Errors
    /// A divisor that is out of range.
    pub fn new(c: &ModelConfig, divisors: Option<&[f32]>) -> Result<Self> {
        let mut of = Self::plain(c.rotary_dims(), c.rope_base);
        if let Some(divisors) = divisors {
            assert_eq!(divisors.len(), of.radians.len());
            for (index, (radians, &value)) in of.radians.iter_mut().zip(divisors).enumerate() {
                if !(1e-6..=1e6).contains(&value) {
                    return Err(Error::Divisor { name: ROPE_DIVISORS, index, value });
                }
                *radians /= f64::from(value);
            }
        }
        match c.rope_scaling.stretch {
            Stretch::None => {}
            Stretch::Linear { factor } => of.radians.iter_mut().for_each(|r| *r /= f64::from(factor)),
            Stretch::Yarn(yarn) => of.yarn(&yarn, c.rotary_dims(), f64::from(c.rope_base)),
        }
        of.magnitude *= f64::from(c.rope_scaling.magnitude);
        Ok(of)
    }

    /// YaRN (arXiv 2309.00071): pairs that turn often within the original context keep their speed, those that hardly turn are slowed down by the
    /// factor, and a ramp leads from the ones to the others. Borders of the ramp and magnitude are llama.cpp's.
    fn yarn(&mut self, yarn: &Yarn, dims: usize, base: f64) {
        let factor = f64::from(yarn.factor);
        // The pair that turns so many times in the original context.
        let pair = |turns: f32| {
            let wavelength = yarn.original_context as f64 / (f64::from(turns) * TAU);
            dims as f64 * wavelength.ln() / (2.0 * base.ln())
        };
        let low = pair(yarn.beta_fast).floor().max(0.0);
        let high = pair(yarn.beta_slow).ceil().min((dims - 1) as f64);
        for (i, radians) in self.radians.iter_mut().enumerate() {
            let ramp = ((i as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
            let kept = (1.0 - ramp) * f64::from(yarn.extrapolation);
            *radians = *radians / factor * (1.0 - kept) + *radians * kept;
        }
        if factor > 1.0 {
            self.magnitude *= 1.0 + 0.1 * factor.ln();
        }
    }

    /// Pairs that turn; the dimensions behind them stay as they are.
    pub fn pairs(&self) -> usize {
        self.radians.len()
    }

    /// Cosine and sine of a pair at a position, computed in f64 and rounded once.
    pub fn turn(&self, position: usize, pair: usize) -> (f32, f32) {
        let angle = position as f64 * self.radians[pair];
        ((self.magnitude * angle.cos()) as f32, (self.magnitude * angle.sin()) as f32)
    }
}
