//! When to stop waiting for work to end in good order. The first request asks for that; only a person who presses
//! Ctrl-C again, having had time to see that it was heard, gives up what is not saved.

use std::time::{Duration, Instant};

use super::Signal;

/// Ctrl-C within this time after the first is the same wish: keys bounce, and shells pass on what the kernel sent already.
const ONE_REQUEST: Duration = Duration::from_secs(1);

/// What a request to stop means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Stop in good order.
    Stop,
    /// Nothing more than was asked before.
    Again,
    /// Leave at once.
    Leave,
}

/// Requests to stop so far.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    asked: Option<Instant>,   // the first of any kind
    pressed: Option<Instant>, // the first Ctrl-C
}

impl Patience {
    /// Nobody has asked yet.
    pub const fn new() -> Self {
        Patience { asked: None, pressed: None }
    }

    /// Takes note of a request that came `now`.
    pub fn hear(&mut self, signal: Signal, now: Instant) -> Heard {
        if signal == Signal::Interrupt {
            match self.pressed {
                None => self.pressed = Some(now),
                Some(first) if now.duration_since(first) >= ONE_REQUEST => return Heard::Leave,
                Some(_) => {}
            }
        }
        if self.asked.replace(self.asked.unwrap_or(now)).is_some() { Heard::Again } else { Heard::Stop }
    }

    /// Whether a request that comes `now` is an echo of the first, however far the work has come to its end meanwhile.
    pub fn is_echo(&self, now: Instant) -> bool {
        self.asked.is_some_and(|first| now.duration_since(first) < ONE_REQUEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_at_a_second_ctrl_c_a_second_later() {
        use Heard::{Again, Leave, Stop};
        use Signal::{Interrupt, Terminate};
        let cases: &[&[(Signal, u64, Heard)]] = &[
            &[
                (Interrupt, 0, Stop),
                (Interrupt, 10, Again),
                (Interrupt, 999, Again),
                (Interrupt, 1000, Leave),
            ],
            &[(Terminate, 0, Stop), (Terminate, 5, Again), (Terminate, 60_000, Again)],
            // A terminal closes, and its shell passes the word on.
            &[(Interrupt, 0, Stop), (Terminate, 2000, Again), (Interrupt, 2001, Leave)],
            // A person's first Ctrl-C after the system's request is a first one.
            &[
                (Terminate, 0, Stop),
                (Interrupt, 5000, Again),
                (Interrupt, 5500, Again),
                (Interrupt, 6000, Leave),
            ],
        ];
        let start = Instant::now();
        let (mut patience, echo) =
            (Patience::new(), |p: &Patience, ms| p.is_echo(start + Duration::from_millis(ms)));
        assert!(!echo(&patience, 0));
        patience.hear(Terminate, start);
        assert!(echo(&patience, 999) && !echo(&patience, 1000));
        for case in cases {
            let mut patience = Patience::new();
            for &(signal, ms, expected) in *case {
                let heard = patience.hear(signal, start + Duration::from_millis(ms));
                assert_eq!(heard, expected, "{signal:?} at {ms} ms of {case:?}");
            }
        }
    }
}
