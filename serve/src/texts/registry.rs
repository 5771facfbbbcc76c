//! Who is being served now, for whoever runs the server: a list with figures, and a way to end each of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Requests that are being served.
#[derive(Debug, Default)]
pub struct Registry {
    next: AtomicU64,
    tickets: Mutex<BTreeMap<u64, Arc<Counts>>>,
}

/// A request in the list, as long as this is there.
#[derive(Debug)]
pub struct Ticket {
    registry: Arc<Registry>,
    counts: Arc<Counts>,
}

/// What is known of a request.
#[derive(Debug)]
struct Counts {
    id: u64,
    model: String,
    route: &'static str,
    since: Instant,
    /// Its texts, and those of them that have begun.
    texts: AtomicUsize,
    begun: AtomicUsize,
    prompt_tokens: AtomicUsize,
    read_tokens: AtomicUsize,
    written_tokens: AtomicUsize,
    /// When the first and the latest token came, in microseconds from the beginning; 0 for none yet.
    first_at: AtomicU64,
    latest_at: AtomicU64,
    cancel: watch::Sender<bool>,
}

/// A request as somebody who runs the server sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestInfo {
    /// What [`cancel`](crate::Server::cancel) knows it by.
    pub id: u64,
    /// The model it asks.
    pub model: String,
    /// The path it asks.
    pub route: &'static str,
    /// What it does.
    pub state: RequestState,
    /// Time since it came.
    pub time: Duration,
    /// Texts that it asks for.
    pub texts: usize,
    /// Tokens of its prompts.
    pub prompt_tokens: usize,
    /// Of those, tokens that were read or were there already.
    pub read_tokens: usize,
    /// Tokens written.
    pub written_tokens: usize,
    /// Time until the first of them.
    pub first_token_time: Option<Duration>,
    /// Tokens written per second since then.
    pub written_tokens_per_sec: Option<f64>,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// It waits for others.
    Waiting,
    /// Its prompt is read.
    Reading,
    /// Its answer is written.
    Writing,
}

impl Registry {
    /// Adds a request to `model`, by `route`.
    pub fn enter(self: &Arc<Registry>, model: &str, route: &'static str) -> Ticket {
        let counts = Arc::new(Counts {
            id: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            model: model.to_owned(),
            route,
            since: Instant::now(),
            texts: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            prompt_tokens: AtomicUsize::new(0),
            read_tokens: AtomicUsize::new(0),
            written_tokens: AtomicUsize::new(0),
            first_at: AtomicU64::new(0),
            latest_at: AtomicU64::new(0),
            cancel: watch::Sender::new(false),
        });
        self.tickets().insert(counts.id, Arc::clone(&counts));
        Ticket { registry: Arc::clone(self), counts }
    }

    /// All of them, the first first.
    pub fn list(&self) -> Vec<RequestInfo> {
        self.tickets().values().map(|counts| counts.info()).collect()
    }

    /// Ends one; says whether it was there.
    pub fn cancel(&self, id: u64) -> bool {
        let tickets = self.tickets();
        tickets.get(&id).map(|counts| counts.cancel.send_replace(true)).is_some()
    }

    /// Ends all of them.
    pub fn cancel_all(&self) {
        for counts in self.tickets().values() {
            counts.cancel.send_replace(true);
        }
    }

    fn tickets(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Counts>>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Since when it is served.
    pub fn since(&self) -> Instant {
        self.counts.since
    }

    /// It asks for so many texts, with so many tokens of prompts.
    pub fn asks(&self, texts: usize, prompt_tokens: usize) {
        self.counts.texts.store(texts, Ordering::Relaxed);
        self.counts.prompt_tokens.store(prompt_tokens, Ordering::Relaxed);
    }

    /// One of its texts has a place.
    pub fn begins(&self) {
        self.counts.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// So many more tokens of prompts are read.
    pub fn read(&self, tokens: usize) {
        self.counts.read_tokens.fetch_add(tokens, Ordering::Relaxed);
    }

    /// One more token is written. The time until the first one, if it is that.
    pub fn wrote(&self) -> Option<Duration> {
        let counts = &self.counts;
        let now = counts.since.elapsed();
        let us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX).max(1);
        counts.written_tokens.fetch_add(1, Ordering::Relaxed);
        counts.latest_at.store(us, Ordering::Relaxed);
        let first = counts.first_at.compare_exchange(0, us, Ordering::Relaxed, Ordering::Relaxed);
        first.is_ok().then_some(now)
    }

    /// Returns when somebody ends it.
    pub async fn cancelled(&self) {
        let mut cancel = self.counts.cancel.subscribe();
        // The sender lives as long as this.
        let _ = cancel.wait_for(|cancelled| *cancelled).await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.registry.tickets().remove(&self.counts.id);
    }
}

impl Counts {
    fn info(&self) -> RequestInfo {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        let (written, time) = (count(&self.written_tokens), self.since.elapsed());
        let (first, latest) = (self.first_at.load(Ordering::Relaxed), self.latest_at.load(Ordering::Relaxed));
        let span = latest.saturating_sub(first) as f64 / 1e6;
        RequestInfo {
            id: self.id,
            model: self.model.clone(),
            route: self.route,
            state: match (count(&self.begun), written) {
                (0, _) => RequestState::Waiting,
                (_, 0) => RequestState::Reading,
                _ => RequestState::Writing,
            },
            time,
            texts: count(&self.texts),
            prompt_tokens: count(&self.prompt_tokens),
            read_tokens: count(&self.read_tokens),
            written_tokens: written,
            first_token_time: (first > 0).then(|| Duration::from_micros(first)),
            written_tokens_per_sec: (written > 1 && span > 0.0).then(|| (written - 1) as f64 / span),
        }
    }
}
