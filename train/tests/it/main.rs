//! The trainer's integration tests, one binary: each module is a subject.

mod fixture;
mod forward_ops;
mod gradients;
mod lag;
mod moments;
mod oracle;
mod recompute;
mod run;
mod shapes;
mod skip;
mod start;
mod tokenizers;
