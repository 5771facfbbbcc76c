//! `/v1/completions`: texts that are continued, or scored.

use serde_json::{Value, json};

use super::fields::{Fields, wrong};
use super::refusal::Refusal;
use super::settings::{LIKELIEST_MAX, max_tokens, token};

/// Tokens of an answer where nothing is said: OpenAI's number.
const TOKENS_USUAL: usize = 16;
/// Most texts of a request.
const PROMPTS_MAX: usize = 2048;

/// The text that is to be continued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// In words.
    Text(String),
    /// In ids.
    Ids(Vec<u32>),
}

/// What such a request says beside how to write.
#[derive(Clone, Debug)]
pub struct CompletionRequest {
    /// The texts.
    pub prompts: Vec<Prompt>,
    /// Most tokens of an answer.
    pub max_tokens: usize,
    /// The answer begins with the prompt.
    pub echo: bool,
    /// How many of the likeliest tokens are told of in each place; `None` for no log-probabilities at all.
    pub log_probs: Option<usize>,
}

impl CompletionRequest {
    /// From its fields, for a model of so many ids.
    ///
    /// # Errors
    /// A field of another type or out of its range, or one that asks for what is not done here.
    pub fn read(fields: &Fields, answers: usize, vocab: usize) -> Result<CompletionRequest, Refusal> {
        fields.refuse_unless("suffix", &[json!("")], "a text cannot be filled in between two others")?;
        let best_of = fields.count("best_of", 1..=usize::MAX)?;
        if best_of.is_some_and(|best_of| best_of != answers) {
            let message = "answers cannot be chosen from more than are asked for; `best_of` must be `n`";
            return Err(Refusal::unsupported("best_of", message));
        }
        let prompts = prompts(fields, vocab)?;
        if prompts.len() * answers > PROMPTS_MAX {
            let message = format!(
                "{} prompts with {answers} answers each; at most {PROMPTS_MAX} answers are given",
                prompts.len()
            );
            return Err(Refusal::invalid("prompt", message));
        }
        Ok(CompletionRequest {
            prompts,
            max_tokens: max_tokens(fields, &["max_tokens", "n_predict"], 0)?.unwrap_or(TOKENS_USUAL),
            echo: fields.bool("echo")?.unwrap_or(false),
            log_probs: fields.count("logprobs", 0..=LIKELIEST_MAX)?,
        })
    }
}

/// A string, strings, ids, or lists of ids.
fn prompts(fields: &Fields, vocab: usize) -> Result<Vec<Prompt>, Refusal> {
    const FIELD: &str = "prompt";
    let expected = "a string, a list of strings, a list of token ids, or a list of lists of token ids";
    let ids = |list: &[Value]| list.iter().map(|id| token(FIELD, id, vocab)).collect::<Result<Vec<u32>, _>>();
    let empty = || Refusal::invalid(FIELD, format!("`{FIELD}` is empty; expected {expected}"));
    match fields.get(FIELD) {
        None => Err(Refusal::invalid(FIELD, format!("`{FIELD}` is missing; expected {expected}"))),
        Some(Value::String(text)) => Ok(vec![Prompt::Text(text.clone())]),
        Some(Value::Array(list)) => match list.first() {
            None => Err(empty()),
            Some(Value::Number(_)) => Ok(vec![Prompt::Ids(ids(list)?)]),
            Some(_) => list
                .iter()
                .map(|one| match one {
                    Value::String(text) => Ok(Prompt::Text(text.clone())),
                    Value::Array(list) if list.is_empty() => Err(empty()),
                    Value::Array(list) => Ok(Prompt::Ids(ids(list)?)),
                    other => Err(wrong(FIELD, other, expected)),
                })
                .collect(),
        },
        Some(other) => Err(wrong(FIELD, other, expected)),
    }
}
