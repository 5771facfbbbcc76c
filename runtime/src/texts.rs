//! The texts that a worker on the processor remembers: their tokens, and keys and values of each, in pages of one pool.

use std::ops::Index;

use cpu::Kernels;
use half::f16;
use model::config::ModelConfig;

use crate::by_text::ByText;
use crate::error::{Error, Result};
use crate::kv::{KvMemory, PAGE_TOKENS, PagePool, PageShape, PageTable};
use crate::pass::{Span, TextId};

/// One text.
#[derive(Debug)]
pub struct Text {
    /// What it holds.
    pub tokens: Vec<u32>,
    /// Most tokens that it may hold.
    pub context: usize,
    /// Keys and values of its tokens.
    table: PageTable,
}

/// All of them. An id is given again once its text is closed.
#[derive(Debug)]
pub struct Texts {
    pool: PagePool,
    texts: ByText<Text>,
    /// One key on its way to being transposed.
    key: Vec<f16>,
}

impl Texts {
    /// None yet, for a model of this shape.
    pub fn new(config: &ModelConfig) -> Self {
        Texts { pool: PagePool::new(PageShape::new(config)), texts: ByText::new(), key: Vec::new() }
    }

    /// An empty text of up to `context` tokens.
    pub fn open(&mut self, context: usize) -> TextId {
        self.texts.add(Text { tokens: Vec::new(), context, table: PageTable::default() })
    }

    /// A text with the first `len` tokens of another, whose pages it shares.
    pub fn fork(&mut self, text: TextId, len: usize) -> TextId {
        let Text { tokens, context, table } = &self.texts[text];
        let len = len.min(tokens.len());
        let (tokens, context) = (tokens[..len].to_vec(), *context);
        let table = table.fork(&mut self.pool, len);
        self.texts.add(Text { tokens, context, table })
    }

    /// Forgets one.
    pub fn close(&mut self, text: TextId) {
        self.truncate(text, 0);
        self.texts.remove(text);
    }

    /// Forgets all but the first `len` tokens of one.
    pub fn truncate(&mut self, text: TextId, len: usize) {
        let there = &mut self.texts[text];
        there.tokens.truncate(len);
        there.table.truncate(&mut self.pool, there.tokens.len());
    }

    /// Has texts hold more tokens, whose keys and values are stored by and by.
    pub fn extend(&mut self, text: TextId, tokens: &[u32]) {
        self.texts[text].tokens.extend_from_slice(tokens);
    }

    /// Makes room for the tokens of a pass, each text at most once in it.
    ///
    /// # Errors
    /// More pages than there may be; nothing has changed then.
    pub fn reserve(&mut self, spans: &[Span<'_>]) -> Result<()> {
        let spans = || spans.iter().filter(|span| !span.tokens.is_empty());
        if let Some(limit) = self.pool.limit() {
            let (mut needed, mut copied) = (self.pool.memory().pages, Vec::new());
            for span in spans() {
                let text = &self[span.text];
                let end = text.tokens.len() + span.tokens.len();
                needed += end.div_ceil(PAGE_TOKENS) - text.table.len();
                copied.extend(text.table.shared_at(&self.pool, text.tokens.len()));
            }
            copied.sort_unstable();
            // Where all who hold a page write, the last of them keeps it.
            let copies = |same: &[_]| same.len().min(self.pool.holders(same[0]) - 1);
            needed += copied.chunk_by(|a, b| a == b).map(copies).sum::<usize>();
            if needed > limit {
                return Err(Error::KvFull { needed, limit });
            }
        }
        for span in spans() {
            let text = &mut self.texts[span.text];
            let held = text.tokens.len();
            text.table.reserve(&mut self.pool, held, held + span.tokens.len());
        }
        Ok(())
    }

    /// Stores keys and values of tokens of a text, as [`PageTable::store`] says.
    pub fn store(
        &mut self,
        text: TextId,
        kernels: &Kernels,
        block: usize,
        first: usize,
        rows: &[f32],
        row: usize,
    ) {
        let table = &self.texts[text].table;
        table.store(&mut self.pool, kernels, block, first, rows, row, &mut self.key);
    }

    /// The pages of a text.
    pub fn pages(&self, text: TextId) -> Vec<&[f16]> {
        self[text].table.get(&self.pool)
    }

    /// How pages are laid out.
    pub fn shape(&self) -> PageShape {
        self.pool.shape()
    }

    /// What keys and values take.
    pub fn memory(&self) -> KvMemory {
        self.pool.memory()
    }

    /// Bytes of the pages of a text, whoever else holds them.
    pub fn bytes(&self, text: TextId) -> usize {
        self[text].table.len() * self.pool.page_bytes()
    }

    /// Most pages there may be.
    pub fn set_limit(&mut self, pages: Option<usize>) {
        self.pool.set_limit(pages);
    }
}

impl Index<TextId> for Texts {
    type Output = Text;

    fn index(&self, text: TextId) -> &Text {
        &self.texts[text]
    }
}
