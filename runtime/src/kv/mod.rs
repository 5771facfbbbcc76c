//! Keys and values of the tokens of all texts of a worker, as f16, in pages that texts with the same beginning share.

mod pages;
mod table;

pub use pages::{KvMemory, PAGE_TOKENS, PagePool, PageShape};
pub use table::PageTable;

#[cfg(test)]
mod tests;
