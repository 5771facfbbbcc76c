//! The parameters on the CPU: latent values, and what the forward pass reads in their place.

use cpu::Kernels;
use formats::blocks::q8_0;
use half::f16;
use half::slice::HalfFloatSliceExt;
use model::config::StoredType;

use super::ops::linear::{TernaryWeights, Weights};
use crate::backend::Part;
use crate::program::{Init, Param, ParamKind, ParamSpec, Program};
use model::rng::SplitMix64;

/// One parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) spec: ParamSpec,
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
    pub(crate) fn new(spec: &ParamSpec, seed: u64, float: bool) -> Parameter {
        let prepared = match spec.kind {
            _ if float => Prepared::Latent,
            ParamKind::Ternary { rows, cols } => Prepared::Ternary(Box::new(TernaryWeights::new(rows, cols))),
            ParamKind::Table { .. } => Prepared::Rounded(vec![0.0; spec.len()]),
            ParamKind::Plain => Prepared::Latent,
        };
        Parameter { spec: spec.clone(), latent: initial(spec, seed), prepared }
    }

    /// Quantises or rounds the latent values for the next forward pass.
    pub(crate) fn prepare(&mut self, kn: &Kernels) {
        match (&mut self.prepared, self.spec.kind) {
            (Prepared::Ternary(w), _) => w.prepare(kn, &self.latent),
            (Prepared::Rounded(r), ParamKind::Table { stored, .. }) => round(kn, stored, &self.latent, r),
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

/// All parameters, indexed by [`Param`].
#[derive(Debug)]
pub(crate) struct Parameters(pub(crate) Vec<Parameter>);

impl std::ops::Index<Param> for Parameters {
    type Output = Parameter;

    fn index(&self, p: Param) -> &Parameter {
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
    pub(crate) fn new(program: &Program, p: Param) -> Moments {
        let [first, second] = [Part::First, Part::Second].map(|part| vec![0.0; program.part_len(p, part)]);
        Moments { first, second }
    }
}

fn initial(spec: &ParamSpec, seed: u64) -> Vec<f32> {
    let n = spec.len();
    match spec.init {
        Init::Constant(v) => vec![v; n],
        Init::OneHot { base, at, value } => {
            let mut v = vec![base; n];
            v[at] = value;
            v
        }
        Init::Normal(std) => {
            let words: Vec<u64> = [seed].into_iter().chain(spec.name.bytes().map(u64::from)).collect();
            let mut rng = SplitMix64::new(&words);
            (0..n).map(|_| rng.normal() as f32 * std).collect()
        }
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
    }
}
