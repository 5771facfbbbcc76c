//! What weights are like, in numbers: their moments, a histogram, the shares of ternary codes and the scales. Weights come piece
//! by piece, so a tensor of any size takes little memory; where they come from is the caller's business.

use half::f16;

use crate::Result;
use crate::blocks::{self, TensorType};
use crate::gguf::Tensor;
use crate::ternary::GROUP;

/// Weights unpacked at a time; whole blocks of every type.
pub const PIECE: usize = 1 << 14;
const _: () = assert!(PIECE.is_multiple_of(2 * GROUP));

/// Count, range, mean and standard deviation of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Finite numbers.
    pub count: u64,
    /// NaN and infinities; nothing below counts them.
    pub not_finite: u64,
    /// Numbers that are 0.
    pub zeros: u64,
    /// The smallest; above `max` if there are none.
    pub min: f32,
    /// The largest.
    pub max: f32,
    sum: f64,
    sum_of_squares: f64,
}

impl Default for Moments {
    fn default() -> Moments {
        let (min, max) = (f32::INFINITY, f32::NEG_INFINITY);
        Moments { count: 0, not_finite: 0, zeros: 0, min, max, sum: 0.0, sum_of_squares: 0.0 }
    }
}

impl Moments {
    /// Of these numbers.
    pub fn of(values: &[f32]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|v| moments.add(*v, 1));
        moments
    }

    /// Takes in a number, so many times.
    pub fn add(&mut self, value: f32, times: u64) {
        if times == 0 {
            return;
        }
        if !value.is_finite() {
            self.not_finite += times;
            return;
        }
        let (v, n) = (f64::from(value), times as f64);
        self.count += times;
        self.zeros += if value == 0.0 { times } else { 0 };
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += v * n;
        self.sum_of_squares += v * v * n;
    }

    /// The mean; 0 of nothing.
    pub fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }

    /// The standard deviation; 0 of nothing.
    pub fn sd(&self) -> f64 {
        let n = self.count.max(1) as f64;
        (self.sum_of_squares / n - (self.sum / n).powi(2)).max(0.0).sqrt()
    }
}

/// How many numbers lie where, in bins of one width.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Where the first bin begins.
    pub low: f32,
    /// Where the last bin ends; it includes this number.
    pub high: f32,
    /// How many numbers lie in each, of equal widths, the lowest first.
    pub bins: Vec<u64>,
    /// Numbers below the first bin.
    pub below: u64,
    /// Numbers above the last.
    pub above: u64,
}

impl Histogram {
    /// Nothing counted yet. A range that is empty or not finite becomes one around `low` that holds something.
    pub fn new(low: f32, high: f32, bins: usize) -> Histogram {
        let low = if low.is_finite() { low } else { 0.0 };
        let high = if high.is_finite() && high > low { high } else { low + low.abs().max(f32::MIN_POSITIVE) };
        Histogram { low, high, bins: vec![0; bins.max(1)], below: 0, above: 0 }
    }

    /// Counts a number, so many times; NaN is in no bin.
    pub fn add(&mut self, value: f32, times: u64) {
        if value < self.low {
            self.below += times;
        } else if value > self.high {
            self.above += times;
        } else if !value.is_nan() {
            let (low, high) = (f64::from(self.low), f64::from(self.high));
            let at = (f64::from(value) - low) / (high - low) * self.bins.len() as f64;
            // The cast saturates, and the upper end belongs to the last bin.
            let last = self.bins.len() - 1;
            self.bins[(at as usize).min(last)] += times;
        }
    }

    /// Where bin `index` begins; for one past the last, where that ends.
    pub fn edge(&self, index: usize) -> f32 {
        let share = index as f64 / self.bins.len() as f64;
        (f64::from(self.low) + share * (f64::from(self.high) - f64::from(self.low))) as f32
    }
}

/// What is measured of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Its weights, scaled.
    pub weights: Moments,
    /// What only ternary weights have.
    pub ternary: Option<Ternary>,
}

/// Codes and scales of ternary weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Ternary {
    /// How many weights are -1, 0, +1 and, where the type has a code for it, +2.
    pub codes: [u64; 4],
    /// One for each [`group`](Self::group) of weights, in their order; none where [`factor`](Self::factor) is the only one.
    pub scales: Vec<f16>,
    /// Weights that share one of `scales`: 128, and 64 where the type's blocks are as short.
    pub group: usize,
    /// The one scale of all weights.
    pub factor: Option<f32>,
}

impl Ternary {
    /// The shares of -1, 0, and of +1 with +2.
    pub fn shares(&self) -> [f64; 3] {
        let [minus, zero, plus, two] = self.codes;
        let all = (minus + zero + plus + two).max(1) as f64;
        [minus, zero, plus + two].map(|n| n as f64 / all)
    }

