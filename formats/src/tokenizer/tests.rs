//! Cases over a small vocabulary.
