//! The pages of one text, in order. What is stored goes into pages that no other text holds: a table is reserved for its new positions
//! first, which copies the page that they begin in if that is shared.

use super::pages::{PAGE_TOKENS, PageId, PagePool, PageStore};

/// The pages of a text. They are given back with [`truncate`](Self::truncate), to 0 before a table is dropped.
#[derive(Debug, Default)]
pub struct PageTable {
    pages: Vec<PageId>,
}

impl PageTable {
    /// A table that shares the pages of the first `len` positions.
    pub fn fork<S: PageStore>(&self, pool: &mut PagePool<S>, len: usize) -> PageTable {
        let pages = &self.pages[..len.div_ceil(PAGE_TOKENS)];
        PageTable { pages: pages.iter().map(|&page| pool.share(page)).collect() }
    }

    /// Its pages.
    pub fn pages(&self) -> &[PageId] {
        &self.pages
    }

    /// The page that position `held` is in, if others hold it too: [`reserve`](Self::reserve) copies it.
    pub fn shared_at<S: PageStore>(&self, pool: &PagePool<S>, held: usize) -> Option<PageId> {
        let page = self.pages.get(held / PAGE_TOKENS).copied();
        page.filter(|&page| pool.holders(page) > 1)
    }

    /// Makes room for positions `held..end`, where those before `held` stay as they are.
    pub fn reserve<S: PageStore>(&mut self, pool: &mut PagePool<S>, held: usize, end: usize) {
        if held < end
            && let Some(page) = self.pages.get_mut(held / PAGE_TOKENS)
        {
            *page = pool.own(*page, held % PAGE_TOKENS);
        }
        while self.pages.len() < end.div_ceil(PAGE_TOKENS) {
            self.pages.push(pool.take());
        }
    }

    /// Gives back the pages that have none of the first `len` positions.
    pub fn truncate<S: PageStore>(&mut self, pool: &mut PagePool<S>, len: usize) {
        self.pages
            .drain(len.div_ceil(PAGE_TOKENS).min(self.pages.len())..)
            .for_each(|page| pool.release(page));
    }
}
