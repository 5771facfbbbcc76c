//! What the first card's process and another card's tell each other.

use serde::{Deserialize, Serialize};
use train::backend::{CodesCount, Part, Rates};
use train::batch::Batch;

/// What another card is asked to do. It does the same as the first one, at the same place in the order of all steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Call {
    /// To prepare: which program, and which share of it.
    Prepare(Prepare),
    /// To take its memory, for so many sequences at a time.
    Take { sequences: usize },
    /// To meet the others at a [`MeetingPoint`](crate::driver::MeetingPoint).
    Meet { point: Vec<u8> },
    /// To begin a step.
    Step { step: u64, batch: Batch, rates: Rates },
    /// To find gradients, and leave everything as it is.
    Gradients { step: u64, batch: Batch },
    /// To score a batch.
    Evaluate { batch: Batch },
    /// To take a part of a parameter, by its number, from the first card.
    Copy { parameter: usize, part: Part },
    /// To count codes.
    Look,
    /// To have done everything it was told.
    Settle,
    /// To end: the run has.
    End,
    /// To end: something went wrong, in words.
    Lost { problem: String },
}

/// A program, in words that another process builds the same from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prepare {
    /// The run's configuration, as its file spells it.
    pub config: String,
    /// Ids of the vocabulary.
    pub vocab: usize,
    /// Which of the cards this is.
    pub rank: usize,
    /// How many there are.
    pub cards: usize,
}

/// What another card answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// It would take so many sequences at a time.
    Fits { card: String, capability: (i32, i32), sequences: usize },
    /// It has its memory and its kernels, or has done everything.
    Ready,
    /// What it counted: zeros, and the sum of the scales, of each matrix.
    Codes { zeros: Vec<u64>, scales: Vec<f64> },
    /// It failed, in words.
    Failed { problem: String },
}

impl Answer {
    /// Of a look. Flips are left out: what they count from is the first card's to remember.
    pub fn codes(counts: &[CodesCount]) -> Answer {
        let (zeros, scales) = counts.iter().map(|count| (count.zeros, count.scale_sum)).unzip();
        Answer::Codes { zeros, scales }
    }
}
