//! What the model writes at this moment of its training: the weights are exported in memory and run by the same code that
//! serves them, so a sample is what a user of the file would read.

use std::ops::ControlFlow;

use formats::gguf::Gguf;
use formats::tokenizer::Tokenizer;
use runtime::config::ModelConfig;
use runtime::generate::{Event, GenerateRequest, WhenFull, generate};
use runtime::sampler::Sampling;
use runtime::{Model, Session};

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
    /// Whether the model learns documents: an empty prompt is then the end of one.
    pub documents: bool,
}

/// Continues a prompt with the model that `params` would make, until it ends the text. An empty prompt begins a document, or else
/// after a line break; one longer than half the context loses its beginning.
///
/// # Errors
/// A parameter that is not finite; whatever the runtime refuses.
pub fn write(
    config: &ModelConfig,
    params: &[Named],
    tokenizer: &Tokenizer,
    settings: &Settings<'_>,
) -> Result<String> {
    let (file, _) = to_gguf(config, params, tokenizer, &Provenance::default(), ExportType::Q1_58)?;
    let model = Model::from_gguf(&Gguf::parse(file.to_bytes()?, "the model in training")?)?;
    let mut prompt = match (settings.prompt, tokenizer.eos().filter(|_| settings.documents)) {
        ("", Some(end)) => vec![end],
        ("", None) => tokenizer.encode("\n"),
        (text, _) => tokenizer.encode(text),
    };
    prompt.drain(..prompt.len().saturating_sub(config.context.div_ceil(2)));
    let request = GenerateRequest {
        prompt,
        max_tokens: settings.tokens,
        sampling: Sampling { temperature: TEMPERATURE, seed: settings.seed, ..Sampling::default() },
        stop: tokenizer.eos().into_iter().collect(),
        when_full: WhenFull::Slide,
        log_probs: None,
    };
    // One thread is enough for a hundred tokens, and the trainer's are idle meanwhile.
    let mut session = Session::with_threads(&model, config.context, 1)?;
    let mut ids = Vec::new();
    generate(&mut session, &request, &mut |event| {
        if let Event::Token { id, .. } = event {
            ids.push(id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(tokenizer.decode(&ids))
}
