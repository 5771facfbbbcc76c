//! Codes as a report counts them: how many are zero, how many are not what they were, how large the scales are.

use formats::ternary::{GROUP, quantise_group};

use crate::backend::CodesCount;
use model::tensors::{TensorKind, TensorSpec};

/// The memory of a parameter's codes before the first look; empty where it has none.
pub(super) fn forgotten(spec: &TensorSpec) -> Vec<i8> {
    match spec.kind {
        TensorKind::Ternary { rows, cols } => vec![0; rows * cols],
        _ => Vec::new(),
    }
}

/// Counts the codes of latent values against `remembered`, which they become.
pub(crate) fn look(latent: &[f32], remembered: &mut [i8]) -> CodesCount {
    assert_eq!(latent.len(), remembered.len());
    let mut count = CodesCount::default();
    let mut codes = [0i8; GROUP];
    for (w, old) in latent.chunks_exact(GROUP).zip(remembered.chunks_exact_mut(GROUP)) {
        count.scale_sum += quantise_group(w, &mut codes).to_f64();
        count.zeros += codes.iter().filter(|&&t| t == 0).count() as u64;
        count.flips += codes.iter().zip(&*old).filter(|(new, old)| new != old).count() as u64;
        old.copy_from_slice(&codes);
    }
    count
}
