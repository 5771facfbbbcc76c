//! What the bar says about a model file. It is counted from the file's header alone.

use std::path::Path;

use formats::gguf::Header;

/// Sizes of a model file, counted from its header.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The file's name, without its folder.
    pub name: String,
    pub file_bytes: u64,
    /// Weights of all tensors.
    pub weights: u64,
    /// Bytes of all tensors, without what lies between them.
    pub tensor_bytes: u64,
    /// Weights of ternary tensors.
    pub ternary_weights: u64,
    /// Bytes of ternary tensors.
    pub ternary_bytes: u64,
}

impl Facts {
    /// Counts them.
    pub fn new(path: &Path, header: &Header, file_bytes: u64) -> Facts {
        let sum = |ternary_only: bool| {
            let tensors = header.tensors().iter();
            let counted = tensors.filter(|t| !ternary_only || t.ty.known().is_some_and(|ty| ty.is_ternary()));
            // A type whose number does not decide its size may claim any number of weights, and one beyond the file's end any of bytes.
            counted.fold((0u64, 0u64), |(w, b), t| {
                (w.saturating_add(t.dims.weights()), b.saturating_add(t.bytes))
            })
        };
        let ((weights, tensor_bytes), (ternary_weights, ternary_bytes)) = (sum(false), sum(true));
        let file_name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Facts { name: file_name, file_bytes, weights, tensor_bytes, ternary_weights, ternary_bytes }
    }

    /// Bits of a weight on disk, over all tensors.
    pub fn bits_per_weight(&self) -> f64 {
        self.tensor_bytes as f64 * 8.0 / self.weights.max(1) as f64
    }
}
