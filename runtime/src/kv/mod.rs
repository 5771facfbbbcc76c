//! Keys and values of the tokens of all texts of a worker, as f16, in pages that texts with the same beginning share. Who holds a page
//! is counted here for every worker; where its bytes lie is the business of a [`PageStore`].

mod host;
mod pages;
mod table;

pub use host::{HostPages, PageShape};
pub use pages::{KvMemory, PAGE_TOKENS, PageId, PagePool, PageStore};
pub use table::PageTable;

use model::config::ModelConfig;

/// Bytes that a page of a model's keys and values takes, wherever it lies.
pub fn page_bytes(c: &ModelConfig) -> usize {
    c.blocks * 2 * PAGE_TOKENS * c.kv_width() * size_of::<half::f16>()
}

#[cfg(test)]
mod tests;
