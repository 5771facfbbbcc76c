//! What the model thought of tokens, in the two forms that clients read: chat's list of tokens, and the older lists side by side.

use formats::tokenizer::Tokenizer;
use runtime::request::LogProbs;
use serde_json::{Map, Value, json};

/// A token of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its id.
    pub id: u32,
    /// Characters of the text before it.
    pub offset: usize,
    /// What the model thought of it; `None` where nothing stands before.
    pub log_probs: Option<LogProbs>,
}

/// As answers in a chat have them.
pub fn of_chat(told: &[Told], tokenizer: &Tokenizer) -> Value {
    let one = |id: u32, log_prob: f64| json!({ "token": tokenizer.token_name(id), "logprob": log_prob, "bytes": tokenizer.token_bytes(id) });
    let token = |told: &Told| {
        let of_token = told.log_probs.clone().unwrap_or_default();
        let likeliest: Vec<Value> = of_token.likeliest.iter().map(|&(id, p)| one(id, p)).collect();
        let mut token = one(told.id, of_token.chosen);
        token["top_logprobs"] = likeliest.into();
        token
    };
    json!({ "content": told.iter().map(token).collect::<Vec<_>>(), "refusal": null })
}

/// As completions have them. The token itself is always among the likeliest, as it is with OpenAI: who asks whether it was the likeliest
/// compares the very same numbers.
pub fn of_completion(told: &[Told], tokenizer: &Tokenizer) -> Value {
    let name = |id: u32| name(tokenizer.token_bytes(id));
    let likeliest = |told: &Told| {
        let of_token = told.log_probs.as_ref()?;
        let mut map: Map<String, Value> =
            of_token.likeliest.iter().map(|&(id, p)| (name(id), json!(p))).collect();
        map.insert(name(told.id), json!(of_token.chosen));
        Some(map)
    };
    json!({
        "tokens": told.iter().map(|t| name(t.id)).collect::<Vec<_>>(),
        "token_logprobs": told.iter().map(|t| t.log_probs.as_ref().map(|p| p.chosen)).collect::<Vec<_>>(),
        "top_logprobs": told.iter().map(likeliest).collect::<Vec<_>>(),
        "text_offset": told.iter().map(|t| t.offset).collect::<Vec<_>>(),
    })
}

/// A token as a key: parts of characters are told apart by their bytes, as OpenAI writes them.
fn name(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().fold("bytes:".to_owned(), |name, byte| format!("{name}\\x{byte:02x}")),
    }
}
