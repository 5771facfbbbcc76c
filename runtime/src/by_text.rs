//! What a worker keeps for each of its texts, found by the text's id.

use std::ops::{Index, IndexMut};

use crate::pass::TextId;

/// One `T` for each open text. An id is given again, the lowest first, once its text is closed.
#[derive(Debug)]
pub struct ByText<T>(Vec<Option<T>>);

const OPEN: &str = "a text is used until it is closed";

impl<T> ByText<T> {
    /// No texts yet.
    pub fn new() -> Self {
        ByText(Vec::new())
    }

    /// Adds what is kept for a new text.
    pub fn add(&mut self, of_text: T) -> TextId {
        let free = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        if free == self.0.len() {
            self.0.push(None);
        }
        self.0[free] = Some(of_text);
        TextId(free)
    }

    /// What is kept for each.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// Lets go of it.
    pub fn remove(&mut self, text: TextId) {
        self.0[text.0] = None;
    }
}

impl<T> Index<TextId> for ByText<T> {
    type Output = T;

    fn index(&self, text: TextId) -> &T {
        self.0[text.0].as_ref().expect(OPEN)
    }
}

impl<T> IndexMut<TextId> for ByText<T> {
    fn index_mut(&mut self, text: TextId) -> &mut T {
        self.0[text.0].as_mut().expect(OPEN)
    }
}
