//! The `tercet` binary: a shell around the library crates.

fn main() {}
