//! What is wanted of a new file: types, and what may be lost for them.

use formats::blocks::{TensorType, TypeId};

/// The types that are written, by the names that people type.
pub const TYPES: [(&str, TensorType); 9] = [
    ("f32", TensorType::F32),
    ("f16", TensorType::F16),
    ("bf16", TensorType::BF16),
    ("q8_0", TensorType::Q8_0),
    ("q1_58", TensorType::Q1_58),
    ("q2_0", TensorType::Q2_0),
    ("tq1_0", TensorType::TQ1_0),
    ("tq2_0", TensorType::TQ2_0),
    ("ptq1_0", TensorType::PTQ1_0),
];

/// See the top of this file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target {
    /// What becomes of the matrices.
    pub matrices: Matrices,
    /// The type of the embedding and of a head of its own; as they are, if `None`.
    pub tables: Option<TensorType>,
    /// Weights that are not ternary may be rounded to the types asked for.
    pub lossy: bool,
}

/// What becomes of the weights of linear layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matrices {
    /// They stay in their types; floats of a folder that are ternary become Q1_58.
    #[default]
    Keep,
    /// They are stored in this type, every weight as it is.
    As(TensorType),
    /// Floats are rounded to ternary weights by their absolute mean, in groups of this type.
    Quantised(TensorType),
}

/// The type of that name, as people type it.
pub fn type_named(name: &str) -> Option<TensorType> {
    let name = name.to_ascii_lowercase();
    let name = if name == "pq2_0" { "q1_58" } else { &name };
    TYPES.iter().find(|(known, _)| *known == name).map(|(_, ty)| *ty)
}

/// llama.cpp's number for files most of whose weights have a type, where it has one.
pub(crate) fn file_type(ty: TypeId) -> Option<u32> {
    Some(match ty.known()? {
        TensorType::F32 => 0,
        TensorType::F16 => 1,
        TensorType::BF16 => 32,
        TensorType::Q8_0 => 7,
        TensorType::TQ1_0 => 36,
        TensorType::TQ2_0 => 37,
        TensorType::Q2_0 => 41,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_their_own_names() {
        for (name, ty) in TYPES {
            assert_eq!((type_named(name), type_named(ty.name())), (Some(ty), Some(ty)));
        }
        assert_eq!((type_named("PQ2_0"), type_named("q4_k")), (Some(TensorType::Q1_58), None));
    }
}
