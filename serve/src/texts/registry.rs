//! Who is being served now, for whoever runs the server: a list with figures, and a way to end each of them; and who was served last.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::api::Refusal;

use super::info::{Outcome, RequestInfo, RequestKind, RequestState, Totals};

/// Requests that are remembered when they have ended.
const ENDED_MAX: usize = 50;
/// Tokens that come at once tell no speed: there is one once they came over so many seconds.
const SPAN_SECONDS: f64 = 0.005;

/// Requests that are being served, and the last that were.
#[derive(Debug, Default)]
pub struct Registry {
    next: AtomicU64,
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    serving: BTreeMap<u64, Arc<Counts>>,
    /// The last first.
    ended: VecDeque<RequestInfo>,
    totals: Totals,
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
    about: About,
    since: Instant,
    /// Its texts, and those of them that have begun and that have come to their end.
    texts: AtomicUsize,
    begun: AtomicUsize,
    ended: AtomicUsize,
    prompt_tokens: AtomicUsize,
    cached_tokens: AtomicUsize,
    read_tokens: AtomicUsize,
    written_tokens: AtomicUsize,
    /// When the first and the latest token came, in microseconds from the beginning; 0 for none yet.
    first_at: AtomicU64,
    latest_at: AtomicU64,
    refused: OnceLock<Outcome>,
    cancel: watch::Sender<bool>,
}

/// Who asks what, and of whom.
#[derive(Clone, Debug)]
pub struct About {
    /// The machine that asks, where it is known.
    pub client: Option<IpAddr>,
    /// The model; empty where a request was refused before one was found.
    pub model: String,
    /// What is asked.
    pub kind: RequestKind,
    /// The path.
    pub route: String,
}

impl Registry {
    /// Adds a request.
    pub fn enter(self: &Arc<Registry>, about: About) -> Ticket {
        let counts = Arc::new(Counts::new(self.id(), about));
        self.lists().serving.insert(counts.id, Arc::clone(&counts));
        Ticket { registry: Arc::clone(self), counts }
    }

    /// A request was refused before it came into the list.
    pub fn turned_away(&self, about: About, outcome: Outcome) {
        let info = Counts::new(self.id(), about).info(Some(outcome));
        self.lists().end(info, outcome);
    }

    /// All that are being served, the first first.
    pub fn list(&self) -> Vec<RequestInfo> {
        self.lists().serving.values().map(|counts| counts.info(None)).collect()
    }

    /// The last that have ended, the last first.
    pub fn ended(&self) -> Vec<RequestInfo> {
        self.lists().ended.iter().cloned().collect()
    }

    /// How many have ended, and how.
    pub fn totals(&self) -> Totals {
        self.lists().totals
    }

    /// Ends one; says whether it was there.
    pub fn cancel(&self, id: u64) -> bool {
        let lists = self.lists();
        lists.serving.get(&id).map(|counts| counts.cancel.send_replace(true)).is_some()
    }

    /// Ends all of them.
    pub fn cancel_all(&self) {
        for counts in self.lists().serving.values() {
            counts.cancel.send_replace(true);
        }
    }

