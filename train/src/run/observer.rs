//! What a run tells whoever watches it: a bar in a terminal, plain lines, a test. Showing is theirs;
//! nothing they do changes the run.

use std::path::Path;

use formats::run_log::{MetricLine, SampleLine};

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The run is ready to take its first step here.
    Outset(&'a Outset),
    /// A remark a person should read.
    Note(&'a str),
    /// Long work before the first step goes on.
    Preparing {
        /// What is being done, "learning tokens" say.
        what: &'a str,
        /// How much of that is done, 0 to 1.
        share: f64,
    },
    /// A step is done and written down, with a validation if one was due.
    Step(&'a MetricLine),
    /// The model wrote something.
    Sample(&'a SampleLine),
    /// A checkpoint is complete on disk.
    Saved {
        /// Steps it has behind it.
        step: u64,
        /// Its folder.
        path: &'a Path,
    },
}

/// The facts a run starts from.
#[derive(Clone, Debug)]
pub struct Outset {
    /// Steps already done: 0, or those of the checkpoint it continues.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Ids in the vocabulary.
    pub vocab: usize,
    /// Trained values.
    pub parameters: usize,
    /// Tokens of the training part.
    pub train_tokens: usize,
    /// Tokens of the validation part.
    pub validation_tokens: usize,
    /// Tokens a step.
    pub step_tokens: usize,
    /// Threads it computes on.
    pub threads: usize,
}

/// Watches a run. Called on the run's own thread: be quick.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: Event<'_>);
}

/// Watches nothing.
impl Observer for () {
    fn event(&mut self, _: Event<'_>) {}
}

/// The best validation so far.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Best {
    /// The step after which it was measured.
    pub step: u64,
    /// Validation bits per byte.
    pub bits_per_byte: f64,
}

/// Why [`super::Run::train`] came back without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Complete,
    /// There was nothing left to do.
    AlreadyComplete,
    /// It was told to stop, and saved.
    Interrupted,
    /// It reached the step it was told to pause after, and saved.
    Paused,
}

impl Outcome {
    /// The word for the log of events.
    pub(super) fn word(self) -> &'static str {
        match self {
            Outcome::Complete | Outcome::AlreadyComplete => "finished",
            Outcome::Interrupted => "interrupted",
            Outcome::Paused => "paused",
        }
    }
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Why it came back.
    pub outcome: Outcome,
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Tokens this call trained on.
    pub tokens: u64,
    /// Seconds this call spent in training steps.
    pub step_seconds: f64,
    /// Seconds this call took, validations, samples and checkpoints included.
    pub seconds: f64,
    /// The best validation of the run.
    pub best: Option<Best>,
}

impl Summary {
    /// Of a run that was complete already.
    pub(super) fn nothing_left(step: u64, best: Option<Best>) -> Summary {
        let outcome = Outcome::AlreadyComplete;
        Summary { outcome, step, steps: step, tokens: 0, step_seconds: 0.0, seconds: 0.0, best }
    }
}
