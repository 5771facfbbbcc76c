//! Earlier versions of the text: each one a step can be taken back to, and every branch that was left.

use std::time::Instant;

use super::made::Made;
use super::manuscript::Manuscript;

/// Versions that are kept, and tokens and bytes of all of them together: a long text has fewer.
const KEPT: usize = 200;
const KEPT_SIZE: usize = 1 << 20;

/// A state of the page that can be gone back to.
#[derive(Clone, Debug)]
pub struct Version {
    pub text: Manuscript,
    /// How it was made, if the model made it.
    pub made: Option<Made>,
    /// When.
    pub at: Instant,
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

    /// Keeps a version made from the one at the cursor, unless it is that one; answers how many of the oldest had to go for it.
    pub fn keep(&mut self, text: &Manuscript, made: Option<Made>) -> usize {
        let parent = (!self.versions.is_empty()).then_some(self.cursor);
        self.keep_from(parent, text, made)
    }

    /// Keeps a version made from the same one as the one at the cursor: another try.
    pub fn keep_beside(&mut self, text: &Manuscript, made: Option<Made>) {
        let parent = self.versions.get(self.cursor).and_then(|v| v.parent);
        self.keep_from(parent, text, made);
    }

    fn keep_from(&mut self, mut parent: Option<usize>, text: &Manuscript, made: Option<Made>) -> usize {
        if let Some(v) = self.versions.get_mut(self.cursor).filter(|v| v.text.buffer == text.buffer) {
            v.made = made.or(v.made.take());
            return 0;
        }
        let size = |text: &Manuscript| text.tokens().len() + text.buffer.len();
        let mut all = size(text) + self.versions.iter().map(|v| size(&v.text)).sum::<usize>();
        let before = self.versions.len();
        while self.versions.len() >= KEPT || (all > KEPT_SIZE && self.versions.len() > 1) {
            all -= size(&self.versions.remove(0).text);
            let one_less = |p: Option<usize>| p.and_then(|p| p.checked_sub(1));
            self.versions.iter_mut().for_each(|v| v.parent = one_less(v.parent));
            parent = one_less(parent);
        }
        let gone = before - self.versions.len();
        self.versions.push(Version { text: text.clone(), made, at: Instant::now(), parent });
        self.cursor = self.versions.len() - 1;
        gone
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
            h.keep(&Manuscript::typed(text), None);
        }
        assert_eq!((h.versions().len(), h.before(), h.after()), (3, Some(1), None));
        assert_eq!(h.go(1).unwrap().text.buffer, "ab");
        h.keep(&Manuscript::typed("abd"), None);
        let texts: Vec<_> = h.versions().iter().map(|v| v.text.buffer.as_str()).collect();
        assert_eq!(texts, ["a", "ab", "abc", "abd"]);
        // Back to what both were made from; forward to the newer.
        assert_eq!((h.cursor(), h.before()), (3, Some(1)));
        h.go(1);
        assert_eq!((h.before(), h.after()), (Some(0), Some(3)));
        h.go(3);
        h.keep_beside(&Manuscript::typed("abe"), None);
        assert_eq!((h.cursor(), h.before()), (4, Some(1)));
        assert!(h.go(9).is_none() && h.cursor() == 4);
    }

    #[test]
    fn history_forgets_the_oldest_and_still_knows_what_was_made_from_what() {
        let mut h = History::default();
        for i in 0..KEPT + 3 {
            h.keep(&Manuscript::typed(i.to_string()), None);
        }
        assert_eq!((h.versions().len(), h.cursor(), h.before()), (KEPT, KEPT - 1, Some(KEPT - 2)));
        h.go(0);
        assert_eq!((h.before(), h.after()), (None, Some(1)));
        // Of long texts fewer are kept, and the last two in any case.
        for c in ["a", "b", "c"] {
            h.keep(&Manuscript::typed(c.repeat(KEPT_SIZE)), None);
        }
        let firsts: Vec<_> = h.versions().iter().map(|v| &v.text.buffer[..1]).collect();
        assert_eq!((firsts, h.cursor(), h.before()), (vec!["b", "c"], 1, Some(0)));
    }
}
