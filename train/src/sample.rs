//! What the model writes at this moment of its training: the weights become a file in memory, and whoever runs files for the user
//! writes with it, so a sample is what a user of the file would read. The trainer itself runs no model.

use formats::gguf::Gguf;
use formats::tokenizer::Tokenizer;
use model::config::ModelConfig;

use crate::error::{Error, Result};
use crate::export::{ExportType, Provenance, to_gguf};
use crate::trainer::Named;

/// Temperature of samples.
pub const TEMPERATURE: f32 = 0.8;

/// What is to be written with a model, by token ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What to continue: at least one id, at most half a context.
    pub prompt: Vec<u32>,
    /// How many ids.
    pub max_tokens: usize,
    /// Temperature of the draws; nothing else narrows them.
    pub temperature: f32,
    /// Seed of the draws.
    pub seed: u64,
    /// Ids that end the text.
    pub stop: Vec<u32>,
}

/// Writes with a model file: the ids that follow the prompt, or why there are none. It may take all the time it needs and one
/// thread, since the trainer's are idle meanwhile.
pub type Write = fn(&Gguf, &Request) -> std::result::Result<Vec<u32>, String>;

/// What a run asks for.
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
/// A parameter that is not finite; whatever `write` refuses.
pub fn sample(
    config: &ModelConfig,
    params: impl IntoIterator<Item = Result<Named>>,
    tokenizer: &Tokenizer,
    settings: &Settings<'_>,
    write: Write,
) -> Result<String> {
    let (file, _) = to_gguf(config, params, tokenizer, &Provenance::default(), ExportType::Q1_58)?;
    let file = Gguf::parse(file.to_bytes()?, "the model in training")?;
    let mut prompt = match (settings.prompt, tokenizer.eos().filter(|_| settings.documents)) {
        ("", Some(end)) => vec![end],
        ("", None) => tokenizer.encode("\n"),
        (text, _) => tokenizer.encode(text),
    };
    prompt.drain(..prompt.len().saturating_sub(config.context.div_ceil(2)));
    let request = Request {
        prompt,
        max_tokens: settings.tokens,
        temperature: TEMPERATURE,
        seed: settings.seed,
        stop: tokenizer.eos().into_iter().collect(),
    };
    let ids = write(&file, &request).map_err(|problem| Error::Sample { problem })?;
    Ok(tokenizer.decode(&ids))
}
