//! What `/metrics` tells, in Prometheus' text: counted since the start here, asked of queues and engines when somebody looks.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;

use crate::api::Usage;
use crate::texts::Served;

/// Upper ends of the times until the first token, in seconds.
const FIRST_TOKEN_SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Counters.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Answers by path and status.
    answers: Mutex<BTreeMap<(String, u16), u64>>,
    texts: AtomicU64,
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    written_tokens: AtomicU64,
    /// Tokens that took a pass of their own, and the time of reading and writing, in microseconds.
    steps: AtomicU64,
    read_us: AtomicU64,
    write_us: AtomicU64,
    /// Times until the first token: how many up to each end, and beyond the last; and their sum, in microseconds.
    first: [AtomicU64; FIRST_TOKEN_SECONDS.len() + 1],
    first_us: AtomicU64,
    restarts: AtomicU64,
}

impl Metrics {
    /// A request was answered, as far as its status.
    pub fn answered(&self, path: &str, status: StatusCode) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry((path.to_owned(), status.as_u16())).or_default() += 1;
    }

    /// A token was written, and `first` is how long the first one of a request took.
    pub fn wrote(&self, first: Option<Duration>) {
        add(&self.written_tokens, 1);
        if let Some(time) = first {
            let seconds = time.as_secs_f64();
            let at = FIRST_TOKEN_SECONDS.iter().position(|&end| seconds <= end);
            add(&self.first[at.unwrap_or(FIRST_TOKEN_SECONDS.len())], 1);
            add(&self.first_us, us(time));
        }
    }

    /// Tokens written since the start.
    pub fn written_tokens(&self) -> u64 {
        self.written_tokens.load(Ordering::Relaxed)
    }

    /// A text came to its end.
    pub fn ended(&self, usage: &Usage) {
        add(&self.texts, 1);
        add(&self.prompt_tokens, usage.prompt_tokens as u64);
        add(&self.cached_tokens, usage.cached_tokens as u64);
        add(&self.steps, usage.write_steps as u64);
        add(&self.read_us, us(usage.read_time));
        add(&self.write_us, us(usage.write_time));
    }

    /// A model was started anew.
    pub fn restarted(&self) {
        add(&self.restarts, 1);
    }

    /// All of it.
    pub fn text(&self, models: &[Arc<Served>]) -> String {
        let mut page = Page::default();
        page.about("tercet_requests_total", "counter", "Requests answered, by path and status.");
        for ((path, status), count) in &*self.answers.lock().unwrap_or_else(PoisonError::into_inner) {
            let labels = [("path", path.as_str()), ("status", &status.to_string())];
            page.value("tercet_requests_total", &labels, *count as f64);
        }
        let seconds = |us: &AtomicU64| get(us) / 1e6;
        let prompt = get(&self.prompt_tokens);
        for (name, about, value) in [
            ("texts_total", "Texts written to their end.", get(&self.texts)),
            ("prompt_tokens_total", "Tokens of the prompts of those.", prompt),
            (
                "prompt_tokens_cached_total",
                "Of those, tokens that were there already.",
                get(&self.cached_tokens),
            ),
            ("prompt_seconds_total", "Time of reading the rest.", seconds(&self.read_us)),
            ("tokens_predicted_total", "Tokens written.", get(&self.written_tokens)),
            ("tokens_predicted_steps_total", "Tokens whose writing took a pass.", get(&self.steps)),
            (
                "tokens_predicted_seconds_total",
                "Time of those passes, text by text.",
                seconds(&self.write_us),
            ),
            ("restarts_total", "Times that a model was started anew.", get(&self.restarts)),
        ] {
            let name = format!("tercet_{name}");
            page.about(&name, "counter", about);
            page.value(&name, &[], value);
        }
        self.first_tokens(&mut page);
        of_models(&mut page, models);
        page.0
    }

    fn first_tokens(&self, page: &mut Page) {
        let name = "tercet_time_to_first_token_seconds";
        page.about(name, "histogram", "Time from a request to its first token.");
        let mut sum = 0.0;
        for (count, end) in self
            .first
            .iter()
            .zip(FIRST_TOKEN_SECONDS.map(|end| end.to_string()).iter().chain([&"+Inf".to_owned()]))
        {
            sum += get(count);
            page.value(&format!("{name}_bucket"), &[("le", end)], sum);
        }
        page.value(&format!("{name}_sum"), &[], get(&self.first_us) / 1e6);
        page.value(&format!("{name}_count"), &[], sum);
    }
}

fn of_models(page: &mut Page, models: &[Arc<Served>]) {
    let loads: Vec<_> = models.iter().map(|model| (model, model.running().engine.load())).collect();
    type Of<'a> = &'a dyn Fn(&Served, &runtime::engine::Load) -> f64;
    let rows: [(&str, &str, &str, Of<'_>); 8] = [
        ("requests_processing", "gauge", "Texts that are read or written.", &|_, load| load.running as f64),
        ("requests_deferred", "gauge", "Requests that wait for their turn.", &|m, _| {
            m.queue().waiting() as f64
        }),
        ("texts_kept", "gauge", "Texts kept for prompts that begin like them.", &|_, load| load.kept as f64),
        ("kv_pages", "gauge", "Pages of keys and values in use.", &|_, load| load.kv.pages as f64),
        ("kv_pages_shared", "gauge", "Of those, pages that several texts hold.", &|_, load| {
            load.kv.shared as f64
        }),
        ("kv_pages_limit", "gauge", "Most pages there may be.", &|_, load| {
            load.kv.limit.map_or(f64::INFINITY, |limit| limit as f64)
        }),
        ("passes_total", "counter", "Times that the weights were read.", &|_, load| load.passes as f64),
        ("pass_tokens_total", "counter", "Tokens that passes read.", &|_, load| load.tokens as f64),
    ];
    for (name, kind, about, of) in rows {
        let name = format!("tercet_{name}");
        page.about(&name, kind, about);
        for (model, load) in &loads {
            page.value(&name, &[("model", model.name())], of(model, load));
        }
    }
}

/// Text in Prometheus' form.
#[derive(Default)]
struct Page(String);

impl Page {
    fn about(&mut self, name: &str, kind: &str, about: &str) {
        let _ = writeln!(self.0, "# HELP {name} {about}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (i, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{value}\"", if i == 0 { '{' } else { ',' });
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let value = if value == f64::INFINITY { "+Inf".to_owned() } else { value.to_string() };
        let _ = writeln!(self.0, "{end} {value}");
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
