//! What the backward pass multiplies. The forward pass is the same in both: exact integers, and f32 where others read it.

/// See the top of this file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Gradients, and what they are multiplied with, in bf16 on tensor cores, summed in f32.
    #[default]
    Bf16,
    /// Everything in f32, to check the other one with.
    F32,
}

impl Precision {
    /// The module of this precision.
    pub(crate) fn module(self, name: &str) -> String {
        match self {
            Precision::Bf16 => format!("{name}.bf16"),
            Precision::F32 => format!("{name}.f32"),
        }
    }

    /// Bytes of a gradient that products read.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Precision::Bf16 => 2,
            Precision::F32 => 4,
        }
    }
}
