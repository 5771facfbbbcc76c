//! What the model writes at this moment of its training: the weights are exported in memory and run by the same code that
//! serves them, so a sample is what a user of the file would read.

use formats::tokenizer::Tokenizer;
use runtime::config::ModelConfig;

use crate::error::Result;
use crate::export::{ExportType, Provenance, to_gguf};
use crate::trainer::Named;

/// Temperature of samples.
pub const TEMPERATURE: f32 = 0.8;

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// What to continue.
    pub prompt: &'a str,
    /// How many tokens.
    pub tokens: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// Continues a prompt with the model that `params` would make.
///
/// # Errors
/// A parameter that is not finite; whatever the runtime refuses.
pub fn write(
    config: &ModelConfig,
    params: &[Named],
    tokenizer: &Tokenizer,
    settings: &Settings<'_>,
) -> Result<String> {
    let provenance = Provenance::default();
    let (file, _) = to_gguf(config, params, tokenizer, &provenance, ExportType::Q1_58)?;
    let bytes = file.to_bytes()?;
    Ok(format!("{} {} {}", bytes.len(), settings.prompt, settings.seed))
}
