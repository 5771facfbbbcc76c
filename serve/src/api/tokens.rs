//! `/tokenize` and `/detokenize`, in the words of llama.cpp's server and of vLLM's, which lm-eval uses.

use serde_json::Value;

use super::fields::{Fields, first, wrong};
use super::refusal::Refusal;
use super::settings::token;

/// A text to be cut into tokens.
#[derive(Clone, Debug)]
pub struct TokenizeRequest {
    /// The text.
    pub text: String,
    /// With the token that begins texts, where the model has one.
    pub begin: bool,
    /// Names of control tokens in it become those tokens, unless it is asked otherwise, as elsewhere: lm-eval asks for the end of a
    /// text by its name. Whoever asks is told ids, and no model reads them.
    pub special: bool,
    /// With what each token stands for.
    pub pieces: bool,
}

impl TokenizeRequest {
    /// From its fields.
    ///
    /// # Errors
    /// No text, or a field of another type.
    pub fn read(fields: &Fields) -> Result<TokenizeRequest, Refusal> {
        let Some(text) = first(&["content", "prompt"], |name| fields.str(name))? else {
            return Err(wrong("content", &Value::Null, "a string"));
        };
        let begin = first(&["add_special", "add_special_tokens"], |name| fields.bool(name))?;
        Ok(TokenizeRequest {
            text: text.to_owned(),
            begin: begin.unwrap_or(false),
            special: fields.bool("parse_special")?.unwrap_or(true),
            pieces: fields.bool("with_pieces")?.unwrap_or(false),
        })
    }
}

/// Ids to be put together to a text.
///
/// # Errors
/// None, or ids that the model does not have.
pub fn detokenize(fields: &Fields, vocab: usize) -> Result<Vec<u32>, Refusal> {
    match fields.list("tokens")? {
        Some(list) => list.iter().map(|id| token("tokens", id, vocab)).collect(),
        None => Err(wrong("tokens", &Value::Null, "a list of token ids")),
    }
}
