//! The trainer's integration tests, one binary: each module is a subject.

mod fixture;
mod forward_ops;
mod gradients;
mod oracle;
mod run;
mod start;
mod tokenizers;
