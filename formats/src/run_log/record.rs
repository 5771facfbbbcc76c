//! What a line of each log says. Readers take what they know: a field that is missing has its default, one that they do not know is
//! passed over.

use serde::{Deserialize, Deserializer, Serialize};

/// One step's numbers. Absent values were not measured at that step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricLine {
    /// Steps done, this one included.
    pub step: u64,
    /// Training tokens seen, this step's included.
    pub tokens: u64,
    /// Training cross-entropy of this step's batch, nats a token. The trainer stops before it logs one that is not finite; what others
    /// wrote as null is read as NaN, and NaN is written as null.
    #[serde(deserialize_with = "nan_from_null")]
    pub loss: f64,
    /// The same as bits per byte of the text that the batch's targets stand for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_byte: Option<f64>,
    /// Cross-entropy of the whole validation part, nats a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// The same as bits per byte of that text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_bits_per_byte: Option<f64>,
    /// Learning rate of the ternary matrices in this step, Muon's or AdamW's, the schedule applied.
    #[serde(deserialize_with = "nan_from_null")]
    pub lr: f64,
    /// Learning rate of everything else in this step, AdamW's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_adam: Option<f64>,
    /// L2 norm of the gradient of all parameters, before clipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f64>,
    /// Training speed of this step: validation, samples and checkpoints take no part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_sec: Option<f64>,
    /// Seconds in training steps behind it, of all the sessions that led here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Share of zero codes, of all ternary matrices of a block together; a value a block, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zeros: Vec<f32>,
    /// Likewise: share of codes that changed since the last look at them, or since the run began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flips: Vec<f32>,
    /// Likewise: mean scale now over mean scale before the first step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scale_drift: Vec<f32>,
}

/// A text the model wrote while it was trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleLine {
    /// Steps done.
    pub step: u64,
    /// What it was given to go on with.
    pub prompt: String,
    /// What it wrote behind that.
    pub text: String,
    /// Sampling temperature; 0 is greedy.
    pub temperature: f32,
    /// Sampling seed.
    pub seed: u64,
}

/// Something that happened to the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventLine {
    /// Steps done.
    pub step: u64,
    /// Seconds since 1970 (UTC).
    pub unix_seconds: u64,
    /// What, in a word. A session begins with `started`, `branched` (from another run) or `resumed`, after which each damaged checkpoint is
    /// `skipped`; somebody has it `held`, `released` or `saved`; it ends as `finished`, `interrupted`, `paused` or `failed`. Checkpoints
    /// that are due anyway and samples are no events.
    pub event: String,
    /// What it began from, what was wrong; empty where the word says all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

fn nan_from_null<'de, D: Deserializer<'de>>(d: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(d)?.unwrap_or(f64::NAN))
}