    fn id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists {
    fn end(&mut self, info: RequestInfo, outcome: Outcome) {
        self.totals.ended(outcome);
        self.ended.push_front(info);
        self.ended.truncate(ENDED_MAX);
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

    /// One of its texts came to its end, and so many tokens of its prompt were there already.
    pub fn ended(&self, cached_tokens: usize) {
        self.counts.cached_tokens.fetch_add(cached_tokens, Ordering::Relaxed);
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// It is refused, or breaks off; the first reason counts.
    pub fn refused(&self, refusal: &Refusal) {
        let _ = self.counts.refused.set(Outcome::of(refusal));
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
        let outcome = self.counts.outcome();
        let info = self.counts.info(Some(outcome));
        let mut lists = self.registry.lists();
        lists.serving.remove(&self.counts.id);
        lists.end(info, outcome);
    }
}

impl Counts {
    fn new(id: u64, about: About) -> Counts {
        Counts {
            id,
            about,
            since: Instant::now(),
            texts: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            prompt_tokens: AtomicUsize::new(0),
            cached_tokens: AtomicUsize::new(0),
            read_tokens: AtomicUsize::new(0),
            written_tokens: AtomicUsize::new(0),
            first_at: AtomicU64::new(0),
            latest_at: AtomicU64::new(0),
            refused: OnceLock::new(),
            cancel: watch::Sender::new(false),
        }
    }

    /// How it ended, once nobody serves it any more.
    fn outcome(&self) -> Outcome {
        let texts = self.texts.load(Ordering::Relaxed);
        let whole = texts > 0 && self.ended.load(Ordering::Relaxed) == texts;
        match self.refused.get() {
            _ if *self.cancel.borrow() && !whole => Outcome::Cancelled,
            Some(refused) => *refused,
            None if whole => Outcome::Answered,
            None => Outcome::Left,
        }
    }

    fn info(&self, outcome: Option<Outcome>) -> RequestInfo {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        let (written, time) = (count(&self.written_tokens), self.since.elapsed());
        let (first, latest) = (self.first_at.load(Ordering::Relaxed), self.latest_at.load(Ordering::Relaxed));
        let span = latest.saturating_sub(first) as f64 / 1e6;
        let About { client, model, kind, route } = self.about.clone();
        RequestInfo {
            id: self.id,
            client,
            model,
            kind,
            route,
            state: match (outcome, count(&self.begun), written) {
                (Some(outcome), ..) => RequestState::Ended(outcome),
                (_, 0, _) => RequestState::Waiting,
                (_, _, 0) => RequestState::Reading,
                _ => RequestState::Writing,
            },
            came: self.since,
            time,
            texts: count(&self.texts),
            prompt_tokens: count(&self.prompt_tokens),
            cached_tokens: count(&self.cached_tokens),
            read_tokens: count(&self.read_tokens),
            written_tokens: written,
            first_token_time: (first > 0).then(|| Duration::from_micros(first)),
            written_tokens_per_sec: (written > 1 && span >= SPAN_SECONDS)
                .then(|| (written - 1) as f64 / span),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(route: &str) -> About {
        About { client: None, model: "m".into(), kind: RequestKind::Completion, route: route.into() }
    }

    fn outcomes(registry: &Registry) -> Vec<Outcome> {
        let ended = registry.ended().into_iter().map(|info| match info.state {
            RequestState::Ended(outcome) => outcome,
            state => panic!("{state:?} has ended"),
        });
        ended.collect()
    }

    #[test]
    fn registry_remembers_how_the_last_requests_ended() {
        let registry = Arc::<Registry>::default();
        let refused = Outcome::Refused { status: 408, code: Some("timeout") };
        let timed_out = Refusal::timed_out(Duration::from_secs(1));
        let [whole, half, late, gone] = ["whole", "half", "late", "gone"].map(|r| registry.enter(about(r)));
        for ticket in [&whole, &half, &late, &gone] {
            ticket.asks(2, 10);
        }
        whole.ended(3);
        whole.ended(4);
        assert!(registry.cancel(half.counts.id));
        half.ended(0);
        half.refused(&Refusal::cancelled());
        late.refused(&timed_out);
        late.refused(&Refusal::draining());
        assert_eq!((registry.list().len(), registry.ended().len()), (4, 0));
        drop((whole, half, late, gone));
        let expected = [Outcome::Left, refused, Outcome::Cancelled, Outcome::Answered];
        assert_eq!(outcomes(&registry), expected);
        assert_eq!((registry.list().len(), registry.ended()[3].cached_tokens), (0, 7));
        registry.turned_away(about("early"), Outcome::Refused { status: 401, code: None });
        assert_eq!(registry.totals(), Totals { answered: 1, cancelled: 1, left: 1, refused: 2 });
        for _ in 0..2 * ENDED_MAX {
            registry.enter(about("next"));
        }
        assert_eq!((outcomes(&registry).len(), registry.totals().left), (50, 101));
    }
}
