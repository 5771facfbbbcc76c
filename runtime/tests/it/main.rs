//! Integration tests of the runtime, one binary; each module is one topic.

mod cases;
mod ternary_product;
