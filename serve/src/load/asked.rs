//! One request, and when what came of it.

use std::time::{Duration, Instant};

use serde_json::Value;

/// Times of a request that was answered, or was not.
#[derive(Clone, Debug)]
pub struct Asked {
    /// When it was to be sent.
    pub began: Instant,
    /// When it had ended.
    pub ended: Instant,
    /// From `began` to the first piece of text.
    pub first: Option<Duration>,
    /// Between one piece of text and the next; a piece is a token, but where several came at once.
    pub between: Vec<Duration>,
    /// Tokens of its prompt, as the server counts them.
    pub prompt_tokens: usize,
    /// Of those, tokens that the server did not read again.
    pub cached_tokens: usize,
    /// Tokens written, as the server counts them; pieces where it does not.
    pub answer_tokens: usize,
    /// Why it was not answered whole.
    pub problem: Option<String>,
}

/// What comes of a request while it does.
#[derive(Debug)]
pub struct Answering {
    asked: Asked,
    last: Option<Instant>,
    counted: bool,
    done: bool,
}

impl Answering {
    /// Nothing yet.
    pub fn begin(began: Instant) -> Answering {
        let asked = Asked {
            began,
            ended: began,
            first: None,
            between: Vec::new(),
            prompt_tokens: 0,
            cached_tokens: 0,
            answer_tokens: 0,
            problem: None,
        };
        Answering { asked, last: None, counted: false, done: false }
    }

    /// Takes the data of an event that came at `now`.
    pub fn event(&mut self, data: &str, now: Instant) {
        if data == "[DONE]" {
            self.done = true;
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            self.failed("an event came that is no JSON".into());
            return;
        };
        if let Some(problem) = event.get("error") {
            self.failed(words_of(problem));
        }
        if event["choices"].as_array().is_some_and(|choices| choices.iter().any(holds_text)) {
            self.piece(now);
        }
        if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
            self.usage(usage);
        }
    }

    /// Whether its stream has come to its end.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// It will not be answered whole. What is wrong first counts.
    pub fn failed(&mut self, problem: String) {
        self.asked.problem.get_or_insert(problem);
    }

    /// It has ended.
    pub fn end(mut self, now: Instant) -> Asked {
        if !self.done {
            self.failed("its stream broke off".into());
        }
        self.asked.ended = now;
        self.asked
    }

    fn piece(&mut self, now: Instant) {
        match self.last {
            None => self.asked.first = Some(now - self.asked.began),
            Some(last) => self.asked.between.push(now - last),
        }
        self.last = Some(now);
        if !self.counted {
            self.asked.answer_tokens += 1;
        }
    }

    fn usage(&mut self, usage: &Value) {
        let count = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        if let Some(tokens) = count(&usage["completion_tokens"]) {
            (self.asked.answer_tokens, self.counted) = (tokens, true);
        }
        self.asked.prompt_tokens = count(&usage["prompt_tokens"]).unwrap_or(self.asked.prompt_tokens);
        self.asked.cached_tokens =
            count(&usage["prompt_tokens_details"]["cached_tokens"]).unwrap_or(self.asked.cached_tokens);
    }
}

/// A completion's text, or whatever a chat's answer is made of: words, or thoughts that go before them.
fn holds_text(choice: &Value) -> bool {
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let delta = &choice["delta"];
    [&choice["text"], &delta["content"], &delta["reasoning_content"], &delta["reasoning"]]
        .into_iter()
        .any(text)
}

/// The sentence of an error of this API.
pub fn words_of(error: &Value) -> String {
    let words = error["message"].as_str().or(error.as_str()).map_or_else(|| error.to_string(), str::to_owned);
    formats::shown(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn answered(events: &[&str]) -> Asked {
        let began = Instant::now();
        let mut answering = Answering::begin(began);
        for (i, event) in events.iter().enumerate() {
            answering.event(event, began + (i as u32 + 1) * MS);
        }
        answering.end(began + 100 * MS)
    }

    #[test]
    fn pieces_are_timed_and_tokens_are_the_servers() {
        let asked = answered(&[
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}]}"#,
            r#"{"choices":[{"text":"b"}],"usage":null}"#,
            r#"{"choices":[{"text":"","finish_reason":"length"}]}"#,
            r#"{"choices":[{"delta":{"reasoning_content":"c"}}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}}"#,
            "[DONE]",
        ]);
        assert_eq!(asked.first, Some(2 * MS));
        assert_eq!(asked.between, [MS, 2 * MS]);
        assert_eq!((asked.prompt_tokens, asked.cached_tokens, asked.answer_tokens), (7, 4, 9));
        assert_eq!((asked.problem, asked.ended - asked.began), (None, 100 * MS));
        // Where a server counts nothing, pieces are counted.
        assert_eq!(answered(&[r#"{"choices":[{"text":"b"}]}"#, "[DONE]"]).answer_tokens, 1);
    }

    #[test]
    fn an_answer_that_is_not_whole_says_why() {
        let whole = r#"{"choices":[{"text":"b"}]}"#;
        for (events, problem) in [
            (&[whole][..], "its stream broke off"),
            (&[whole, r#"{"error":{"message":"the device is lost"}}"#], "the device is lost"),
            (&[r#"{"error":"busy"}"#, "[DONE]"], "busy"),
            (&["<html>", "[DONE]"], "no JSON"),
        ] {
            let asked = answered(events);
            assert!(asked.problem.as_deref().is_some_and(|p| p.contains(problem)), "{:?}", asked.problem);
        }
    }
}
