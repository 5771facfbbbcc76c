//! What changes from one submission to the next: the uniform, and what is told of each token. All else is constant for a pipeline.

use bytemuck::{Pod, Zeroable};

/// What one submission works on, as `step.wgsl` has it. Tokens with nothing wanted after them come first, then those whose logits are
/// wanted, those whose likeliest next token is, and those who have one drawn.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Step {
    /// Tokens.
    pub count: u32,
    /// First of the tokens whose logits are wanted, for themselves or to choose by.
    pub head_first: u32,
    /// Among those, the first whose likeliest next token is wanted.
    pub likeliest_first: u32,
    /// Among those, the first who has a next token drawn.
    pub drawn_first: u32,
}

impl Step {
    /// Tokens whose logits are wanted.
    pub fn wanted(&self) -> u32 {
        self.count - self.head_first
    }

    /// Those of them whose likeliest next token is.
    pub fn likeliest(&self) -> u32 {
        self.drawn_first - self.likeliest_first
    }

    /// Those of them who have one drawn.
    pub fn drawn(&self) -> u32 {
        self.wanted() - self.drawn_first
    }
}

const _: () = assert!(size_of::<Step>() == 16);

/// Where a token stands, as `place.wgsl` has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Place {
    /// Its position in its text.
    pub position: u32,
    /// Where among the numbers of pages those of its text begin.
    pub table: u32,
}

const _: () = assert!(size_of::<Place>() == 8);

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