    /// How many scales a row of so many weights has.
    pub fn groups(&self, row: u64) -> usize {
        if self.factor.is_some() { 0 } else { row as usize / self.group }
    }

    /// The scale of a weight, counted from 0, row after row.
    pub fn scale_of(&self, weight: u64) -> Option<f32> {
        let group = usize::try_from(weight / self.group as u64).ok()?;
        self.factor.or_else(|| self.scales.get(group).map(|s| s.to_f32()))
    }

    /// Of the scales.
    pub fn scale_moments(&self) -> Moments {
        let mut moments = Moments::default();
        self.each_scale().for_each(|s| moments.add(s, 1));
        moments
    }

    fn each_scale(&self) -> impl Iterator<Item = f32> {
        self.scales.iter().map(|s| s.to_f32()).chain(self.factor)
    }

    /// The scales in bins from the smallest to the largest.
    pub fn scale_histogram(&self, bins: usize) -> Histogram {
        let range = self.scale_moments();
        let mut histogram = Histogram::new(range.min, range.max, bins);
        self.each_scale().for_each(|s| histogram.add(s, 1));
        histogram
    }
}

impl Measured {
    /// Weights that are zero. A ternary weight is zero by its code, whatever its scale.
    pub fn zeros(&self) -> u64 {
        self.ternary.as_ref().map_or(self.weights.zeros, |t| t.codes[1])
    }
}

/// Measures weights that come in pieces.
#[derive(Debug)]
pub struct Meter {
    ty: TensorType,
    measured: Measured,
    blocks: usize,
    unpacked: Vec<f32>,
    codes: Vec<i8>,
    scales: Vec<f16>,
}

impl Meter {
    /// Nothing measured yet. `factor` is what all weights are multiplied by, if that stands behind their blocks.
    pub fn new(ty: TensorType, factor: Option<f32>) -> Meter {
        let group = ty.group().unwrap_or(GROUP).min(GROUP);
        let none = Ternary { codes: [0; 4], scales: Vec::new(), group, factor };
        let ternary = ty.is_ternary().then_some(none);
        let measured = Measured { weights: Moments::default(), ternary };
        Meter { ty, measured, blocks: 0, unpacked: Vec::new(), codes: Vec::new(), scales: Vec::new() }
    }

    /// Takes in whole blocks.
    pub fn add(&mut self, bytes: &[u8]) -> Result<()> {
        let (len, size) = (self.ty.block_len(), self.ty.block_bytes());
        for piece in bytes.chunks(PIECE / len * size) {
            self.add_piece(piece).map_err(|e| e.after_blocks(self.blocks))?;
            self.blocks += piece.len() / size;
        }
        Ok(())
    }

    fn add_piece(&mut self, bytes: &[u8]) -> Result<()> {
        let count = bytes.len() / self.ty.block_bytes() * self.ty.block_len();
        let Some(ternary) = &mut self.measured.ternary else {
            self.unpacked.resize(count, 0.0);
            blocks::unpack(self.ty, bytes, &mut self.unpacked)?;
            self.unpacked.iter().for_each(|v| self.measured.weights.add(*v, 1));
            return Ok(());
        };
        self.codes.resize(count, 0);
        self.scales.resize(count / ternary.group, f16::ZERO);
        blocks::unpack_codes(self.ty, bytes, &mut self.scales, &mut self.codes)?;
        for (codes, scale) in self.codes.chunks_exact(ternary.group).zip(&self.scales) {
            let count = |code| codes.iter().filter(|t| **t == code).count() as u64;
            let s = ternary.factor.unwrap_or(scale.to_f32());
            for (at, code) in (-1..=2).enumerate() {
                let times = count(code);
                ternary.codes[at] += times;
                self.measured.weights.add(f32::from(code) * s, times);
            }
        }
        if ternary.factor.is_none() {
            ternary.scales.extend(&self.scales);
        }
        Ok(())
    }

    /// What has been measured.
    pub fn finish(self) -> Measured {
        self.measured
    }
}

