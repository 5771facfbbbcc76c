//! What the first card's process and another card's tell each other.

use model::tensors::TensorId;
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
    Step { step: u64, muon: f32, adam: f32, tokens: Vec<u32>, targets: Vec<u32> },
    /// To find gradients, and leave everything as it is.
    Gradients { step: u64, tokens: Vec<u32>, targets: Vec<u32> },
    /// To score a batch.
    Evaluate { tokens: Vec<u32>, targets: Vec<u32> },
    /// To take a part of a parameter from the first card.
    Copy { parameter: usize, part: u8 },
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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

impl Call {
    /// Of a step.
    pub fn step(step: u64, batch: &Batch, rates: Rates) -> Call {
        let (tokens, targets) = (batch.tokens.clone(), batch.targets.clone());
        Call::Step { step, muon: rates.muon, adam: rates.adam, tokens, targets }
    }

    /// Of a copy.
    pub fn copy(p: TensorId, part: Part) -> Call {
        let part = Part::ALL.iter().position(|&one| one == part).expect("it is one of all");
        Call::Copy { parameter: p.0, part: part as u8 }
    }
}

impl Answer {
    /// Of a look. Flips are left out: what they count from is the first card's to remember.
    pub fn codes(counts: &[CodesCount]) -> Answer {
        let (zeros, scales) = counts.iter().map(|count| (count.zeros, count.scale_sum)).unzip();
        Answer::Codes { zeros, scales }
    }

    /// Whether two cards counted the same.
    pub fn is_same_count(&self, other: &Answer) -> bool {
        match (self, other) {
            (Answer::Codes { zeros, scales }, Answer::Codes { zeros: z, scales: s }) => {
                zeros == z && scales == s
            }
            _ => false,
        }
    }
}
