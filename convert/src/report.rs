//! What became of a model: each tensor, and how far its weights moved.

use crate::part::Part;

/// See the top of this file.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The tensors, in the order of the new file.
    pub tensors: Vec<Done>,
}

/// A tensor of the new file.
#[derive(Clone, Debug)]
pub struct Done {
    /// What it is to the model.
    pub part: Part,
    /// How its weights were kept.
    pub from: &'static str,
    /// The type they have now.
    pub to: &'static str,
    /// How many there are.
    pub weights: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How far they moved: the root of the mean square of that, over the same of the weights. 0 where every weight is what it was.
    pub moved: f64,
}

/// Tensors of one part that went from one type to another.
#[derive(Clone, Debug)]
pub struct Kind {
    /// What is true of all of them; counts are sums, and `moved` is that of the tensor whose weights moved farthest.
    pub all: Done,
    /// How many there are.
    pub tensors: usize,
}

impl Report {
    /// The tensors by kind, in order of their first.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = Vec::new();
        for done in &self.tensors {
            let same = |kind: &&mut Kind| {
                (kind.all.part, kind.all.from, kind.all.to) == (done.part, done.from, done.to)
            };
            match kinds.iter_mut().find(same) {
                None => kinds.push(Kind { all: done.clone(), tensors: 1 }),
                Some(Kind { all, tensors }) => {
                    all.weights += done.weights;
                    all.bytes += done.bytes;
                    all.moved = all.moved.max(done.moved);
                    *tensors += 1;
                }
            }
        }
        kinds
    }

    /// Bits of a weight of a linear layer, on average; `None` where there is none.
    pub fn matrix_bits(&self) -> Option<f64> {
        let matrices = || self.tensors.iter().filter(|done| done.part == Part::Matrix);
        let weights: u64 = matrices().map(|done| done.weights).sum();
        let bytes: u64 = matrices().map(|done| done.bytes).sum();
        (weights > 0).then(|| 8.0 * bytes as f64 / weights as f64)
    }
}
