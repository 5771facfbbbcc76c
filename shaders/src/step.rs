//! The uniforms that change from one submission to the next. All else is constant for a pipeline.

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

/// How a token is drawn, as `draw.wgsl` has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Draw {
    /// Divides the logits, above 0.
    pub temperature: f32,
    /// Keeps so many; 0 keeps all.
    pub top_k: u32,
    /// Keeps this share; 1 keeps all.
    pub top_p: f32,
    /// Drops what is this much less likely than the best.
    pub min_p: f32,
    /// Uniform in [0, 1).
    pub point: f32,
    /// Nothing.
    pub pad: [u32; 3],
}

const _: () = assert!(size_of::<Draw>() == 32);
