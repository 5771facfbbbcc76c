//! Earlier versions of the text: each one a step can be taken back to, and every branch that was left.

use std::time::Instant;

use super::manuscript::Manuscript;
use super::writer::Figures;

/// Versions that are kept.
const KEPT: usize = 200;

/// One version.
#[derive(Clone, Debug)]
pub struct Version {
    /// The text.
    pub text: Manuscript,
    /// How it was made, if the model made it.
    pub figures: Option<Figures>,
    /// When.
    pub at: Instant,
    /// Where the model began to write.
    pub from: usize,
}

/// All versions; the one on the page is at the cursor, or has been changed since.
#[derive(Debug, Default)]
pub struct History {
    versions: Vec<Version>,
    cursor: usize,
}

impl History {
    /// The versions, the oldest first.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The version that the page shows or was made from.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Keeps a version, unless it is the one at the cursor. Versions behind the cursor stay: they are branches.
    pub fn keep(&mut self, text: &Manuscript, figures: Option<Figures>, from: usize) {
        if let Some(v) = self.versions.get_mut(self.cursor).filter(|v| v.text.buffer == text.buffer) {
            v.figures = figures.or(v.figures.take());
            return;
        }
        if self.versions.len() == KEPT {
            self.versions.remove(0);
        }
        self.versions.push(Version { text: text.clone(), figures, at: Instant::now(), from });
        self.cursor = self.versions.len() - 1;
    }

    /// Goes to a version.
    pub fn go(&mut self, index: usize) -> Option<&Version> {
        let version = self.versions.get(index)?;
        self.cursor = index;
        Some(version)
    }

    /// Whether there is a version before.
    pub fn can_undo(&self) -> bool {
        self.cursor > 0
    }

    /// Whether there is one after.
    pub fn can_redo(&self) -> bool {
        self.cursor + 1 < self.versions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_keeps_branches_and_goes_both_ways() {
        let mut h = History::default();
        for text in ["a", "ab", "ab", "abc"] {
            h.keep(&Manuscript::typed(text), None, 0);
        }
        assert_eq!(h.versions().len(), 3);
        assert!(h.can_undo() && !h.can_redo());
        assert_eq!(h.go(1).unwrap().text.buffer, "ab");
        h.keep(&Manuscript::typed("abd"), None, 0);
        assert_eq!(
            h.versions().iter().map(|v| v.text.buffer.as_str()).collect::<Vec<_>>(),
            ["a", "ab", "abc", "abd"]
        );
        assert!(h.go(9).is_none() && h.cursor() == 3);
    }
}
