//! What only ternary training has to report: how many codes are zero, how many flipped since the last
//! look, how far the scales drifted. Counting is the device's, losses are the trainer's; writing things down is the run's.

use formats::ternary::GROUP;

use crate::backend::CodesCount;
use model::tensors::{TensorKind, TensorSpec};

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

/// Makes reports of looks. With the codes that the device remembers it is part of a checkpoint, so that a resumed run writes the same
/// log.
#[derive(Clone, Debug, PartialEq)]
pub struct CodesWatch {
    matrices: Vec<(usize, usize)>, // block and codes of every ternary matrix, in parameter order
    scale_at_start: Vec<f64>,      // mean, per block
}

impl CodesWatch {
    /// Starts from the look at freshly initialised parameters.
    pub fn new(specs: &[TensorSpec], first: &[CodesCount]) -> CodesWatch {
        let mut watch = CodesWatch { matrices: matrices(specs), scale_at_start: Vec::new() };
        watch.scale_at_start = watch.per_block(first).iter().map(Block::mean_scale).collect();
        watch
    }

    /// What a look has seen.
    pub fn report(&self, look: &[CodesCount]) -> CodesReport {
        let blocks = self.per_block(look);
        let share = |n: u64, block: &Block| (n as f64 / block.codes.max(1) as f64) as f32;
        CodesReport {
            zeros: blocks.iter().map(|b| share(b.count.zeros, b)).collect(),
            flips: blocks.iter().map(|b| share(b.count.flips, b)).collect(),
            scale_drift: blocks
                .iter()
                .zip(&self.scale_at_start)
                .map(|(b, start)| (b.mean_scale() / start) as f32)
                .collect(),
        }
    }

    /// The scales at the start as exact numbers for a checkpoint: an f64 in three f32, each of which takes the leading 24 bits of
    /// what is left.
    pub fn to_floats(&self) -> Vec<f32> {
        let scales = self.scale_at_start.iter().flat_map(|&s| {
            let high = s as f32;
            let middle = (s - f64::from(high)) as f32;
            [high, middle, (s - f64::from(high) - f64::from(middle)) as f32]
        });
        scales.collect()
    }

    /// The inverse of [`CodesWatch::to_floats`]; `None` if there are not as many numbers as these parameters have.
    pub fn from_floats(specs: &[TensorSpec], scales: &[f32]) -> Option<CodesWatch> {
        let (triples, []) = scales.as_chunks::<3>() else { return None };
        let scale_at_start = triples.iter().map(|s| s.iter().map(|&part| f64::from(part)).sum()).collect();
        let watch = CodesWatch { matrices: matrices(specs), scale_at_start };
        (watch.scale_at_start.len() == watch.blocks()).then_some(watch)
    }

    fn blocks(&self) -> usize {
        self.matrices.iter().map(|&(block, _)| block + 1).max().unwrap_or(0)
    }

    fn per_block(&self, look: &[CodesCount]) -> Vec<Block> {
        assert_eq!(look.len(), self.matrices.len(), "a count for each ternary matrix");
        let mut blocks = vec![Block::default(); self.blocks()];
        for (&(block, codes), count) in self.matrices.iter().zip(look) {
            let Block { codes: all, count: sum } = &mut blocks[block];
            *all += codes;
            sum.zeros += count.zeros;
            sum.flips += count.flips;
            sum.scale_sum += count.scale_sum;
        }
        blocks
    }
}

/// All matrices of a block.
#[derive(Clone, Default)]
struct Block {
    codes: usize,
    count: CodesCount,
}

impl Block {
    fn mean_scale(&self) -> f64 {
        self.count.scale_sum / (self.codes / GROUP).max(1) as f64
    }
}

fn matrices(specs: &[TensorSpec]) -> Vec<(usize, usize)> {
    let ternary = specs.iter().filter(|s| matches!(s.kind, TensorKind::Ternary { .. }));
    ternary.map(|s| (ternary_block(&s.name).expect("matrices belong to a block"), s.len())).collect()
}

/// `nats` over `bytes` of text, in bits per byte: comparable between tokenizers.
pub fn bits_per_byte(nats: f64, bytes: u64) -> f64 {
    nats / std::f64::consts::LN_2 / bytes.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::look::look as count;
    use model::tensors::{Init, Role};

    /// A parameter of two rows, ternary if its name says so.
    fn spec(name: &str, cols: usize) -> TensorSpec {
        let kind = match ternary_block(name) {
            Some(_) => TensorKind::Ternary { rows: 2, cols },
            None => TensorKind::Plain(Role::Gain),
        };
        TensorSpec { name: name.into(), shape: vec![2, cols], kind, init: Init::Constant(0.0) }
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
        let (mut a, b) = (ramp(256, 0.01), ramp(256, 0.02));
        let specs =
            ["blk.0.attn_q.weight", "blk.0.attn_norm.weight", "blk.1.ffn_up.weight"].map(|n| spec(n, 128));
        let mut remembered = [[0; 256]; 2];
        let mut look =
            |a: &[f32]| [a, &b].iter().zip(&mut remembered).map(|(w, r)| count(w, r)).collect::<Vec<_>>();
        let watch = CodesWatch::new(&specs, &look(&a));
        for w in &mut a[..128] {
            *w *= -2.0; // every non-zero code of one of the two groups flips, its scale doubles
        }
        let report = watch.report(&look(&a));
        assert_eq!(report.zeros.len(), 2);
        let nonzero = 1.0 - report.zeros[0];
        assert!((report.flips[0] - nonzero / 2.0).abs() < 0.02, "{report:?}");
        assert_eq!(report.flips[1], 0.0);
        assert!((report.scale_drift[0] - 1.5).abs() < 0.02, "{report:?}");
        assert_eq!(report.scale_drift[1], 1.0);
    }

    #[test]
    fn codes_watch_survives_a_checkpoint() {
        let specs = ["blk.0.attn_q.weight", "blk.1.attn_q.weight"].map(|n| spec(n, 128));
        let look = [0.013, 0.7].map(|k| count(&ramp(256, k), &mut [0; 256]));
        let watch = CodesWatch::new(&specs, &look);
        let scales = watch.to_floats();
        assert_eq!(CodesWatch::from_floats(&specs, &scales), Some(watch));
        assert_eq!(CodesWatch::from_floats(&specs, &scales[3..]), None);
        assert_eq!(CodesWatch::from_floats(&specs, &scales[1..]), None);
    }

    #[test]
    fn bits_per_byte_of_a_coin_a_byte_is_one() {
        assert_eq!(bits_per_byte(100.0 * std::f64::consts::LN_2, 100), 1.0);
    }
}
