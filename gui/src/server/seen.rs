//! What was last seen of a server: its requests, how the last ones ended, and how fast it writes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serve::{RequestInfo, RequestState, Totals};

/// The speed of writing is that of so long a time.
const WINDOW: Duration = Duration::from_secs(2);
/// Two looks have at least so much between them where the speed is told from them.
const APART: Duration = Duration::from_millis(100);

/// See the top of this file.
#[derive(Debug, Default)]
pub struct Seen {
    /// Requests that are being answered, the last first.
    pub serving: Vec<RequestInfo>,
    /// The last that have ended, the last first.
    pub ended: Vec<RequestInfo>,
    pub totals: Totals,
    /// When so many tokens had been written.
    written: VecDeque<(Instant, u64)>,
}

impl Seen {
    /// Looks again.
    pub fn look(&mut self, server: &serve::Server) {
        // In this order none is in neither list.
        self.serving = server.requests();
        self.serving.reverse();
        self.ended = server.ended();
        self.serving.retain(|request| !self.ended.iter().any(|ended| ended.id == request.id));
        self.totals = server.totals();
        self.note(Instant::now(), server.written_tokens());
    }

    /// How many wait for others.
    pub fn waiting(&self) -> usize {
        self.serving.iter().filter(|request| request.state == RequestState::Waiting).count()
    }

    /// Tokens written per second just now, for all requests together.
    pub fn tokens_per_sec(&self) -> f64 {
        match (self.written.front(), self.written.back()) {
            (Some((from, before)), Some((to, after))) if *to - *from >= APART => {
                (after - before) as f64 / (*to - *from).as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// All rows: those being answered, then those that have ended.
    pub fn rows(&self) -> impl Iterator<Item = &RequestInfo> {
        self.serving.iter().chain(&self.ended)
    }

    fn note(&mut self, now: Instant, written: u64) {
        while self.written.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.written.pop_front();
        }
        if self.written.back().is_none_or(|(at, _)| now - *at >= APART) {
            self.written.push_back((now, written));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_that_of_the_last_seconds() {
        let (mut seen, begin) = (Seen::default(), Instant::now());
        assert_eq!(seen.tokens_per_sec(), 0.0);
        let mut at = |seconds: f64, written: u64| {
            seen.note(begin + Duration::from_secs_f64(seconds), written);
            seen.tokens_per_sec().round()
        };
        let told = [(0.0, 0), (0.01, 5), (1.0, 100), (1.5, 150), (3.0, 300), (3.2, 300), (9.0, 300)];
        assert_eq!(told.map(|(s, n)| at(s, n)), [0.0, 0.0, 100.0, 100.0, 100.0, 88.0, 0.0]);
    }
}