/// Measures a tensor in memory.
///
/// # Errors
/// A type that is not ours, a code or a scale that is none.
pub fn measure(tensor: &Tensor<'_>) -> Result<Measured> {
    let mut meter = Meter::new(tensor.ty()?, tensor.factor()?);
    meter.add(tensor.blocks()).map_err(|e| tensor.explain(e))?;
    Ok(meter.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{pack, q1_58};

    #[test]
    fn moments_are_those_of_the_definition() {
        let m = Moments::of(&[1.0, 0.0, -3.0, f32::NAN, 6.0, f32::NEG_INFINITY, -0.0]);
        assert_eq!((m.count, m.not_finite, m.zeros, m.min, m.max), (5, 2, 2, -3.0, 6.0));
        assert_eq!(m.mean(), 0.8);
        assert!((m.sd() - (46.0f64 / 5.0 - 0.64).sqrt()).abs() < 1e-12);
        let nothing = Moments::default();
        assert_eq!((nothing.mean(), nothing.sd()), (0.0, 0.0));
    }

    #[test]
    fn histogram_keeps_every_number_and_its_upper_end() {
        let mut h = Histogram::new(-1.0, 1.0, 4);
        for v in [-1.0, -0.5, 0.0, 0.49, 0.5, 1.0, 1.5, -9.0, f32::NAN, f32::INFINITY] {
            h.add(v, 2);
        }
        assert_eq!((h.bins.as_slice(), h.below, h.above), (&[2, 2, 4, 4][..], 2, 4));
        assert_eq!([h.edge(0), h.edge(1), h.edge(4)], [-1.0, -0.5, 1.0]);
        // All numbers equal, or none at all: still a range.
        for (low, high) in [(0.5, 0.5), (0.0, 0.0), (f32::INFINITY, f32::NEG_INFINITY), (3.0, f32::NAN)] {
            let mut h = Histogram::new(low, high, 3);
            let inside = h.low;
            h.add(inside, 1);
            assert_eq!(h.bins, [1, 0, 0], "{low} to {high}");
        }
    }

    #[test]
    fn meter_counts_ternary_codes_and_keeps_scales() {
        let mut bytes = Vec::new();
        let codes: Vec<i8> = (0..GROUP).map(|i| if i < 50 { -1 } else { i8::from(i >= 90) }).collect();
        q1_58::pack_group(f16::from_f32(0.5), &codes, &mut bytes);
        q1_58::pack_group(f16::from_f32(2.0), &[0; GROUP], &mut bytes);
        let mut meter = Meter::new(TensorType::Q1_58, None);
        meter.add(&bytes).unwrap();
        let measured = meter.finish();
        let ternary = measured.ternary.as_ref().unwrap();
        assert_eq!(ternary.codes, [50, 40 + 128, 38, 0]);
        assert_eq!(ternary.scales, [0.5, 2.0].map(f16::from_f32));
        assert_eq!(measured.zeros(), 168);
        assert_eq!((measured.weights.min, measured.weights.max, measured.weights.count), (-0.5, 0.5, 256));
        assert_eq!(measured.weights.mean(), 0.5 * -12.0 / 256.0);
        let scales = ternary.scale_moments();
        assert_eq!((scales.mean(), scales.sd()), (1.25, 0.75));
        assert_eq!(ternary.scale_histogram(3).bins, [1, 0, 1]);
        assert!((ternary.shares().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn meter_in_pieces_is_meter_at_once_and_agrees_with_the_weights() {
        let weights: Vec<f32> = (0..3 * PIECE).map(|i| ((i * 37) % 1009) as f32 / 500.0 - 1.0).collect();
        for ty in TensorType::ALL {
            let mut bytes = Vec::new();
            if pack(ty, &weights, &mut bytes).is_err() {
                continue;
            }
            let mut whole = Meter::new(ty, None);
            whole.add(&bytes).unwrap();
            let mut pieces = Meter::new(ty, None);
            bytes.chunks(7 * ty.block_bytes()).for_each(|piece| pieces.add(piece).unwrap());
            let (whole, pieces) = (whole.finish(), pieces.finish());
            assert_eq!(whole, pieces, "{ty}");
            let mut back = vec![0.0; weights.len()];
            blocks::unpack(ty, &bytes, &mut back).unwrap();
            let plain = Moments::of(&back);
            let m = whole.weights;
            assert_eq!((m.count, m.min, m.max), (plain.count, plain.min, plain.max), "{ty}");
            assert!((m.mean() - plain.mean()).abs() < 1e-9 && (m.sd() - plain.sd()).abs() < 1e-9, "{ty}");
            assert_eq!(whole.zeros(), plain.zeros, "{ty}");
        }
    }

    #[test]
    fn meter_names_the_block_that_is_no_weights() {
        let mut bytes = Vec::new();
        for _ in 0..PIECE / GROUP + 2 {
            q1_58::pack_group(f16::ONE, &[1; GROUP], &mut bytes);
        }
        let last = bytes.len() - 1;
        bytes[last] = 0xff;
        let error = Meter::new(TensorType::Q1_58, None).add(&bytes).unwrap_err().to_string();
        assert!(error.contains(&format!("block {}", PIECE / GROUP + 1)), "{error}");
        assert!(Meter::new(TensorType::Q1_58, None).add(&bytes[1..]).is_err());
    }
}
