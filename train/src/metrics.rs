//! What only ternary training has to report: how many codes are zero, how many flipped since the last
//! look, how far the scales drifted. Losses are the trainer's; writing things down is the run's.

use formats::ternary::{GROUP, quantise_group};

use crate::trainer::Named;

/// Codes in one f32 of a checkpoint: base 3, and 3^15 is below 2^24, so the number is exact.
const CODES_PER_FLOAT: usize = 15;

/// The names, after `blk.N.`, of the matrices that train as ternary.
const TERNARY: [&str; 7] = [
    "attn_q.weight",
    "attn_k.weight",
    "attn_v.weight",
    "attn_output.weight",
    "ffn_gate.weight",
    "ffn_up.weight",
    "ffn_down.weight",
];

/// The block that a ternary matrix belongs to; `None` for every other tensor.
pub fn ternary_block(name: &str) -> Option<usize> {
    let (block, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    TERNARY.contains(&rest).then(|| block.parse().ok())?
}

/// One look at the codes. Each list has an entry per block.
#[derive(Clone, Debug, PartialEq)]
pub struct CodesReport {
    /// Share of codes that are 0.
    pub zeros: Vec<f32>,
    /// Share of codes that changed since the last look.
    pub flips: Vec<f32>,
    /// Mean scale over the mean scale before the first step.
    pub scale_drift: Vec<f32>,
}

/// Remembers the codes of the last look, so that flips can be counted; part of a checkpoint, so that
/// a resumed run writes the same log.
#[derive(Clone, Debug, PartialEq)]
pub struct CodesWatch {
    codes: Vec<i8>,           // every ternary matrix, in parameter order
    scale_at_start: Vec<f64>, // mean, per block
}

impl CodesWatch {
    /// Starts from freshly initialised parameters.
    pub fn new(params: &[Named]) -> CodesWatch {
        let look = Look::at(params);
        CodesWatch { scale_at_start: look.mean_scale(), codes: look.codes }
    }

    /// Looks, and remembers what it saw.
    pub fn look(&mut self, params: &[Named]) -> CodesReport {
        let look = Look::at(params);
        assert_eq!(look.codes.len(), self.codes.len(), "parameters changed shape");
        let mut zeros = vec![0u64; look.blocks.len()];
        let mut flips = zeros.clone();
        for &(block, start, end) in &look.spans {
            let (new, old) = (&look.codes[start..end], &self.codes[start..end]);
            zeros[block] += new.iter().filter(|&&t| t == 0).count() as u64;
            flips[block] += new.iter().zip(old).filter(|(a, b)| a != b).count() as u64;
        }
        let share = |counts: &[u64]| -> Vec<f32> {
            counts.iter().zip(&look.blocks).map(|(&n, b)| (n as f64 / b.codes.max(1) as f64) as f32).collect()
        };
        let mean_scale = look.mean_scale();
        let scale_drift = mean_scale.iter().zip(&self.scale_at_start);
        let report = CodesReport {
            zeros: share(&zeros),
            flips: share(&flips),
            scale_drift: scale_drift.map(|(now, start)| (now / start) as f32).collect(),
        };
        self.codes = look.codes;
        report
    }

    /// As two tensors of exact numbers for a checkpoint: the codes, and the scales.
    pub fn to_floats(&self) -> (Vec<f32>, Vec<f32>) {
        let codes = self
            .codes
            .chunks(CODES_PER_FLOAT)
            .map(|chunk| chunk.iter().rev().fold(0u32, |sum, &t| 3 * sum + (t + 1) as u32) as f32);
        // An f64 in three f32: each takes the leading 24 bits of what is left.
        let scales = self.scale_at_start.iter().flat_map(|&s| {
            let high = s as f32;
            let middle = (s - f64::from(high)) as f32;
            [high, middle, (s - f64::from(high) - f64::from(middle)) as f32]
        });
        (codes.collect(), scales.collect())
    }

    /// The inverse of [`CodesWatch::to_floats`]; `None` if the numbers are not such a memory of these parameters.
    pub fn from_floats(params: &[Named], codes: &[f32], scales: &[f32]) -> Option<CodesWatch> {
        let total: usize =
            params.iter().filter(|p| ternary_block(&p.name).is_some()).map(|p| p.data.len()).sum();
        if codes.len() != total.div_ceil(CODES_PER_FLOAT) || !scales.len().is_multiple_of(3) {
            return None;
        }
        let mut unpacked = Vec::with_capacity(codes.len() * CODES_PER_FLOAT);
        for &packed in codes {
            let mut rest = packed as u32; // saturates; NaN gives 0
            for _ in 0..CODES_PER_FLOAT {
                unpacked.push((rest % 3) as i8 - 1);
                rest /= 3;
            }
        }
        unpacked.truncate(total);
        let scale_at_start: Vec<f64> =
            scales.chunks_exact(3).map(|s| s.iter().map(|&part| f64::from(part)).sum()).collect();
        let watch = CodesWatch { codes: unpacked, scale_at_start };
        (watch.scale_at_start.len() == Look::at(params).blocks.len()).then_some(watch)
    }
}

/// Codes and scales of the ternary matrices now.
struct Look {
    codes: Vec<i8>,
    spans: Vec<(usize, usize, usize)>, // block, start and end in `codes`
    blocks: Vec<BlockSum>,
}

#[derive(Clone, Default)]
struct BlockSum {
    codes: usize,
    scale_sum: f64,
}

impl Look {
    fn at(params: &[Named]) -> Look {
        let mut look = Look { codes: Vec::new(), spans: Vec::new(), blocks: Vec::new() };
        for param in params {
            let Some(block) = ternary_block(&param.name) else { continue };
            if block >= look.blocks.len() {
                look.blocks.resize(block + 1, BlockSum::default());
            }
            let start = look.codes.len();
            look.codes.resize(start + param.data.len(), 0);
            let sum = &mut look.blocks[block];
            for (w, t) in param.data.chunks_exact(GROUP).zip(look.codes[start..].chunks_exact_mut(GROUP)) {
                sum.scale_sum += quantise_group(w, t).to_f64();
            }
            sum.codes += param.data.len();
            look.spans.push((block, start, look.codes.len()));
        }
        look
    }

    /// Per block.
    fn mean_scale(&self) -> Vec<f64> {
        self.blocks.iter().map(|b| b.scale_sum / (b.codes / GROUP).max(1) as f64).collect()
    }
}

/// `nats` over `bytes` of text, in bits per byte: comparable between tokenizers.
pub fn bits_per_byte(nats: f64, bytes: u64) -> f64 {
    nats / std::f64::consts::LN_2 / bytes.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(name: &str, shape: &[usize], data: &[f32]) -> Named {
        Named { name: name.into(), shape: shape.into(), data: data.into() }
    }

    fn ramp(n: usize, k: f32) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) * k).collect()
    }

    #[test]
    fn ternary_block_knows_matrices_from_the_rest() {
        assert_eq!(ternary_block("blk.12.ffn_down.weight"), Some(12));
        assert_eq!(ternary_block("blk.0.attn_norm.weight"), None);
        assert_eq!(ternary_block("blk.0.hc_attn_pre.weight"), None);
        assert_eq!(ternary_block("token_embd.weight"), None);
    }

    #[test]
    fn codes_watch_counts_flips_zeros_and_drift_per_block() {
        let (mut a, b, norm) = (ramp(256, 0.01), ramp(256, 0.02), vec![1.0; 128]);
        let shape = [2, 128];
        let mut watch = CodesWatch::new(&[
            param("blk.0.attn_q.weight", &shape, &a),
            param("blk.0.attn_norm.weight", &shape[1..], &norm),
            param("blk.1.ffn_up.weight", &shape, &b),
        ]);
        for w in &mut a[..128] {
            *w *= -2.0; // every non-zero code of one of the two groups flips, its scale doubles
        }
        let report = watch.look(&[
            param("blk.0.attn_q.weight", &shape, &a),
            param("blk.0.attn_norm.weight", &shape[1..], &norm),
            param("blk.1.ffn_up.weight", &shape, &b),
        ]);
        assert_eq!(report.zeros.len(), 2);
        let nonzero = 1.0 - report.zeros[0];
        assert!((report.flips[0] - nonzero / 2.0).abs() < 0.02, "{report:?}");
        assert_eq!(report.flips[1], 0.0);
        assert!((report.scale_drift[0] - 1.5).abs() < 0.02, "{report:?}");
        assert_eq!(report.scale_drift[1], 1.0);
    }

    #[test]
    fn codes_watch_survives_a_checkpoint() {
        let data = ramp(384, 0.013);
        let shape = [3, 128];
        let params =
            [param("blk.0.attn_q.weight", &shape, &data), param("blk.1.attn_q.weight", &shape, &data)];
        let watch = CodesWatch::new(&params);
        let (codes, scales) = watch.to_floats();
        assert_eq!(CodesWatch::from_floats(&params, &codes, &scales), Some(watch));
        assert_eq!(CodesWatch::from_floats(&params, &codes[1..], &scales), None);
        assert_eq!(CodesWatch::from_floats(&params, &codes, &scales[3..]), None);
    }

    #[test]
    fn bits_per_byte_of_a_coin_a_byte_is_one() {
        assert_eq!(bits_per_byte(100.0 * std::f64::consts::LN_2, 100), 1.0);
    }
}
