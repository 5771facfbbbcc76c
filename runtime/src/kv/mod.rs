//! Keys and values of the tokens of all texts of a worker, as f16, in pages that texts with the same beginning share. Who holds a page
//! is counted here for every worker; where its bytes lie is the business of a [`PageStore`].

mod host;
mod pages;
mod table;

pub use host::{HostPages, PageShape};
pub use pages::{KvMemory, PAGE_TOKENS, PageId, PagePool, PageStore};
pub use table::PageTable;

#[cfg(test)]
mod tests;
