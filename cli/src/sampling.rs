//! The flags that say how tokens are chosen, shared by everything that writes text.

use std::time::{SystemTime, UNIX_EPOCH};

use runtime::sampler::Sampling;

use crate::exit::usage;

/// Sampling flags. What is not given comes from the model file, or is our default.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Always take the most likely token; the same as --temperature 0
    #[arg(long, conflicts_with = "temperature")]
    pub greedy: bool,
    /// Flattens (above 1) or sharpens (below 1) the choice, 0 to 100
    #[arg(long, value_name = "T")]
    pub temperature: Option<f32>,
    /// Choose among the K most likely; 0 for all
    #[arg(long, value_name = "K")]
    pub top_k: Option<usize>,
    /// Choose among the most likely that together have probability P
    #[arg(long, value_name = "P")]
    pub top_p: Option<f32>,
    /// Drop those less likely than P times the most likely
    #[arg(long, value_name = "P")]
    pub min_p: Option<f32>,
    /// Make recent tokens less likely; 1 does nothing
    #[arg(long, value_name = "R")]
    pub repeat_penalty: Option<f32>,
    /// Make recent tokens less likely, however often they are there; 0 does nothing, -2 to 2
    #[arg(long, value_name = "R")]
    pub presence_penalty: Option<f32>,
    /// Make recent tokens less likely each time they are there; 0 does nothing, -2 to 2
    #[arg(long, value_name = "R")]
    pub frequency_penalty: Option<f32>,
    /// How many tokens are recent
    #[arg(long, value_name = "N")]
    pub repeat_window: Option<usize>,
    /// The same seed writes the same text; taken from the clock if absent
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
}

impl SamplingArgs {
    /// The flags over the model's defaults.
    pub fn resolve(&self, defaults: Sampling) -> anyhow::Result<Sampling> {
        let sampling = Sampling {
            temperature: if self.greedy { 0.0 } else { self.temperature.unwrap_or(defaults.temperature) },
            top_k: self.top_k.unwrap_or(defaults.top_k),
            top_p: self.top_p.unwrap_or(defaults.top_p),
            min_p: self.min_p.unwrap_or(defaults.min_p),
            repetition_penalty: self.repeat_penalty.unwrap_or(defaults.repetition_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(defaults.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(defaults.frequency_penalty),
            repetition_window: self.repeat_window.unwrap_or(defaults.repetition_window),
            seed: self.seed.unwrap_or_else(clock_seed),
        };
        sampling.validate().map_err(|e| usage(e.to_string()))?;
        Ok(sampling)
    }
}

/// A seed that is new every time and short enough to type again.
fn clock_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() as u64 ^ u64::from(std::process::id()) << 20) % 1_000_000
}
