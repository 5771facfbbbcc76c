//! Cross-entropy of the head's softmax and its gradient, a block of tokens at a time: the logits of a block
//! stay in cache and are turned into their own gradient in place.

use cpu::Kernels;
use cpu::ops::exp;

use crate::cpu::kernels::gemm::gemm;

/// A target that is not scored.
pub const IGNORED: u32 = u32::MAX;

/// Floats of logits held at once, 8 MiB.
const LOGITS_MAX: usize = 2 << 20;
/// Fewer tokens than this would make the dense products inefficient.
const TOKENS_MIN: usize = 64;

/// `nats[i] = -ln softmax(table y_i)[target_i]`, zero for ignored targets.
///
/// With `gradient = (scale, d_y, d_table)`: `d_y` is overwritten and `d_table` added to, both for the sum of nats times `scale`.
pub(crate) fn cross_entropy(
    kn: &Kernels,
    table: &[f32],
    width: usize,
    y: &[f32],
    targets: &[u32],
    nats: &mut [f32],
    mut gradient: Option<(f32, &mut [f32], &mut [f32])>,
    logits: &mut Vec<f32>,
) {
    let vocab = table.len() / width;
    let block = (LOGITS_MAX / vocab).max(TOKENS_MIN).min(targets.len().max(1));
    logits.resize(block * vocab, 0.0);
    for first in (0..targets.len()).step_by(block) {
        let tokens = block.min(targets.len() - first);
        let at = first * width..(first + tokens) * width;
        let y = &y[at.clone()];
        let logits = &mut logits[..tokens * vocab];
        gemm(tokens, vocab, width, 1.0, y, (width, 1), table, (1, width), 0.0, logits, (vocab, 1));
        let scale = gradient.as_ref().map_or(0.0, |g| g.0);
        let rows = logits.chunks_exact_mut(vocab).zip(&targets[first..]).zip(&mut nats[first..]);
        for ((logits, &target), nats) in rows {
            *nats = kn.vectorise(|| row(logits, target, scale));
        }
        if let Some((_, d_y, d_table)) = &mut gradient {
            let d_y = &mut d_y[at];
            gemm(tokens, width, vocab, 1.0, logits, (vocab, 1), table, (width, 1), 0.0, d_y, (width, 1));
            gemm(vocab, width, tokens, 1.0, logits, (1, vocab), y, (width, 1), 1.0, d_table, (width, 1));
        }
    }
}

/// One token: returns its nats and turns its logits into `scale * (softmax - one_hot)`.
#[inline(always)]
fn row(logits: &mut [f32], target: u32, scale: f32) -> f32 {
    if target == IGNORED {
        logits.fill(0.0);
        return 0.0;
    }
    let mut lanes = [f32::NEG_INFINITY; 8];
    let (chunks, tail) = logits.as_chunks::<8>();
    for c in chunks {
        for i in 0..8 {
            lanes[i] = lanes[i].max(c[i]);
        }
    }
    let max = lanes.iter().chain(tail).fold(f32::NEG_INFINITY, |m, &v| m.max(v));
    let at_target = logits[target as usize] - max;
    let mut lanes = [0.0f32; 8];
    let (chunks, tail) = logits.as_chunks_mut::<8>();
    for c in chunks {
        for i in 0..8 {
            c[i] = exp(c[i] - max);
            lanes[i] += c[i];
        }
    }
    for (i, p) in tail.iter_mut().enumerate() {
        *p = exp(*p - max);
        lanes[i] += *p;
    }
    let sum = formats::ternary::fold_lanes(lanes);
    let factor = scale / sum;
    for p in logits.iter_mut() {
        *p *= factor;
    }
    logits[target as usize] -= scale;
    sum.ln() - at_target
}
