//! What a step reads: token ids and what should follow each. How many is the recipe's to say, which ids the data's.

use serde::{Deserialize, Serialize};

pub use crate::cpu::IGNORED;

/// Sequences to train on, or to score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Inputs, (sequences, tokens) row-major.
    pub tokens: Vec<u32>,
    /// For each input the id that follows it; one that is [`IGNORED`] is not scored.
    pub targets: Vec<u32>,
}

impl Batch {
    /// Tokens that are scored.
    pub fn scored(&self) -> usize {
        self.targets.iter().filter(|&&t| t != IGNORED).count()
    }
}
