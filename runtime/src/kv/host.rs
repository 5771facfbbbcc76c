//! Pages in the processor's memory, in the layout that its attention reads.

use half::f16;
use half::vec::HalfBitsVecExt;

use cpu::Kernels;
use cpu::ops::{KEY_BLOCK, Pages};
use model::config::ModelConfig;

use super::pages::{PAGE_TOKENS, PageId, PagePool, PageStore};
use super::table::PageTable;

/// How a page is laid out: for each block and key-value head its keys, transposed in blocks of [`KEY_BLOCK`] positions,
/// `[position / 16][dimension][position % 16]`, and then its values, `[position][dimension]`.
#[derive(Clone, Copy, Debug)]
pub struct PageShape {
    blocks: usize,
    kv_heads: usize,
    head_dim: usize,
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

/// Pages in memory.
#[derive(Debug)]
pub struct HostPages {
    shape: PageShape,
    /// A page that nobody holds has no memory.
    pages: Vec<Vec<f16>>,
    /// One key on its way to being transposed.
    key: Vec<f16>,
}

impl HostPages {
    /// No pages yet.
    pub fn new(shape: PageShape) -> Self {
        HostPages { shape, pages: Vec::new(), key: Vec::new() }
    }
}

impl PageStore for HostPages {
    fn page_bytes(&self) -> usize {
        self.shape.len() * size_of::<f16>()
    }

    fn take(&mut self, page: PageId) {
        self.pages.resize(self.pages.len().max(page.index() + 1), Vec::new());
        // Zeroed by the system where it is large, so that what is never written is never touched.
        self.pages[page.index()] = vec![0u16; self.shape.len()].reinterpret_into();
    }

    fn release(&mut self, page: PageId) {
        self.pages[page.index()] = Vec::new();
    }

    fn copy(&mut self, from: PageId, to: PageId, positions: usize) {
        let shape = self.shape;
        let [from, to] =
            self.pages.get_disjoint_mut([from.index(), to.index()]).expect("a copy is another page");
        // Keys side by side with the last one are no harm: nobody looks at them before they are written.
        let key_positions = positions.next_multiple_of(KEY_BLOCK);
        for block in 0..shape.blocks {
            for head in 0..shape.kv_heads {
                for (at, positions) in
                    [(shape.keys(block, head), key_positions), (shape.values(block, head), positions)]
                {
                    let part = at..at + positions * shape.head_dim;
                    to[part.clone()].copy_from_slice(&from[part]);
                }
            }
        }
    }
}

impl PagePool<HostPages> {
    /// The layout of its pages.
    pub fn shape(&self) -> PageShape {
        self.store.shape
    }

    /// What a page holds.
    pub fn get(&self, page: PageId) -> &[f16] {
        &self.store.pages[page.index()]
    }

    /// A page to be written, by the one who holds it.
    pub fn get_mut(&mut self, page: PageId) -> &mut [f16] {
        assert_eq!(self.holders(page), 1, "a page that several texts hold is not written");
        &mut self.store.pages[page.index()]
    }

    /// Stores keys and values of consecutive positions of a table from `first` on, which are reserved. A row of `rows` (`row` numbers)
    /// ends with its keys (kv_heads x head_dim, rotated already) and its values (likewise).
    pub fn write(
        &mut self,
        table: &PageTable,
        kernels: &Kernels,
        block: usize,
        first: usize,
        rows: &[f32],
        row: usize,
    ) {
        let shape = self.shape();
        let (hd, width) = (shape.head_dim(), shape.kv_heads() * shape.head_dim());
        let mut key = std::mem::take(&mut self.store.key);
        key.resize(hd, f16::ZERO);
        for (position, row) in (first..).zip(rows.chunks_exact(row)) {
            let page = self.get_mut(table.pages()[position / PAGE_TOKENS]);
            let position = position % PAGE_TOKENS;
            let (k, v) = row[row.len() - 2 * width..].split_at(width);
            for (head, (k, v)) in k.chunks_exact(hd).zip(v.chunks_exact(hd)).enumerate() {
                kernels.narrow_f16(k, &mut key);
                let at = shape.keys(block, head) + position / KEY_BLOCK * KEY_BLOCK * hd;
                let lane = position % KEY_BLOCK;
                for (lanes, &k) in
                    page[at..][..KEY_BLOCK * hd].as_chunks_mut::<KEY_BLOCK>().0.iter_mut().zip(&key)
                {
                    lanes[lane] = k;
                }
                kernels.narrow_f16(v, &mut page[shape.values(block, head) + position * hd..][..hd]);
            }
        }
        self.store.key = key;
    }

    /// What the pages of a table hold.
    pub fn read(&self, table: &PageTable) -> Vec<&[f16]> {
        table.pages().iter().map(|&page| self.get(page)).collect()
    }
}
