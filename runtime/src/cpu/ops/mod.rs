//! Ops on token rows.
