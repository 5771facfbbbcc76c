//! The pages of one text, in order. What is stored goes into pages that no other text holds: a table is reserved for its new positions
//! first, which copies the page that they begin in if that is shared.

use half::f16;

use cpu::Kernels;
use cpu::ops::KEY_BLOCK;

use super::pages::{PAGE_TOKENS, PageId, PagePool};

/// The pages of a text. They are given back with [`truncate`](Self::truncate), to 0 before a table is dropped.
#[derive(Debug, Default)]
pub struct PageTable {
    pages: Vec<PageId>,
}

impl PageTable {
    /// A table that shares the pages of the first `len` positions.
    pub fn fork(&self, pool: &mut PagePool, len: usize) -> PageTable {
        let pages = &self.pages[..len.div_ceil(PAGE_TOKENS)];
        PageTable { pages: pages.iter().map(|&page| pool.share(page)).collect() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// The page that position `held` is in, if others hold it too: [`reserve`](Self::reserve) copies it.
    pub fn shared_at(&self, pool: &PagePool, held: usize) -> Option<PageId> {
        let page = self.pages.get(held / PAGE_TOKENS).copied();
        page.filter(|&page| pool.holders(page) > 1)
    }

    /// Makes room for positions `held..end`, where those before `held` stay as they are.
    pub fn reserve(&mut self, pool: &mut PagePool, held: usize, end: usize) {
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
    pub fn truncate(&mut self, pool: &mut PagePool, len: usize) {
        self.pages
            .drain(len.div_ceil(PAGE_TOKENS).min(self.pages.len())..)
            .for_each(|page| pool.release(page));
    }

    /// Stores keys and values of consecutive positions from `first` on, which are reserved. A row of `rows` (`row` numbers)
    /// ends with its keys (kv_heads x head_dim, rotated already) and its values (likewise). `key` is scratch.
    pub fn store(
        &self,
        pool: &mut PagePool,
        kernels: &Kernels,
        block: usize,
        first: usize,
        rows: &[f32],
        row: usize,
        key: &mut Vec<f16>,
    ) {
        let shape = pool.shape();
        let (hd, width) = (shape.head_dim(), shape.kv_heads() * shape.head_dim());
        key.resize(hd, f16::ZERO);
        for (position, row) in (first..).zip(rows.chunks_exact(row)) {
            let page = pool.get_mut(self.pages[position / PAGE_TOKENS]);
            let position = position % PAGE_TOKENS;
            let (k, v) = row[row.len() - 2 * width..].split_at(width);
            for (head, (k, v)) in k.chunks_exact(hd).zip(v.chunks_exact(hd)).enumerate() {
                kernels.narrow_f16(k, key);
                let at = shape.keys(block, head) + position / KEY_BLOCK * KEY_BLOCK * hd;
                let lane = position % KEY_BLOCK;
                for (lanes, &k) in
                    page[at..][..KEY_BLOCK * hd].as_chunks_mut::<KEY_BLOCK>().0.iter_mut().zip(&*key)
                {
                    lanes[lane] = k;
                }
                kernels.narrow_f16(v, &mut page[shape.values(block, head) + position * hd..][..hd]);
            }
        }
    }

    /// What they hold.
    pub fn get<'p>(&self, pool: &'p PagePool) -> Vec<&'p [f16]> {
        self.pages.iter().map(|&page| pool.get(page)).collect()
    }
}
