//! How long cells take on this machine, learned while they are measured, and what that says of those to come.

use std::collections::HashMap;
use std::time::Duration;

use bench::{Cell, Work};

/// What has been learned.
#[derive(Debug, Default)]
pub struct Pace {
    /// Seconds of a cell, by name.
    cells: HashMap<String, f64>,
    /// Seconds of a token, by backend and whether it was part of a prompt.
    tokens: HashMap<(String, bool), f64>,
    /// Seconds taken and least seconds, by backend.
    times: HashMap<String, (f64, f64)>,
}

/// What is to be expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// All cells together.
    pub seconds: f64,
    /// Whether every cell is in it; else it takes longer.
    pub whole: bool,
}

impl Estimate {
    /// `about 8 s`, or `8 s or more` where not every cell is in it.
    pub fn words(self) -> String {
        let time = crate::widgets::duration(Duration::from_secs_f64(self.seconds.max(1.0)));
        if self.whole { format!("about {time}") } else { format!("{time} or more") }
    }
}

impl Pace {
    /// A cell took this long.
    pub fn learn(&mut self, cell: &Cell, seconds: f64) {
        self.cells.insert(cell.name.clone(), seconds);
        match cell.work {
            Work::Time(least) if !least.is_zero() => {
                let (taken, all) = self.times.entry(cell.backend.clone()).or_default();
                *taken += seconds;
                *all += least.as_secs_f64();
            }
            Work::Time(_) => {}
            Work::Prompt(tokens) | Work::Tokens(tokens) => {
                let prompt = matches!(cell.work, Work::Prompt(_));
                self.tokens.insert((cell.backend.clone(), prompt), seconds / tokens.max(1) as f64);
            }
        }
    }

    /// How long these will take.
    pub fn guess<'a>(&self, cells: impl IntoIterator<Item = &'a Cell>) -> Estimate {
        let mut estimate = Estimate { seconds: 0.0, whole: true };
        for cell in cells {
            match self.seconds(cell) {
                Some(seconds) => estimate.seconds += seconds,
                None => estimate.whole = false,
            }
        }
        estimate
    }

    fn seconds(&self, cell: &Cell) -> Option<f64> {
        if let Some(seconds) = self.cells.get(&cell.name) {
            return Some(*seconds);
        }
        match cell.work {
            Work::Time(least) => {
                let (taken, all) = self.times.get(&cell.backend).copied().unwrap_or((1.0, 1.0));
                Some(least.as_secs_f64() * taken / all)
            }
            Work::Prompt(n) => Some(n as f64 * self.tokens.get(&(cell.backend.clone(), true))?),
            Work::Tokens(n) => Some(n as f64 * self.tokens.get(&(cell.backend.clone(), false))?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str, work: Work) -> Cell {
        Cell { name: name.into(), backend: "avx2".into(), work }
    }

    #[test]
    fn estimates_begin_with_the_least_and_learn() {
        let mut pace = Pace::default();
        let timed = cell("a product", Work::Time(Duration::from_millis(100)));
        let tokens = cell("tg8", Work::Tokens(80));
        let all = [timed.clone(), timed.clone(), tokens.clone()];
        assert_eq!(pace.guess(&all[..2]), Estimate { seconds: 0.2, whole: true });
        assert_eq!(pace.guess(&all), Estimate { seconds: 0.2, whole: false });
        pace.learn(&tokens, 4.0);
        assert_eq!(pace.guess(&[cell("tg16", Work::Tokens(160))]).seconds, 8.0);
        pace.learn(&cell("another product", Work::Time(Duration::from_millis(50))), 0.1);
        assert!((pace.guess(&[timed]).seconds - 0.2).abs() < 1e-12, "twice its least, as the other");
        assert_eq!(pace.guess(&[tokens]), Estimate { seconds: 4.0, whole: true });
        assert_eq!(Estimate { seconds: 75.0, whole: true }.words(), "about 1:15");
        assert_eq!(Estimate { seconds: 9.0, whole: false }.words(), "9.0 s or more");
    }
}
