//! A conversation as the ids of a prompt, written down as the model's own template says. The template and what people say are
//! both hostile: rendering is bounded, and the name of a control token in somebody's words stays the text it is.

mod letters;
mod literals;
mod marked;
mod python;
mod stand_ins;
mod template;
#[cfg(test)]
mod tests;

use std::ops::Range;

use formats::tokenizer::Tokenizer;

use crate::error::{Error, Result};
use crate::opened::Opened;
use crate::room::{Recent, tail};
use marked::Marked;
use stand_ins::StandIns;
use template::{Given, TEMPLATE_BYTES_MAX};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What holds for the whole conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// As templates spell it.
    pub fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What they say.
    pub text: String,
}

/// The ids of a conversation up to where the model's next turn begins. A control token in it is one that the template wrote: its name in
/// what somebody says is text, even if only a letter of it comes from there.
///
/// # Errors
/// A model without a template, a template that is none or that refuses the conversation, with its own words; one that mixes its own text
/// with what is said so that they cannot be told apart.
pub fn prompt_ids(opened: &Opened, turns: &[Turn]) -> Result<Vec<u32>> {
    let tokenizer = &opened.tokenizer;
    let mut ids = ids(&marked(opened, turns)?, tokenizer);
    match tokenizer.bos().filter(|_| tokenizer.add_bos()) {
        Some(bos) if ids.first() != Some(&bos) => ids.insert(0, bos),
        _ => {}
    }
    Ok(ids)
}

/// Whether the file's template can be used at all, before anybody has said anything.
///
/// # Errors
/// As [`prompt_ids`].
pub fn check(opened: &Opened) -> Result<()> {
    prompt_ids(opened, &[Turn { role: Role::User, text: "Hello".to_owned() }]).map(drop)
}

/// The end of a conversation with `behind`, the begun answer that is to be gone on with: no more than `most` ids. The
/// oldest turns go first, a question with its answer, because templates want the speakers to take turns; what holds for the whole
/// conversation stays, and so does the last turn. If that alone is too long, the end of it all is left.
///
/// # Errors
/// As [`prompt_ids`].
pub fn recent(opened: &Opened, turns: &[Turn], behind: &[u32], most: usize) -> Result<Recent> {
    let rules = turns.iter().take_while(|turn| turn.role == Role::System).count();
    let (rules, mut rest) = turns.split_at(rules);
    let ids = |rest: &[Turn]| -> Result<Vec<u32>> {
        Ok([&prompt_ids(opened, &[rules, rest].concat())?[..], behind].concat())
    };
    let mut now = ids(rest)?;
    let all = now.len();
    while now.len() > most {
        let answered = rest.get(1).is_some_and(|turn| turn.role == Role::Assistant);
        match rest.split_at_checked(if answered { 2 } else { 1 }) {
            Some((_, later)) if !later.is_empty() => rest = later,
            _ => break,
        }
        now = ids(rest)?;
    }
    let dropped = all.saturating_sub(now.len());
    let rest = tail(now, most, opened.tokenizer.bos());
    Ok(Recent { dropped: dropped + rest.dropped, ..rest })
}

/// The text behind those ids, in pieces; true for what somebody said, false for what the template adds.
///
/// # Errors
/// As [`prompt_ids`].
pub fn preview(opened: &Opened, turns: &[Turn]) -> Result<Vec<(String, bool)>> {
    Ok(pieces(&marked(opened, turns)?))
}

fn marked(opened: &Opened, turns: &[Turn]) -> Result<Marked> {
    let source = opened.chat_template.as_deref().ok_or(Error::NoTemplate)?;
    let name = |id: Option<u32>| id.map_or(String::new(), |id| opened.tokenizer.token_name(id));
    render(source, turns, &name(opened.tokenizer.bos()), &name(opened.tokenizer.eos()))
}

fn render(source: &str, turns: &[Turn], bos: &str, eos: &str) -> Result<Marked> {
    if source.len() > TEMPLATE_BYTES_MAX {
        let problem = format!("it has {} bytes; at most {TEMPLATE_BYTES_MAX} are allowed", source.len());
        return Err(Error::Template { problem });
    }
    let messages: Vec<_> = turns.iter().map(|t| (t.role.name(), t.text.trim().to_owned())).collect();
    Marked::render(source, Given { messages: &messages, bos, eos })
}

/// The template's control tokens, with the bytes of the marked text that name them.
fn control_tokens<'a>(
    marked: &'a Marked,
    tokenizer: &'a Tokenizer,
) -> impl Iterator<Item = (Range<usize>, u32)> + 'a {
    let found = tokenizer.control_tokens(&marked.text);
    found.filter(|(range, _)| !marked.is_said(&marked.text[range.clone()]))
}

/// The text is cut at the template's control tokens and nowhere else, as Hugging Face's tokenizers cut it.
fn ids(marked: &Marked, tokenizer: &Tokenizer) -> Vec<u32> {
    let (mut ids, mut from) = (Vec::new(), 0);
    for (range, id) in control_tokens(marked, tokenizer) {
        ids.extend(tokenizer.encode(&marked.plain(&marked.text[from..range.start])));
        ids.push(id);
        from = range.end;
    }
    ids.extend(tokenizer.encode(&marked.plain(&marked.text[from..])));
    ids
}

/// The text cut into the template's parts and what people said. What has no stand-ins is taken to be said between two words that were.
fn pieces(marked: &Marked) -> Vec<(String, bool)> {
    let mut out: Vec<(String, bool)> = Vec::new();
    for c in marked.text.chars() {
        let (c, said) = marked.stand_ins.original(c).map_or((c, false), |c| (c, true));
        let n = out.len();
        match out.last_mut() {
            Some((text, last)) if *last == said => text.push(c),
            Some((between, false)) if n > 1 && between.chars().all(|c| !StandIns::has(c)) => {
                let between = std::mem::take(between);
                out.pop();
                if let Some((text, _)) = out.last_mut() {
                    text.push_str(&between);
                    text.push(c);
                }
            }
            _ => out.push((c.into(), said)),
        }
    }
    out
}
