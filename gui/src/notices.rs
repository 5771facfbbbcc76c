//! What the app says without being asked: a line at the edge that goes away by itself, or stays until it is read if
//! something is wrong. All of them stay in a list.

use std::time::{Duration, Instant};

/// How long a line stays that only informs.
const SHOWN: Duration = Duration::from_secs(5);
/// Lines that are kept.
const KEPT: usize = 500;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// For information.
    Info,
    /// Went well.
    Good,
    /// Not as asked, but the work goes on.
    Warn,
    /// Did not work.
    Bad,
}

#[derive(Clone, Debug)]
pub struct Notice {
    /// How bad.
    pub severity: Severity,
    /// What happened, why, what to do.
    pub text: String,
    /// When.
    pub at: Instant,
    /// Gone from the edge.
    pub read: bool,
}

#[derive(Debug, Default)]
pub struct Notices {
    lines: Vec<Notice>,
    /// Whether the list is open.
    pub open: bool,
}

impl Notices {
    pub fn say(&mut self, severity: Severity, text: impl Into<String>) {
        let text = text.into();
        // Said again while it is still on show, it is the same line.
        if self.lines.iter().any(|n| !n.read && n.text == text) {
            return;
        }
        if self.lines.len() == KEPT {
            self.lines.remove(0);
        }
        self.lines.push(Notice { severity, text, at: Instant::now(), read: false });
    }

    /// For information.
    pub fn info(&mut self, text: impl Into<String>) {
        self.say(Severity::Info, text);
    }

    /// Something went well.
    pub fn good(&mut self, text: impl Into<String>) {
        self.say(Severity::Good, text);
    }

    /// Not as asked.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.say(Severity::Warn, text);
    }

    /// Did not work.
    pub fn bad(&mut self, text: impl Into<String>) {
        self.say(Severity::Bad, text);
    }

    /// All lines, the oldest first.
    pub fn lines(&self) -> &[Notice] {
        &self.lines
    }

    /// Takes lines from the edge whose time is over; says when the next one's will be.
    pub fn expire(&mut self) -> Option<Duration> {
        for n in &mut self.lines {
            n.read |= matches!(n.severity, Severity::Info | Severity::Good) && n.at.elapsed() >= SHOWN;
        }
        let passing =
            self.lines.iter().filter(|n| !n.read && matches!(n.severity, Severity::Info | Severity::Good));
        passing.map(|n| SHOWN.saturating_sub(n.at.elapsed())).min()
    }

    /// Takes one line from the edge.
    pub fn dismiss(&mut self, index: usize) {
        if let Some(n) = self.lines.get_mut(index) {
            n.read = true;
        }
    }
}
