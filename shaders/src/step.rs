//! The uniform that changes from one submission to the next. All else is constant for a pipeline.

use bytemuck::{Pod, Zeroable};

/// What one submission works on, as `step.wgsl` has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Step {
    /// Position of the first token.
    pub first: u32,
    /// Tokens.
    pub count: u32,
    /// First of the tokens whose logits are wanted.
    pub head_first: u32,
    /// Logits wanted.
    pub head_count: u32,
}

const _: () = assert!(size_of::<Step>() == 16);
