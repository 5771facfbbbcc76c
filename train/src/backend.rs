//! What a device must do to train: hold parameters and what the optimiser remembers, and run a program over batches. Steps are
//! submitted and collected some steps later, so that a device never waits for its host; what crosses this border is token ids in,
//! losses out, and one array of a parameter at a time.

use half::f16;
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::error::Result;
use crate::optim::Matrices;
use crate::program::Program;
use model::tensors::{TensorId, TensorKind};

/// Learning rates of one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Of the ternary matrices.
    pub muon: f32,
    /// Of everything else.
    pub adam: f32,
}

/// What a step reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Mean cross-entropy of the batch before the update, nats per token.
    pub loss: f64,
    /// L2 norm of the whole gradient, before clipping.
    pub grad_norm: f64,
    /// One of the two is not finite, and the device left everything as it was, to the bit.
    pub skipped: bool,
}

/// An array that belongs to a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// What the optimiser moves.
    Latent,
    /// Momentum, or the running mean of gradients.
    First,
    /// Running mean of squared gradients; Muon keeps none.
    Second,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 3] = [Part::Latent, Part::First, Part::Second];
}

impl Program {
    /// How many values a parameter has of a part: none where its optimiser remembers nothing of the kind.
    pub fn part_len(&self, p: TensorId, part: Part) -> usize {
        let spec = &self.params[p.0];
        let muon = self.recipe.optimiser.matrices == Matrices::Muon;
        match (part, spec.kind) {
            (Part::Second, TensorKind::Ternary { .. }) if muon => 0,
            _ => spec.len(),
        }
    }
}

/// A look at the codes of one ternary matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CodesCount {
    /// Codes that are 0.
    pub zeros: u64,
    /// Codes that are not what they were at the look before.
    pub flips: u64,
    /// Sum of the groups' scales. Each is a multiple of 2^-24, so the sum is exact and has no order.
    pub scale_sum: f64,
}

/// A training device that holds one program, which was given to it when it was made. All calls work on the state after every
/// step that was submitted before them; all but [`submit`](Backend::submit) and [`collect`](Backend::collect) come only when no step
/// is left to collect. An error means that the device is lost and the state with it.
pub trait Backend: Send {
    /// How many steps may be submitted and not collected while another is submitted. 0: each is collected before the next.
    fn lag(&self) -> usize;

    /// Begins one optimiser step, counted from 0: prepare, forward, backward, update. Does not keep the batch; a device with a lag does
    /// not wait for the step, one without may compute it here.
    /// Where its loss or gradient norm is not finite, the device leaves out the update, and this step has changed nothing.
    ///
    /// # Errors
    /// The device failed.
    fn submit(&mut self, step: u64, batch: &Batch, rates: Rates) -> Result<()>;

    /// What the oldest step reports that was submitted and not collected, once it is done; `None` if there is none.
    ///
    /// # Errors
    /// The device failed.
    fn collect(&mut self) -> Result<Option<StepReport>>;

    /// Cross-entropy in nats of every token into `nats`, 0 where it is not scored; without dropout and without touching anything that
    /// trains.
    ///
    /// # Errors
    /// The device failed.
    fn evaluate(&mut self, batch: &Batch, nats: &mut [f32]) -> Result<()>;

    /// Copies a part of a parameter out; `out` has [`Program::part_len`] values.
    ///
    /// # Errors
    /// The device failed.
    fn read(&mut self, p: TensorId, part: Part, out: &mut [f32]) -> Result<()>;

    /// Replaces a part of a parameter by as many values as it has.
    ///
    /// # Errors
    /// The device failed.
    fn write(&mut self, p: TensorId, part: Part, values: &[f32]) -> Result<()>;

    /// Counts the codes that the next forward pass will use (of a float network: would use), a line for each ternary matrix in order,
    /// and remembers them until the next look. Before the first look all codes that it remembers are 0.
    ///
    /// # Errors
    /// The device failed.
    fn look(&mut self) -> Result<Vec<CodesCount>>;

    /// Copies out the codes that the last look remembered of a ternary matrix, row-major.
    ///
    /// # Errors
    /// The device failed.
    fn remembered(&mut self, p: TensorId, codes: &mut [i8]) -> Result<()>;

    /// Remembers these codes of a ternary matrix as if the last look had seen them.
    ///
    /// # Errors
    /// The device failed.
    fn remember(&mut self, p: TensorId, codes: &[i8]) -> Result<()>;
}

/// Codes of a ternary matrix, row-major, and its scales, one a group.
pub type Codes = (Vec<i8>, Vec<f16>);

/// What tests ask of a device, to hold it against another one or against the mathematics.
pub trait Probe: Backend {
    /// Mean loss and the gradient of every parameter, as a step would use them, without the update.
    ///
    /// # Errors
    /// The device failed.
    fn gradients(&mut self, step: u64, batch: &Batch) -> Result<(f64, Vec<Vec<f32>>)>;

    /// Logits of every token (tokens x vocabulary) and the streams after the last block (tokens x n d), without dropout.
    ///
    /// # Errors
    /// The device failed.
    fn logits(&mut self, batch: &Batch) -> Result<(Vec<f32>, Vec<f32>)>;

    /// Codes and scales of a ternary matrix as the next forward pass will use them; `None` for what is not ternary.
    ///
    /// # Errors
    /// The device failed.
    fn codes(&mut self, p: TensorId) -> Result<Option<Codes>>;
}
