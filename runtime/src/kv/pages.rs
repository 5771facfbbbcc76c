//! A pool of pages, each with keys and values of [`PAGE_TOKENS`] positions of a text: who holds them, how many there are, and how many there
//! may be. A page that nobody holds any more gives its memory back; one that several hold is never written.

use cpu::ops::PAGE_STEP;

/// Positions of a page: as few as attention takes, so that texts share as much of their beginnings as can be.
pub const PAGE_TOKENS: usize = PAGE_STEP;

/// A page of the pool. A table that has it holds it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageId(usize);

impl PageId {
    /// Its place among all pages; those that are free are filled first.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Where the bytes of pages lie.
pub trait PageStore {
    /// Bytes of one page.
    fn page_bytes(&self) -> usize;

    /// Most pages that there is room for; `None` for as many as memory has room for.
    fn room(&self) -> Option<usize> {
        None
    }

    /// Begins to keep a page. What it holds before it is written does not matter to anybody.
    fn take(&mut self, page: PageId);

    /// Keeps a page no longer.
    fn release(&mut self, page: PageId);

    /// Copies at least the first `positions` positions of a page to another one.
    fn copy(&mut self, from: PageId, to: PageId, positions: usize);
}

/// What keys and values take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvMemory {
    /// Bytes of all pages.
    pub bytes: usize,
    /// Pages, however many texts hold each.
    pub pages: usize,
    /// Those of them that several texts hold.
    pub shared: usize,
    /// Most pages there may be.
    pub limit: Option<usize>,
}

/// All pages of a worker.
#[derive(Debug)]
pub struct PagePool<S> {
    pub(super) store: S,
    /// How many hold each page.
    holders: Vec<usize>,
    /// Those that nobody holds.
    free: Vec<PageId>,
    limit: Option<usize>,
}

impl<S: PageStore> PagePool<S> {
    /// No pages yet, and as many as there is room for.
    pub fn new(store: S) -> Self {
        PagePool { store, holders: Vec::new(), free: Vec::new(), limit: None }
    }

    /// Where they lie.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Where they lie, to be given more room.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Has whoever takes pages ask first whether there are that many. Those there are stay.
    pub fn set_limit(&mut self, pages: Option<usize>) {
        self.limit = pages;
    }

    /// Most pages that were allowed, whether there is room for them or not.
    pub fn allowed(&self) -> Option<usize> {
        self.limit
    }

    /// Most pages there may be.
    pub fn limit(&self) -> Option<usize> {
        [self.limit, self.store.room()].into_iter().flatten().min()
    }

    /// What there is.
    pub fn memory(&self) -> KvMemory {
        let pages = self.holders.len() - self.free.len();
        let shared = self.holders.iter().filter(|&&holders| holders > 1).count();
        KvMemory { bytes: pages * self.store.page_bytes(), pages, shared, limit: self.limit() }
    }

    /// How many hold a page.
    pub fn holders(&self, page: PageId) -> usize {
        self.holders[page.0]
    }

    /// A new page.
    pub fn take(&mut self) -> PageId {
        let page = self.free.pop().unwrap_or_else(|| {
            self.holders.push(0);
            PageId(self.holders.len() - 1)
        });
        self.holders[page.0] = 1;
        self.store.take(page);
        page
    }

    /// Has one more hold a page.
    pub fn share(&mut self, page: PageId) -> PageId {
        self.holders[page.0] += 1;
        page
    }

    /// Has one less hold a page.
    pub fn release(&mut self, page: PageId) {
        self.holders[page.0] -= 1;
        if self.holders[page.0] == 0 {
            self.store.release(page);
            self.free.push(page);
        }
    }

    /// A page with the first `positions` positions of `page`, for its holder alone, who lets go of `page`: that one itself if nobody else
    /// holds it.
    pub fn own(&mut self, page: PageId, positions: usize) -> PageId {
        if self.holders(page) == 1 {
            return page;
        }
        let copy = self.take();
        self.store.copy(page, copy, positions);
        self.release(page);
        copy
    }
}
