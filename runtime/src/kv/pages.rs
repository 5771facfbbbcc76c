//! A pool of pages, each with keys and values of [`PAGE_TOKENS`] positions of a text: who holds them, how many there are, and how many there
//! may be. A page that nobody holds any more gives its memory back; one that several hold is never written.

use half::f16;
use half::vec::HalfBitsVecExt;

use cpu::ops::{KEY_BLOCK, PAGE_STEP, Pages};
use model::config::ModelConfig;

/// Positions of a page: as few as attention takes, so that texts share as much of their beginnings as can be.
pub const PAGE_TOKENS: usize = PAGE_STEP;

/// How a page is laid out: for each block and key-value head its keys, transposed in blocks of [`KEY_BLOCK`] positions,
/// `[position / 16][dimension][position % 16]`, and then its values, `[position][dimension]`.
#[derive(Clone, Copy, Debug)]
pub struct PageShape {
    blocks: usize,
    kv_heads: usize,
    head_dim: usize,
}

/// A page of the pool. A table that has it holds it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageId(usize);

/// What keys and values take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub struct PagePool {
    shape: PageShape,
    /// A page that nobody holds has no memory.
    pages: Vec<Page>,
    /// Those that nobody holds.
    free: Vec<PageId>,
    limit: Option<usize>,
}

#[derive(Debug, Default)]
struct Page {
    holders: usize,
    data: Vec<f16>,
}

impl PageShape {
    /// Of the pages of a model.
    pub fn new(config: &ModelConfig) -> Self {
        PageShape { blocks: config.blocks, kv_heads: config.kv_heads, head_dim: config.head_dim }
    }

    /// Numbers of one dimension.
    pub fn head_dim(self) -> usize {
        self.head_dim
    }

    /// Heads with keys and values of their own.
    pub fn kv_heads(self) -> usize {
        self.kv_heads
    }

    /// Halves that the keys of one head take in a page, and its values as many.
    fn half(self) -> usize {
        PAGE_TOKENS * self.head_dim
    }

    /// Halves of a page.
    fn len(self) -> usize {
        self.blocks * self.kv_heads * 2 * self.half()
    }

    /// Where in a page the keys of a head begin.
    pub fn keys(self, block: usize, head: usize) -> usize {
        (block * self.kv_heads + head) * 2 * self.half()
    }

    /// Where in a page the values of a head begin.
    pub fn values(self, block: usize, head: usize) -> usize {
        self.keys(block, head) + self.half()
    }

    /// Keys and values of one head in the pages of a text.
    pub fn head<'a>(self, pages: &'a [&'a [f16]], block: usize, head: usize) -> Pages<'a, f16> {
        let (keys, values) = (self.keys(block, head), self.values(block, head));
        Pages { pages, positions: PAGE_TOKENS, keys, values }
    }
}

impl PagePool {
    /// No pages yet, and as many as memory has room for.
    pub fn new(shape: PageShape) -> Self {
        PagePool { shape, pages: Vec::new(), free: Vec::new(), limit: None }
    }

    /// The layout of its pages.
    pub fn shape(&self) -> PageShape {
        self.shape
    }

    /// Has whoever takes pages ask first whether there are that many. Those there are stay.
    pub fn set_limit(&mut self, pages: Option<usize>) {
        self.limit = pages;
    }

    /// Most pages there may be.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Bytes of one page.
    pub fn page_bytes(&self) -> usize {
        self.shape.len() * size_of::<f16>()
    }

    /// What there is.
    pub fn memory(&self) -> KvMemory {
        let pages = self.pages.len() - self.free.len();
        let shared = self.pages.iter().filter(|page| page.holders > 1).count();
        KvMemory { bytes: pages * self.page_bytes(), pages, shared, limit: self.limit }
    }

    /// How many hold a page.
    pub fn holders(&self, page: PageId) -> usize {
        self.pages[page.0].holders
    }

    /// A new page of zeros.
    pub fn take(&mut self) -> PageId {
        // Zeroed by the system where it is large, so that what is never written is never touched.
        let data = vec![0u16; self.shape.len()].reinterpret_into();
        let page = self.free.pop().unwrap_or_else(|| {
            self.pages.push(Page::default());
            PageId(self.pages.len() - 1)
        });
        self.pages[page.0] = Page { holders: 1, data };
        page
    }

    /// Has one more hold a page.
    pub fn share(&mut self, page: PageId) -> PageId {
        self.pages[page.0].holders += 1;
        page
    }

    /// Has one less hold a page.
    pub fn release(&mut self, page: PageId) {
        let there = &mut self.pages[page.0];
        there.holders -= 1;
        if there.holders == 0 {
            there.data = Vec::new();
            self.free.push(page);
        }
    }

    /// A page with the first `positions` positions of `page`, for its holder alone, who lets go of `page`: that one itself if nobody else
    /// holds it.
    pub fn own(&mut self, page: PageId, positions: usize) -> PageId {
        if self.holders(page) == 1 {
            return page;
        }
        let (shape, copy) = (self.shape, self.take());
        let [from, to] =
            self.pages.get_disjoint_mut([page.0, copy.0]).expect("a page just taken is another one");
        // Keys side by side with the last one are no harm: nobody looks at them before they are written.
        let key_positions = positions.next_multiple_of(KEY_BLOCK);
        for block in 0..shape.blocks {
            for head in 0..shape.kv_heads {
                for (at, positions) in
                    [(shape.keys(block, head), key_positions), (shape.values(block, head), positions)]
                {
                    let part = at..at + positions * shape.head_dim;
                    to.data[part.clone()].copy_from_slice(&from.data[part]);
                }
            }
        }
        self.release(page);
        copy
    }

    /// What a page holds.
    pub fn get(&self, page: PageId) -> &[f16] {
        &self.pages[page.0].data
    }

    /// A page to be written, by the one who holds it.
    pub fn get_mut(&mut self, page: PageId) -> &mut [f16] {
        let page = &mut self.pages[page.0];
        assert_eq!(page.holders, 1, "a page that several texts hold is not written");
        &mut page.data
    }
}
