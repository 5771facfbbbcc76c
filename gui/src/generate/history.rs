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
    /// The version it was made from.
    parent: Option<usize>,
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

    /// Keeps a version made from the one at the cursor, unless it is that one.
    pub fn keep(&mut self, text: &Manuscript, figures: Option<Figures>, from: usize) {
        let parent = (!self.versions.is_empty()).then_some(self.cursor);
        self.keep_from(parent, text, figures, from);
    }

    /// Keeps a version made from the same one as the one at the cursor: another try.
    pub fn keep_beside(&mut self, text: &Manuscript, figures: Option<Figures>, from: usize) {
        let parent = self.versions.get(self.cursor).and_then(|v| v.parent);
        self.keep_from(parent, text, figures, from);
    }

    fn keep_from(
        &mut self,
        mut parent: Option<usize>,
        text: &Manuscript,
        figures: Option<Figures>,
        from: usize,
    ) {
        if let Some(v) = self.versions.get_mut(self.cursor).filter(|v| v.text.buffer == text.buffer) {
            v.figures = figures.or(v.figures.take());
            return;
        }
        if self.versions.len() == KEPT {
            self.versions.remove(0);
            let before = |p: Option<usize>| p.and_then(|p| p.checked_sub(1));
            self.versions.iter_mut().for_each(|v| v.parent = before(v.parent));
            parent = before(parent);
        }
        self.versions.push(Version { text: text.clone(), figures, at: Instant::now(), from, parent });
        self.cursor = self.versions.len() - 1;
    }

    /// Goes to a version.
    pub fn go(&mut self, index: usize) -> Option<&Version> {
        let version = self.versions.get(index)?;
        self.cursor = index;
        Some(version)
    }

    /// The version that the one at the cursor was made from.
    pub fn before(&self) -> Option<usize> {
        self.versions.get(self.cursor)?.parent
    }

    /// The last version that was made from the one at the cursor.
    pub fn after(&self) -> Option<usize> {
        self.versions.iter().rposition(|v| v.parent == Some(self.cursor))
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
        assert_eq!((h.versions().len(), h.before(), h.after()), (3, Some(1), None));
        assert_eq!(h.go(1).unwrap().text.buffer, "ab");
        h.keep(&Manuscript::typed("abd"), None, 0);
        let texts: Vec<_> = h.versions().iter().map(|v| v.text.buffer.as_str()).collect();
        assert_eq!(texts, ["a", "ab", "abc", "abd"]);
        // Back to what both were made from; forward to the newer.
        assert_eq!((h.cursor(), h.before()), (3, Some(1)));
        h.go(1);
        assert_eq!((h.before(), h.after()), (Some(0), Some(3)));
        h.go(3);
        h.keep_beside(&Manuscript::typed("abe"), None, 0);
        assert_eq!((h.cursor(), h.before()), (4, Some(1)));
        assert!(h.go(9).is_none() && h.cursor() == 4);
    }

    #[test]
    fn history_forgets_the_oldest_and_still_knows_what_was_made_from_what() {
        let mut h = History::default();
        for i in 0..KEPT + 3 {
            h.keep(&Manuscript::typed(i.to_string()), None, 0);
        }
        assert_eq!((h.versions().len(), h.cursor(), h.before()), (KEPT, KEPT - 1, Some(KEPT - 2)));
        h.go(0);
        assert_eq!((h.before(), h.after()), (None, Some(1)));
    }
}
