//! The parameters on the CPU: latent values, and what the forward pass reads in their place.

use cpu::Kernels;
use formats::blocks::q8_0;
use half::f16;
use half::slice::HalfFloatSliceExt;
use model::config::StoredType;
use model::init::initial;

use super::ops::bit_linear::{TernaryWeights, Weights};
use crate::backend::Part;
use crate::program::Program;
use model::tensors::{TensorId, TensorKind, TensorSpec};

/// One parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) spec: TensorSpec,
    /// What the optimiser moves.
    pub(crate) latent: Vec<f32>,
    prepared: Prepared,
}

/// What the forward pass reads.
#[derive(Debug)]
enum Prepared {
    Ternary(Box<TernaryWeights>),
    /// Rounded to the stored precision, back in f32.
    Rounded(Vec<f32>),
    /// The latent values themselves.
    Latent,
}

impl Parameter {
    /// Starts a parameter; the values depend on the seed and the parameter's name alone.
    pub(crate) fn new(spec: &TensorSpec, seed: u64, float: bool) -> Parameter {
        let prepared = match spec.kind {
            _ if float => Prepared::Latent,
            TensorKind::Ternary { rows, cols } => {
                Prepared::Ternary(Box::new(TernaryWeights::new(rows, cols)))
            }
            TensorKind::Table { .. } => Prepared::Rounded(vec![0.0; spec.len()]),
            TensorKind::Plain(_) => Prepared::Latent,
        };
        Parameter { spec: spec.clone(), latent: initial(spec, seed), prepared }
    }

    /// Quantises or rounds the latent values for the next forward pass.
    pub(crate) fn prepare(&mut self, kn: &Kernels) {
        match (&mut self.prepared, self.spec.kind) {
            (Prepared::Ternary(w), _) => w.prepare(kn, &self.latent),
            (Prepared::Rounded(r), TensorKind::Table { stored, .. }) => round(kn, stored, &self.latent, r),
            _ => {}
        }
    }

    /// The values that dense ops read.
    pub(crate) fn values(&self) -> &[f32] {
        match &self.prepared {
            Prepared::Rounded(r) => r,
            _ => &self.latent,
        }
    }

    /// The matrix that products read.
    pub(crate) fn weights(&self) -> Weights<'_> {
        match &self.prepared {
            Prepared::Ternary(w) => Weights::Ternary(w),
            _ => Weights::Float(&self.latent),
        }
    }

    /// The codes and scales of the last forward pass, where ternary.
    pub(crate) fn codes(&self) -> Option<(&[i8], &[f16])> {
        match &self.prepared {
            Prepared::Ternary(w) => Some((&w.codes, &w.scales)),
            _ => None,
        }
    }
}

/// All parameters, indexed by [`TensorId`].
#[derive(Debug)]
pub(crate) struct Parameters(pub(crate) Vec<Parameter>);

impl std::ops::Index<TensorId> for Parameters {
    type Output = Parameter;

    fn index(&self, p: TensorId) -> &Parameter {
        &self.0[p.0]
    }
}

/// What the optimiser remembers of a parameter: Muon the first only, AdamW both.
#[derive(Debug)]
pub(crate) struct Moments {
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

impl Moments {
    /// Before the first step.
    pub(crate) fn new(program: &Program, p: TensorId) -> Moments {
        let [first, second] = [Part::First, Part::Second].map(|part| vec![0.0; program.part_len(p, part)]);
        Moments { first, second }
    }
}

/// Rounds a table to the precision it is stored in.
fn round(kn: &Kernels, stored: StoredType, latent: &[f32], rounded: &mut [f32]) {
    match stored {
        StoredType::F16 => {
            let mut half = vec![f16::ZERO; latent.len()];
            half.convert_from_f32_slice(latent);
            half.convert_to_f32_slice(rounded);
        }
        StoredType::Q8_0 => kn.vectorise(|| {
            let (blocks, _) = latent.as_chunks::<32>();
            for (w, r) in blocks.iter().zip(rounded.chunks_exact_mut(32)) {
                let (d, q) = q8_0::quantise_block(w);
                for (r, q) in r.iter_mut().zip(q) {
                    *r = d.to_f32() * f32::from(q);
                }
            }
        }),
        StoredType::Q1_58 => kn.vectorise(|| {
            use formats::ternary::{GROUP, quantise_group};
            let mut codes = [0i8; GROUP];
            for (w, r) in latent.chunks_exact(GROUP).zip(rounded.chunks_exact_mut(GROUP)) {
                let s = quantise_group(w, &mut codes).to_f32();
                for (r, &t) in r.iter_mut().zip(&codes) {
                    *r = s * f32::from(t);
                }
            }
        }),
        StoredType::Foreign(ty) => unreachable!("no training configuration has {ty}"),
    }
}

#[cfg(test)]
mod tests {
    use formats::blocks::{TensorType, pack, unpack};

    use super::*;

    /// Whoever reads the file reads what the last step read; what a file may not hold is no number in training either.
    #[test]
    fn tables_are_rounded_as_files_store_them() {
        let mut latent: Vec<f32> =
            (0..256).map(|i| (i as f32 * 0.37).sin() * 2f32.powi(i % 40 - 24)).collect();
        latent[7] = 65_519.0;
        for (stored, ty) in [
            (StoredType::F16, TensorType::F16),
            (StoredType::Q8_0, TensorType::Q8_0),
            (StoredType::Q1_58, TensorType::Q1_58),
        ] {
            let mut too_large = latent.clone();
            too_large[100] = 1e8;
            for (values, fits) in [(&latent, true), (&too_large, false)] {
                let (mut rounded, mut bytes, mut read) = (vec![0.0; 256], Vec::new(), vec![0.0; 256]);
                for kernels in Kernels::available() {
                    round(kernels, stored, values, &mut rounded);
                    assert_eq!(rounded.iter().all(|v| v.is_finite()), fits, "{ty}");
                }
                let packed = pack(ty, values, &mut bytes).and_then(|()| unpack(ty, &bytes, &mut read));
                let read_fits = packed.is_ok() && read.iter().all(|v| v.is_finite());
                assert_eq!(read_fits, fits, "{ty}");
                assert!(!fits || rounded == read, "{ty}");
            }
        }
    }
}
