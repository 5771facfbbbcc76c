//! The texts that a worker remembers: their tokens, and keys and values of each, in pages of one pool.

use std::collections::VecDeque;
use std::ops::Index;

use cpu::Kernels;
use half::f16;

use crate::by_text::ByText;
use crate::error::{Error, Result};
use crate::kv::{HostPages, KvMemory, PAGE_TOKENS, PageId, PagePool, PageShape, PageStore, PageTable};
use crate::pass::{Span, TextId, check};
use crate::pieces::Piece;

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
pub struct Texts<S> {
    pool: PagePool<S>,
    texts: ByText<Text>,
}

impl<S: PageStore> Texts<S> {
    /// None yet, whose pages will lie in `store`.
    pub fn new(store: S) -> Self {
        Texts { pool: PagePool::new(store), texts: ByText::new() }
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

    /// Begins a pass: makes room for its tokens, each text at most once in it, and says what is to be read in which order.
    ///
    /// # Errors
    /// As [`Worker::pass`](crate::pass::Worker::pass) says; nothing has changed then.
    pub fn begin<'t>(&mut self, spans: &[Span<'t>], vocab: usize) -> Result<VecDeque<Piece<'t>>> {
        for span in spans {
            let text = &self[span.text];
            check(span, vocab, text.tokens.len(), text.context)?;
        }
        self.reserve(spans)?;
        let piece = |(i, span): (usize, &Span<'t>)| {
            let &Span { text, tokens, want } = span;
            Piece { span: i, text, first: self[text].tokens.len(), tokens, want }
        };
        Ok(spans.iter().enumerate().filter(|(_, span)| !span.tokens.is_empty()).map(piece).collect())
    }

    /// Has texts be what they were before [`begin`](Self::begin) gave these.
    pub fn undo(&mut self, begun: &VecDeque<Piece<'_>>) {
        begun.iter().for_each(|piece| self.truncate(piece.text, piece.first));
    }

    fn reserve(&mut self, spans: &[Span<'_>]) -> Result<()> {
        let spans = || spans.iter().filter(|span| !span.tokens.is_empty());
        if let Some(limit) = self.pool.limit() {
            let (mut needed, mut copied) = (self.pool.memory().pages, Vec::new());
            for span in spans() {
                let text = &self[span.text];
                let end = text.tokens.len() + span.tokens.len();
                needed += end.div_ceil(PAGE_TOKENS) - text.table.pages().len();
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

    /// The pages of a text, in order.
    pub fn table(&self, text: TextId) -> &[PageId] {
        self[text].table.pages()
    }

    /// Pages of all texts together were each as long as it may be and shared nothing.
    pub fn pages_most(&self) -> usize {
        self.texts.iter().map(|text| text.context.div_ceil(PAGE_TOKENS)).sum()
    }

    /// Most pages that were allowed, whether there is room for them or not.
    pub fn pages_allowed(&self) -> Option<usize> {
        self.pool.allowed()
    }

    /// Where pages lie.
    pub fn store(&self) -> &S {
        self.pool.store()
    }

    /// Where pages lie, to be given more room.
    pub fn store_mut(&mut self) -> &mut S {
        self.pool.store_mut()
    }

    /// What keys and values take.
    pub fn memory(&self) -> KvMemory {
        self.pool.memory()
    }

    /// Bytes of the pages of a text, whoever else holds them.
    pub fn bytes(&self, text: TextId) -> usize {
        self.table(text).len() * self.pool.store().page_bytes()
    }

    /// Most pages there may be.
    pub fn set_limit(&mut self, pages: Option<usize>) {
        self.pool.set_limit(pages);
    }
}

impl Texts<HostPages> {
    /// Stores keys and values of tokens of a text, as [`PagePool::write`] says.
    pub fn write(
        &mut self,
        text: TextId,
        kernels: &Kernels,
        block: usize,
        first: usize,
        rows: &[f32],
        row: usize,
    ) {
        let table = &self.texts[text].table;
        self.pool.write(table, kernels, block, first, rows, row);
    }

    /// The pages of a text.
    pub fn pages(&self, text: TextId) -> Vec<&[f16]> {
        self.pool.read(&self[text].table)
    }

    /// How pages are laid out.
    pub fn shape(&self) -> PageShape {
        self.pool.shape()
    }
}

impl<S> Index<TextId> for Texts<S> {
    type Output = Text;

    fn index(&self, text: TextId) -> &Text {
        &self.texts[text]
    }
}
