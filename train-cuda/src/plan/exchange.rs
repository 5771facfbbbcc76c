//! When gradients are added up over several cards: as soon as no later op of the last pass adds to them, while the ops before go on;
//! enough at a time that a sum is worth its start.

use std::ops::Range;

use model::tensors::TensorId;
use train::program::{Op, Program};

use super::{Arenas, Place};

/// Values of a sum, at least: 16 MiB.
const WORTH_IT: usize = 4 << 20;

/// A sum over the cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The op of the way back behind which it can begin.
    pub after: usize,
    /// Gradients of ternary matrices.
    pub ternary: Vec<Range<usize>>,
    /// Gradients of everything else.
    pub dense: Vec<Range<usize>>,
}

/// The sums of a step, in order, over the gradients of all parameters.
pub fn exchanges(program: &Program, arenas: &Arenas) -> Vec<Exchange> {
    let mut last = vec![0; program.params.len()];
    for (at, op) in program.backward.iter().enumerate() {
        for p in adds_to(op) {
            last[p.0] = at;
        }
    }
    let mut order: Vec<usize> = (0..last.len()).collect();
    order.sort_by_key(|&p| last[p]);
    let (mut all, mut bucket, mut values) = (Vec::new(), Vec::new(), 0);
    for (i, &p) in order.iter().enumerate() {
        bucket.push(TensorId(p));
        values += program.params[p].len();
        let next = order.get(i + 1).map(|&next| last[next]);
        if next.is_none() || values >= WORTH_IT && next != Some(last[p]) {
            all.push(exchange(last[p], &bucket, arenas));
            (bucket, values) = (Vec::new(), 0);
        }
    }
    all
}

fn exchange(after: usize, bucket: &[TensorId], arenas: &Arenas) -> Exchange {
    let (mut ternary, mut dense) = (Vec::new(), Vec::new());
    for &p in bucket {
        match arenas.place(p) {
            Place::Ternary(range) => ternary.push(range.clone()),
            Place::Dense(range) => dense.push(range.clone()),
        }
    }
    Exchange { after, ternary: joined(ternary), dense: joined(dense) }
}

/// Neighbours as one.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut out: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match out.last_mut() {
            Some(before) if before.end == range.start => before.end = range.end,
            _ => out.push(range),
        }
    }
    out
}

/// Parameters to whose gradients an op of the way back adds.
fn adds_to(op: &Op) -> Vec<TensorId> {
    match *op {
        Op::EmbedBackward { table, .. } => vec![table],
        Op::HyperReadBackward { connection: Some(connection), .. } => {
            let hyper = connection.weights;
            [hyper.weight, hyper.bias, hyper.alpha].concat()
        }
        Op::NormQuantiseBackward { gain, .. } | Op::NormRopeBackward { gain, .. } => {
            gain.into_iter().collect()
        }
        Op::BitLinearBackward { weight, .. } => vec![weight],
        Op::FinalNormBackward { gain, .. } => vec![gain],
        _ => Vec::new(),
    }
}
