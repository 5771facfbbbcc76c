//! The figures of an answer: tokens, as OpenAI counts them, and times, as llama.cpp tells them.

use std::time::Duration;

use runtime::request::Stats;
use serde_json::{Value, json};

/// Figures of one text, or of several together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Tokens of prompts.
    pub prompt_tokens: usize,
    /// Of those, tokens that were there already.
    pub cached_tokens: usize,
    /// Tokens written.
    pub written_tokens: usize,
    /// Time of reading the prompts.
    pub read_time: Duration,
    /// Tokens whose writing took a pass of their own.
    pub write_steps: usize,
    /// Their time.
    pub write_time: Duration,
}

impl Usage {
    /// Of one text that has `written` tokens, which may be fewer than the model wrote.
    pub fn of(stats: &Stats, written: usize) -> Usage {
        Usage {
            prompt_tokens: stats.prompt_tokens,
            cached_tokens: stats.reused_tokens,
            written_tokens: written,
            read_time: stats.prefill_time,
            write_steps: stats.decode_steps,
            write_time: stats.decode_time,
        }
    }

    /// Adds another answer: to the same prompt, which counts once, or to another one.
    pub fn add(&mut self, other: &Usage, same_prompt: bool) {
        if !same_prompt {
            self.prompt_tokens += other.prompt_tokens;
            self.cached_tokens += other.cached_tokens;
        }
        self.written_tokens += other.written_tokens;
        self.read_time += other.read_time;
        self.write_steps += other.write_steps;
        self.write_time += other.write_time;
    }

    /// As OpenAI's clients read it.
    pub fn body(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.written_tokens,
            "total_tokens": self.prompt_tokens + self.written_tokens,
            "prompt_tokens_details": { "cached_tokens": self.cached_tokens },
        })
    }

    /// As llama.cpp's clients read it.
    pub fn timings(&self) -> Value {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let rate = |count: usize, time: Duration| {
            (count > 0 && !time.is_zero()).then(|| count as f64 / time.as_secs_f64())
        };
        let read = self.prompt_tokens.saturating_sub(self.cached_tokens);
        json!({
            "cache_n": self.cached_tokens,
            "prompt_n": read,
            "prompt_ms": ms(self.read_time),
            "prompt_per_second": rate(read, self.read_time),
            "predicted_n": self.written_tokens,
            "predicted_ms": ms(self.write_time),
            "predicted_per_second": rate(self.write_steps, self.write_time),
        })
    }
}
