//! `/v1/chat/completions`: conversations, whose next turn is the model's.

use serde_json::{Value, json};
use text::chat::{Role, Turn};

use super::fields::{Fields, wrong};
use super::refusal::Refusal;
use super::settings::{LIKELIEST_MAX, max_tokens};

/// What such a request says beside how to write.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// The conversation so far.
    pub turns: Vec<Turn>,
    /// What the answer begins with already: it is gone on with, and not repeated.
    pub begun: Option<String>,
    /// Most tokens of an answer; `None` for as many as the context has room for.
    pub max_tokens: Option<usize>,
    /// How many of the likeliest tokens are told of in each place; `None` for no log-probabilities at all.
    pub log_probs: Option<usize>,
}

impl ChatRequest {
    /// From its fields.
    ///
    /// # Errors
    /// A field of another type or out of its range, or one that asks for what is not done here.
    pub fn read(fields: &Fields) -> Result<ChatRequest, Refusal> {
        refuse_unsupported(fields)?;
        let (asked, likeliest) =
            (fields.bool("logprobs")?.unwrap_or(false), fields.count("top_logprobs", 0..=LIKELIEST_MAX)?);
        if likeliest.is_some_and(|count| count > 0) && !asked {
            let message = "`top_logprobs` is for answers with log-probabilities; set `logprobs` to true";
            return Err(Refusal::invalid("top_logprobs", message));
        }
        let mut turns = turns(fields)?;
        let begun = begun(fields, &mut turns)?;
        Ok(ChatRequest {
            turns,
            begun,
            max_tokens: max_tokens(fields, &["max_completion_tokens", "max_tokens", "n_predict"], 1)?,
            log_probs: asked.then_some(likeliest.unwrap_or(0)),
        })
    }
}

/// The turns of a request.
///
/// # Errors
/// Turns that are none, whose speaker nobody is, or that hold more than text.
pub fn turns(fields: &Fields) -> Result<Vec<Turn>, Refusal> {
    const FIELD: &str = "messages";
    let expected = "a list of messages, at least one, each with a role and a content";
    let list = fields.list(FIELD)?.unwrap_or_default();
    if list.is_empty() {
        return Err(Refusal::invalid(FIELD, format!("`{FIELD}` is missing or empty; expected {expected}")));
    }
    list.iter().enumerate().map(|(i, message)| turn(&Fields::of(message, &format!("{FIELD}.{i}"))?)).collect()
}

/// Takes the last turn where it is to be gone on with.
fn begun(fields: &Fields, turns: &mut Vec<Turn>) -> Result<Option<String>, Refusal> {
    const FIELD: &str = "continue_final_message";
    if !fields.bool(FIELD)?.unwrap_or(false) {
        let why = "an answer is what is asked for";
        fields.refuse_unless("add_generation_prompt", &[json!(true)], why)?;
        return Ok(None);
    }
    let anew = "a begun answer is gone on with or a new one is asked for, not both";
    fields.refuse_unless("add_generation_prompt", &[json!(false)], anew)?;
    match turns.pop() {
        Some(Turn { role: Role::Assistant, text }) => Ok(Some(text)),
        _ => {
            let message = format!("`{FIELD}` is for conversations whose last message is the assistant's");
            Err(Refusal::invalid(FIELD, message))
        }
    }
}

fn turn(message: &Fields) -> Result<Turn, Refusal> {
    let role = match message.str("role")? {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some(other @ ("tool" | "function")) => {
            let why = format!("tools are not supported, nor messages of the role `{other}`");
            return Err(Refusal::unsupported(message.name("role"), why));
        }
        other => {
            let found = other.map_or(Value::Null, |other| json!(other));
            return Err(wrong(&message.name("role"), &found, "\"system\", \"user\" or \"assistant\""));
        }
    };
    for field in ["tool_calls", "function_call", "audio"] {
        message.refuse_unless(field, &[json!([])], "a message can hold text, and nothing else")?;
    }
    Ok(Turn { role, text: content(message)? })
}

/// A string, or parts that are text.
fn content(message: &Fields) -> Result<String, Refusal> {
    let (name, expected) = (message.name("content"), "a string, or a list of parts of the type \"text\"");
    match message.get("content") {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let mut text = String::new();
            for (i, part) in parts.iter().enumerate() {
                let part = Fields::of(part, &format!("{name}.{i}"))?;
                match part.str("type")? {
                    Some("text") => {}
                    Some(other) => {
                        let why = format!(
                            "parts of the type `{}` are not supported; only text is",
                            formats::shown(other)
                        );
                        return Err(Refusal::unsupported(part.name("type"), why));
                    }
                    None => return Err(wrong(&part.name("type"), &Value::Null, "\"text\"")),
                }
                match part.str("text")? {
                    Some(words) => text.push_str(words),
                    None => return Err(wrong(&part.name("text"), &Value::Null, "a string")),
                }
            }
            Ok(text)
        }
        other => Err(wrong(&name, other.unwrap_or(&Value::Null), expected)),
    }
}

fn refuse_unsupported(fields: &Fields) -> Result<(), Refusal> {
    let no_tools = "tools cannot be called; leave `tool_choice` out, or let it be \"auto\" or \"none\"";
    fields.refuse_unless("tool_choice", &[json!("auto"), json!("none")], no_tools)?;
    fields.refuse_unless("function_call", &[json!("auto"), json!("none")], no_tools)?;
    fields.refuse_unless("modalities", &[json!(["text"]), json!([])], "answers are text")?;
    fields.refuse_unless("audio", &[], "answers are text")?;
    fields.refuse_unless("web_search_options", &[], "nothing is looked up in the web")?;
    fields.refuse_unless("chat_template", &[json!("")], "the template is the model's own")?;
    fields.refuse_unless(
        "chat_template_kwargs",
        &[json!({})],
        "the template is given nothing but the messages",
    )?;
    fields.refuse_unless(
        "echo",
        &[json!(false)],
        "a conversation is not repeated; /v1/completions can repeat a prompt",
    )
}
