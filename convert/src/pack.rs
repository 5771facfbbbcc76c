//! Weights as the bytes of what they become, a piece at a time. Where they must not change, a weight that would is an error; where they may, how far
//! they all moved is told.

use formats::blocks::{self, TensorType};
use formats::ternary::{GROUP, absmean};
use half::f16;

use crate::plan::Becomes;
use crate::weights::{Ternary, Weights, ternary_of};
use crate::{Error, Result};

/// One tensor on its way.
pub(crate) struct Packer<'a> {
    name: &'a str,
    becomes: Becomes,
    /// Sums of squares: of what weights moved by, and of the weights.
    moved: f64,
    size: f64,
}

impl<'a> Packer<'a> {
    /// None of its weights are packed yet.
    pub(crate) fn new(name: &'a str, becomes: Becomes) -> Packer<'a> {
        Packer { name, becomes, moved: 0.0, size: 0.0 }
    }

    /// How far the weights moved: the root of the mean square of that, over the same of the weights themselves.
    pub(crate) fn moved(&self) -> f64 {
        if self.moved == 0.0 { 0.0 } else { (self.moved / self.size).sqrt() }
    }

    /// Appends the blocks of weights of which the first is number `first` of the tensor.
    ///
    /// # Errors
    /// A weight that is not finite, or that would change and must not.
    pub(crate) fn pack(&mut self, first: u64, weights: Weights, out: &mut Vec<u8>) -> Result<()> {
        if let Weights::Floats(floats) = &weights
            && let Some(at) = floats.iter().position(|w| !w.is_finite())
        {
            let (name, index) = (self.name.to_owned(), first + at as u64);
            return Err(Error::NotFinite { name, index, value: floats[at] });
        }
        match (self.becomes, weights) {
            (Becomes::Copied(_), _) => unreachable!("what is copied is not packed"),
            (Becomes::Dense { ty, lossy }, weights) => self.dense(first, ty, lossy, &weights.floats(), out),
            (Becomes::Ternary { ty, lossy }, Weights::Ternary(ternary)) => {
                self.ternary(first, ty, lossy, ternary, out)
            }
            (Becomes::Ternary { ty, lossy }, Weights::Floats(floats)) => {
                let ternary = self.found(first, ty, &floats)?;
                self.ternary(first, ty, lossy, ternary, out)
            }
            (Becomes::Quantised(ty), weights) => self.quantised(first, ty, &weights.floats(), out),
        }
    }

    fn dense(
        &mut self,
        first: u64,
        ty: TensorType,
        lossy: bool,
        floats: &[f32],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let start = out.len();
        blocks::pack(ty, floats, out).map_err(|e| self.explain(first, ty, e))?;
        let mut back = vec![0.0; floats.len()];
        blocks::unpack(ty, &out[start..], &mut back).map_err(|e| self.explain(first, ty, e))?;
        let changed = |(was, is): (&f32, &f32)| was != is && !(lossy && is.is_finite());
        if let Some(at) = floats.iter().zip(&back).position(changed) {
            let (index, was, is) = (first + at as u64, floats[at], back[at]);
            let cure =
                if lossy { "choose f32" } else { "--lossy rounds what is not ternary, f32 keeps every bit" };
            return Err(self.refused(ty, format!("weight {index} would change from {was} to {is}; {cure}")));
        }
        self.count(floats, &back);
        Ok(())
    }

    /// The ternary weights that floats are.
    fn found(&self, first: u64, ty: TensorType, floats: &[f32]) -> Result<Ternary> {
        let group = ty.block_len().min(GROUP);
        ternary_of(floats, group).map_err(|index| {
            let from = first + (index * group) as u64;
            let to = from + group as u64 - 1;
            let cure = "ternary weights are trained, not rounded to here";
            self.refused(
                ty,
                format!("weights {from} to {to} are not all one f16 number, its negative or 0; {cure}"),
            )
        })
    }

    fn ternary(
        &mut self,
        first: u64,
        ty: TensorType,
        lossy: bool,
        ternary: Ternary,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let factor = ternary.factor;
        let (whole, moved) = ternary.without_factor();
        if let Some(factor) = factor.filter(|_| moved > 0.0 && !(lossy && moved.is_finite())) {
            return Err(
                self.refused(ty, format!("the scale of all its weights, {factor}, is no f16; f32 keeps it"))
            );
        }
        // All weights moved as their scales did.
        self.moved += f64::from(moved).powi(2) * whole.codes.len() as f64;
        self.size += whole.codes.len() as f64;
        blocks::pack_codes(ty, &whole.scales, &whole.codes, out).map_err(|e| self.explain(first, ty, e))
    }

    fn quantised(&mut self, first: u64, ty: TensorType, floats: &[f32], out: &mut Vec<u8>) -> Result<()> {
        let group = ty.block_len();
        let mut codes = vec![0i8; floats.len()];
        let groups = floats.chunks_exact(group).zip(codes.chunks_exact_mut(group));
        let scales: Vec<f16> = groups.map(|(weights, codes)| absmean(weights, codes)).collect();
        blocks::pack_codes(ty, &scales, &codes, out).map_err(|e| self.explain(first, ty, e))?;
        self.count(floats, &Ternary { codes, scales, factor: None }.floats());
        Ok(())
    }

    fn count(&mut self, was: &[f32], is: &[f32]) {
        for (&was, &is) in was.iter().zip(is) {
            self.moved += f64::from(was - is).powi(2);
            self.size += f64::from(was).powi(2);
        }
    }

    fn refused(&self, ty: TensorType, why: impl Into<String>) -> Error {
        Error::Tensor { name: self.name.to_owned(), ty: ty.name(), why: why.into() }
    }

    /// What is wrong with blocks of which the first holds weight `first`.
    fn explain(&self, first: u64, ty: TensorType, error: formats::Error) -> Error {
        self.refused(ty, error.after_blocks(first as usize / ty.block_len()).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(becomes: Becomes, weights: Weights) -> (Result<()>, Vec<u8>, f64) {
        let (mut packer, mut out) = (Packer::new("blk.0.attn_q.weight", becomes), Vec::new());
        let done = packer.pack(512, weights, &mut out);
        (done, out, packer.moved())
    }

    fn refusal(becomes: Becomes, weights: Weights) -> String {
        pack(becomes, weights).0.unwrap_err().to_string()
    }

    #[test]
    fn floats_are_rounded_only_where_they_may_be() {
        let floats = || Weights::Floats(vec![1.0, 0.1]);
        let dense = |ty, lossy| Becomes::Dense { ty, lossy };
        assert_eq!(pack(dense(TensorType::F32, false), floats()).2, 0.0);
        assert_eq!(
            refusal(dense(TensorType::F16, false), floats()),
            "tensor `blk.0.attn_q.weight` cannot be stored as F16: weight 513 would change from 0.1 to 0.099975586; \
             --lossy rounds what is not ternary, f32 keeps every bit"
        );
        let (done, bytes, moved) = pack(dense(TensorType::F16, true), floats());
        done.unwrap();
        assert!(bytes.len() == 4 && moved > 1e-5 && moved < 1e-4, "{moved}");
        let large = refusal(dense(TensorType::F16, true), Weights::Floats(vec![1e6]));
        assert!(large.ends_with("weight 512 would change from 1000000 to inf; choose f32"), "{large}");
        let nan = refusal(dense(TensorType::F32, true), Weights::Floats(vec![0.0, f32::NAN]));
        assert_eq!(nan, "tensor `blk.0.attn_q.weight` holds NaN at 513, which no model can run");
    }

    #[test]
    fn ternary_weights_are_stored_as_they_are_or_refused() {
        let becomes = |ty, lossy| Becomes::Ternary { ty, lossy };
        let codes: Vec<i8> = (0..256).map(|i| (i % 3) as i8 - 1).collect();
        let with = |scales: &[f32], factor| {
            let scales = scales.iter().map(|&s| f16::from_f32(s)).collect();
            Weights::Ternary(Ternary { codes: codes.clone(), scales, factor })
        };
        let (done, bytes, moved) = pack(becomes(TensorType::Q1_58, false), with(&[0.5, 0.25], None));
        done.unwrap();
        assert_eq!((bytes.len(), moved), (68, 0.0));
        // As floats they are found again, and are the same.
        let floats = Weights::Floats(with(&[0.5, 0.25], None).floats());
        assert_eq!(pack(becomes(TensorType::Q1_58, false), floats).1, bytes);
        let differ = refusal(becomes(TensorType::TQ2_0, true), with(&[0.5, 0.25], None));
        assert!(
            differ.contains("TQ2_0 block 2 would need one scale for weights scaled 0.5 and 0.25"),
            "{differ}"
        );
        let factor = refusal(becomes(TensorType::TQ2_0, false), with(&[1.0], Some(0.3)));
        assert!(factor.ends_with("the scale of all its weights, 0.3, is no f16; f32 keeps it"), "{factor}");
        let (done, _, moved) = pack(becomes(TensorType::TQ2_0, true), with(&[1.0], Some(0.3)));
        done.unwrap();
        assert!(moved > 0.0 && moved < 5e-4, "{moved}");
        assert!(pack(becomes(TensorType::TQ2_0, true), with(&[1.0], Some(1e9))).0.is_err());
        let floats = refusal(becomes(TensorType::Q1_58, true), Weights::Floats([0.5, 0.25].repeat(64)));
        assert!(floats.contains("weights 512 to 639 are not all one f16 number"), "{floats}");
    }

    #[test]
    fn quantising_is_the_trainers() {
        let latent: Vec<f32> = (0..256).map(|i| ((i * 73 % 199) as f32 - 99.0) * 1e-3).collect();
        let (done, bytes, moved) =
            pack(Becomes::Quantised(TensorType::Q1_58), Weights::Floats(latent.clone()));
        done.unwrap();
        let mut expected = Vec::new();
        blocks::pack(TensorType::Q1_58, &latent, &mut expected).unwrap();
        assert_eq!(bytes, expected);
        assert!(moved > 0.3 && moved < 0.7, "{moved}");
    }
}
