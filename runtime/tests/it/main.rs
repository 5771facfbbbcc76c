//! Integration tests of the runtime, one binary; each module is one topic.

mod batch;
mod blocks;
mod cases;
mod formula;
mod generation;
mod gpu;
mod loading;
mod model;
mod pages;
mod reference_ops;
mod ternary_product;
mod tiny;
mod workers;
