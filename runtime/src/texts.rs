//! The texts that a worker on the processor remembers: their tokens, and keys and values of each.

use std::ops::{Index, IndexMut};

use model::config::ModelConfig;

use crate::kv_cache::KvCache;
use crate::pass::TextId;

/// One text.
#[derive(Debug)]
pub struct Text {
    /// What it holds.
    pub tokens: Vec<u32>,
    /// Most tokens that it may hold.
    pub context: usize,
    /// Keys and values of its tokens.
    pub cache: KvCache,
}

/// All of them. An id is given again once its text is closed.
#[derive(Debug)]
pub struct Texts {
    config: ModelConfig,
    texts: Vec<Option<Text>>,
}

impl Texts {
    /// None yet, for a model of this shape.
    pub fn new(config: &ModelConfig) -> Self {
        Texts { config: config.clone(), texts: Vec::new() }
    }

    /// An empty text of up to `context` tokens.
    pub fn open(&mut self, context: usize) -> TextId {
        let text = Text { tokens: Vec::new(), context, cache: KvCache::new(&self.config) };
        let free = self.texts.iter().position(Option::is_none).unwrap_or(self.texts.len());
        if free == self.texts.len() {
            self.texts.push(None);
        }
        self.texts[free] = Some(text);
        TextId(free)
    }

    /// Forgets one.
    pub fn close(&mut self, text: TextId) {
        self.texts[text.0] = None;
    }
}

impl Index<TextId> for Texts {
    type Output = Text;

    fn index(&self, text: TextId) -> &Text {
        self.texts[text.0].as_ref().expect("a text is used until it is closed")
    }
}

impl IndexMut<TextId> for Texts {
    fn index_mut(&mut self, text: TextId) -> &mut Text {
        self.texts[text.0].as_mut().expect("a text is used until it is closed")
    }
}
