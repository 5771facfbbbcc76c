//! An answer on its way to a client: which of its text and tokens are certain, and how pieces and wholes are written down.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use formats::tokenizer::{DecodeStream, Tokenizer};
use runtime::request::LogProbs;
use serde_json::{Value, json};
use text::{Ending, Growth};

use super::log_probs::{Told, of_chat, of_completion};
use super::usage::Usage;

/// What has become certain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Certain {
    /// Text.
    pub text: String,
    /// The tokens that it is made of.
    pub told: Vec<Told>,
}

impl Certain {
    /// Adds what became certain later.
    pub fn add(&mut self, mut later: Certain) {
        self.text.push_str(&later.text);
        self.told.append(&mut later.told);
    }
}

/// An answer as it grows. A token is told of once its text is certain; what a stop string takes back never is.
#[derive(Debug, Default)]
pub struct Choice {
    /// Bytes and characters decoded so far, and bytes of them that are certain.
    decoded: usize,
    characters: usize,
    certain: usize,
    /// Tokens whose text is not certain yet, with the first byte of it and the one behind.
    waiting: VecDeque<(usize, usize, Told)>,
    stopped: bool,
}

impl Choice {
    /// The answer begins with its prompt.
    pub fn echo(&mut self, tokenizer: &Tokenizer, prompt: &[(u32, Option<LogProbs>)]) -> Certain {
        let (mut all, mut characters) = (Certain::default(), DecodeStream::new());
        let add = |choice: &mut Choice, text: String, all: &mut Certain| {
            choice.decoded += text.len();
            choice.characters += text.chars().count();
            all.text.push_str(&text);
        };
        for (id, log_probs) in prompt {
            all.told.push(Told { id: *id, offset: self.characters, log_probs: log_probs.clone() });
            add(self, characters.push(tokenizer, *id).unwrap_or_default(), &mut all);
        }
        add(self, characters.flush().unwrap_or_default(), &mut all);
        self.certain = self.decoded;
        all
    }

    /// Takes a token.
    pub fn push(&mut self, id: u32, growth: Growth, log_probs: Option<LogProbs>) -> Certain {
        let (first, told) = (self.decoded, Told { id, offset: self.characters, log_probs });
        let text = self.grow(growth);
        self.waiting.push_back((first, self.decoded, told));
        let certain = self.certain;
        let told = self.release(|_, end| end <= certain);
        Certain { text, told }
    }

    /// Takes the end.
    pub fn end(&mut self, growth: Growth) -> Certain {
        let text = self.grow(growth);
        let (certain, stopped) = (self.certain, self.stopped);
        Certain { text, told: self.release(|first, _| !stopped || first < certain) }
    }

    fn grow(&mut self, growth: Growth) -> String {
        self.decoded += growth.decoded.len();
        self.characters += growth.decoded.chars().count();
        self.certain += growth.certain.len();
        self.stopped |= growth.cut > 0;
        growth.certain
    }

    fn release(&mut self, is_certain: impl Fn(usize, usize) -> bool) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some((_, _, token)) = self.waiting.pop_front_if(|(first, end, _)| is_certain(*first, *end))
        {
            told.push(token);
        }
        told
    }
}

/// Which interface an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completion,
}

/// What all pieces of an answer have in common.
#[derive(Clone, Debug)]
pub struct Head {
    shape: Shape,
    id: String,
    created: u64,
    model: String,
    /// Whether log-probabilities are told of.
    log_probs: bool,
}

impl Head {
    /// Of an answer that this model begins now.
    pub fn new(shape: Shape, request: &str, model: &str, log_probs: bool) -> Head {
        let prefix = match shape {
            Shape::Chat => "chatcmpl",
            Shape::Completion => "cmpl",
        };
        let id = format!("{prefix}-{request}");
        Head { shape, id, created: seconds_now(), model: model.to_owned(), log_probs }
    }

    /// The first piece of a choice, before anything is written, in a chat.
    pub fn first(&self, index: usize) -> Option<Value> {
        (self.shape == Shape::Chat).then(|| {
            let delta = json!({ "role": "assistant", "content": "" });
            json!({ "index": index, "delta": delta, "logprobs": null, "finish_reason": null })
        })
    }

    /// A piece of a choice; `None` where there is nothing to tell.
    pub fn piece(&self, index: usize, certain: &Certain, tokenizer: &Tokenizer) -> Option<Value> {
        let tells = self.log_probs && !certain.told.is_empty();
        (!certain.text.is_empty() || tells).then(|| {
            let log_probs = self.log_probs(certain, tokenizer);
            match self.shape {
                Shape::Chat => json!({
                    "index": index, "delta": { "content": certain.text }, "logprobs": log_probs, "finish_reason": null
                }),
                Shape::Completion => json!({
                    "index": index, "text": certain.text, "logprobs": log_probs, "finish_reason": null
                }),
            }
        })
    }

    /// The last piece of a choice.
    pub fn last(&self, index: usize, ending: &Ending) -> Value {
        let reason = finish_reason(ending);
        match self.shape {
            Shape::Chat => json!({ "index": index, "delta": {}, "logprobs": null, "finish_reason": reason }),
            Shape::Completion => {
                json!({ "index": index, "text": "", "logprobs": null, "finish_reason": reason })
            }
        }
    }

    /// A choice as a whole.
    pub fn choice(&self, index: usize, all: &Certain, ending: &Ending, tokenizer: &Tokenizer) -> Value {
        let (log_probs, reason) = (self.log_probs(all, tokenizer), finish_reason(ending));
        match self.shape {
            Shape::Chat => json!({
                "index": index,
                "message": { "role": "assistant", "content": all.text, "refusal": null },
                "logprobs": log_probs,
                "finish_reason": reason,
            }),
            Shape::Completion => json!({
                "index": index, "text": all.text, "logprobs": log_probs, "finish_reason": reason
            }),
        }
    }

    /// A message with these choices that is one of many; where figures come, all but the last have `null` there.
    pub fn chunk(&self, choices: Vec<Value>, usage: bool) -> Value {
        let object = match self.shape {
            Shape::Chat => "chat.completion.chunk",
            Shape::Completion => "text_completion",
        };
        let mut chunk = self.message(object, choices);
        if usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    /// The whole answer.
    pub fn whole(&self, choices: Vec<Value>, usage: &Usage) -> Value {
        let object = match self.shape {
            Shape::Chat => "chat.completion",
            Shape::Completion => "text_completion",
        };
        let mut whole = self.message(object, choices);
        whole["usage"] = usage.body();
        whole["timings"] = usage.timings();
        whole
    }

    fn message(&self, object: &str, choices: Vec<Value>) -> Value {
        let Head { id, created, model, .. } = self;
        json!({ "id": id, "object": object, "created": created, "model": model, "choices": choices })
    }

    fn log_probs(&self, certain: &Certain, tokenizer: &Tokenizer) -> Value {
        match self.shape {
            _ if !self.log_probs => Value::Null,
            Shape::Chat => of_chat(&certain.told, tokenizer),
            Shape::Completion => of_completion(&certain.told, tokenizer),
        }
    }
}

/// Seconds since 1970.
pub fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// As clients know it: the model, or whoever asked, said when to end, or there was no room for more.
fn finish_reason(ending: &Ending) -> &'static str {
    match ending {
        Ending::Model | Ending::Stop(_) => "stop",
        Ending::Length | Ending::Context | Ending::Cancelled => "length",
    }
}
