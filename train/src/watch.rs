//! Long work before a run's first step, learning a vocabulary say: how far it is, and whether it is to stop. What to do about either
//! is its caller's business.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::run::{Event, Observer};

/// Time between two words about how far something is. Work that is done sooner says nothing at all.
const QUIET: Duration = Duration::from_millis(200);

/// See the top of this file.
pub struct Watch<'a> {
    observer: &'a mut dyn Observer,
    cancel: &'a AtomicBool,
    beginning: Option<String>, // not said yet
    silent_until: Instant,
}

impl Watch<'static> {
    /// Nobody listens, and nothing stops.
    pub fn nobody() -> Watch<'static> {
        static NEVER: AtomicBool = AtomicBool::new(false);
        // An observer of no size, so nothing is lost.
        Watch::new(Box::leak(Box::new(())), &NEVER)
    }
}

impl<'a> Watch<'a> {
    /// Tells `observer`, and stops once `cancel` is set.
    pub fn new(observer: &'a mut dyn Observer, cancel: &'a AtomicBool) -> Watch<'a> {
        Watch { observer, cancel, beginning: None, silent_until: Instant::now() + QUIET }
    }

    /// Passes a remark on.
    pub fn note(&mut self, text: &str) {
        self.observer.event(Event::Note(text));
    }

    /// Work of which `what` is a remark begins: "encoding 5.0 MB of text". It is passed on if the work lasts.
    pub fn begin(&mut self, what: String) {
        self.beginning = Some(what);
        self.silent_until = Instant::now() + QUIET;
    }

    /// To be called every few milliseconds: `done` parts of `of` are done of the work that `what` names, "counting words" say.
    ///
    /// # Errors
    /// [`Error::Stopped`] once the flag is set.
    pub fn at(&mut self, what: &str, done: usize, of: usize) -> Result<()> {
        if self.cancel.load(Ordering::SeqCst) {
            return Err(Error::Stopped);
        }
        let now = Instant::now();
        if now >= self.silent_until {
            self.silent_until = now + QUIET;
            if let Some(beginning) = self.beginning.take() {
                self.note(&beginning);
            }
            self.observer.event(Event::Preparing { what, share: done as f64 / of.max(1) as f64 });
        }
        Ok(())
    }
}

/// A number of bytes for a remark: `5.4 kB`, `1.0 MB`.
pub fn size(bytes: usize) -> String {
    match bytes {
        ..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Heard(Vec<String>);

    impl Observer for Heard {
        fn event(&mut self, event: Event<'_>) {
            self.0.push(format!("{event:?}"));
        }
    }

    #[test]
    fn watch_tells_of_what_lasts_and_stops_when_asked() {
        let (mut heard, cancel) = (Heard(Vec::new()), AtomicBool::new(false));
        let mut watch = Watch::new(&mut heard, &cancel);
        watch.begin("doing all of it".into());
        watch.at("doing", 1, 4).unwrap();
        watch.silent_until = Instant::now();
        watch.at("doing", 2, 4).unwrap();
        watch.at("doing", 3, 4).unwrap();
        cancel.store(true, Ordering::SeqCst);
        assert!(matches!(watch.at("doing", 4, 4), Err(Error::Stopped)));
        let told = ["Note(\"doing all of it\")", "Preparing { what: \"doing\", share: 0.5 }"];
        assert_eq!(heard.0, told);
    }

    #[test]
    fn size_is_short() {
        assert_eq!((size(5_400), size(1_004_000)), ("5.4 kB".into(), "1.0 MB".into()));
    }
}
