//! A trained state as one GGUF: the codes and scales that the training forward used, the tables in the precision they
//! were trained in, the tokenizer and where it all comes from. Reading it back is `runtime`'s business.

use std::str::FromStr;

use formats::blocks::{TensorType, pack, pack_codes, q1_58, tq2_0};
use formats::gguf::{GgufWriter, Metadata};
use formats::ternary::{GROUP, SCALE_MIN, quantise_group};
use formats::tokenizer::{SEPARATOR, Tokenizer};
use half::f16;
use model::architecture::TERCET;
use model::config::ModelConfig;

use crate::error::{Error, Result};
use crate::metrics::ternary_block;
use crate::run::Source;
use crate::trainer::Named;

/// How the ternary matrices are written. Tables keep the precision they were trained in, the rest is f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportType {
    /// As trained: 2.125 bits a weight.
    #[default]
    Q1_58,
    /// 256 weights share a scale; exact only where neighbouring groups have the same one.
    Tq2_0,
    /// `scale * code` in 16 bits, exact.
    F16,
    /// `scale * code` in 32 bits, exact.
    F32,
}

impl FromStr for ExportType {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name {
            "q1_58" => Ok(ExportType::Q1_58),
            "tq2_0" => Ok(ExportType::Tq2_0),
            "f16" => Ok(ExportType::F16),
            "f32" => Ok(ExportType::F32),
            _ => Err("expected q1_58, tq2_0, f16 or f32".into()),
        }
    }
}

/// Where a model comes from; written as `tercet.training.*`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provenance {
    /// Hash of the text.
    pub data_hash: String,
    /// Steps behind it.
    pub steps: u64,
    /// Tokens it was trained on, repeats counted.
    pub tokens: u64,
    /// Validation after the last step, or the nearest before it.
    pub bits_per_byte: Option<f64>,
    /// Seed of the run.
    pub seed: u64,
    /// Commit of the program that trained it.
    pub commit: String,
    /// What stood between the documents of the text; empty if it was one.
    pub separator: String,
}

impl Provenance {
    /// Of a checkpoint.
    pub fn of(source: &Source) -> Provenance {
        let meta = &source.meta;
        // The best checkpoint was validated at its own step; another has the nearest figure before it.
        Provenance {
            data_hash: meta.data_hash.clone(),
            steps: source.step,
            tokens: meta.tokens,
            bits_per_byte: meta.validation,
            seed: meta.config.train.seed,
            commit: meta.commit.clone(),
            separator: meta.config.data.separator.clone(),
        }
    }
}

/// What the chosen type did to the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fidelity {
    /// Ternary matrices.
    pub matrices: usize,
    /// Those written as f16, exactly, because their rows do not fit the type's blocks.
    pub dense: usize,
    /// Those whose neighbouring scales had to be merged: no longer what was trained.
    pub rescaled: usize,
    /// The largest change of a scale, relative.
    pub worst: f32,
}

impl Fidelity {
    /// Whether the file computes what was trained, to the bit.
    pub fn exact(&self) -> bool {
        self.rescaled == 0
    }
}

/// Builds the file of a model. `params` are the trainer's latent values, by GGUF name; each is let go before the next is asked for.
///
/// # Errors
/// A model that no loader would take; a parameter that cannot be had or is not finite, by name; a shape that the chosen type cannot
/// hold.
pub fn to_gguf(
    config: &ModelConfig,
    params: impl IntoIterator<Item = Result<Named>>,
    tokenizer: &Tokenizer,
    provenance: &Provenance,
    ty: ExportType,
) -> Result<(GgufWriter, Fidelity)> {
    config.validate_ternary().map_err(|refusal| TERCET.refusal(refusal))?;
    let mut file = GgufWriter::default();
    describe(&mut file.metadata, config, tokenizer, provenance);
    let mut fidelity = Fidelity::default();
    for param in params {
        let param = &param?;
        if let Some(at) = param.data.iter().position(|w| !w.is_finite()) {
            return Err(Error::NotFinite { tensor: param.name.clone(), index: at, value: param.data[at] });
        }
        let mut bytes = Vec::new();
        let stored = if ternary_block(&param.name).is_some() {
            fidelity.matrices += 1;
            matrix(param, ty, &mut fidelity, &mut bytes)?
        } else {
            match table_type(config, &param.name) {
                Some(stored) => {
                    pack(stored, &param.data, &mut bytes)?;
                    stored
                }
                None => {
                    pack(TensorType::F32, &param.data, &mut bytes)?;
                    TensorType::F32
                }
            }
        };
        let dims: Vec<u64> = param.shape.iter().rev().map(|&n| n as u64).collect();
        file.add_tensor(&param.name, stored, &dims, bytes)?;
    }
    Ok((file, fidelity))
}

/// The precision an embedding table or head was trained in; `None` for other tensors.
fn table_type(config: &ModelConfig, name: &str) -> Option<TensorType> {
    match name {
        "token_embd.weight" => Some(config.embedding.tensor_type()),
        "output.weight" => Some(config.head.tensor_type()),
        _ => None,
    }
}

/// Appends one ternary matrix as `ty`, or as f16 where its rows do not fit `ty`'s blocks.
fn matrix(param: &Named, ty: ExportType, fidelity: &mut Fidelity, out: &mut Vec<u8>) -> Result<TensorType> {
    let cols = *param.shape.last().expect("a matrix has columns");
    assert!(cols.is_multiple_of(GROUP), "{}: {cols} columns are not whole groups", param.name);
    let mut codes = vec![0i8; param.data.len()];
    let mut scales: Vec<f16> = param
        .data
        .chunks_exact(GROUP)
        .zip(codes.chunks_exact_mut(GROUP))
        .map(|(w, t)| quantise_group(w, t))
        .collect();
    match ty {
        ExportType::Q1_58 => {
            for (scale, codes) in scales.iter().zip(codes.chunks_exact(GROUP)) {
                q1_58::pack_group(*scale, codes, out);
            }
            return Ok(TensorType::Q1_58);
        }
        ExportType::Tq2_0 if cols.is_multiple_of(tq2_0::LEN) => {
            let worst = merge_scales(&mut scales, &codes);
            fidelity.rescaled += usize::from(worst > 0.0);
            fidelity.worst = fidelity.worst.max(worst);
            pack_codes(TensorType::TQ2_0, &scales, &codes, out)?;
            return Ok(TensorType::TQ2_0);
        }
        ExportType::Tq2_0 => fidelity.dense += 1,
        ExportType::F16 | ExportType::F32 => {}
    }
    let dense = if ty == ExportType::F32 { TensorType::F32 } else { TensorType::F16 };
    let weights: Vec<f32> =
        codes.iter().enumerate().map(|(i, &t)| scales[i / GROUP].to_f32() * f32::from(t)).collect();
    pack(dense, &weights, out)?;
    Ok(dense)
}

/// Gives each pair of groups one scale, the codes unchanged: the least-squares one, which is the mean weighted by the
/// number of non-zero codes. Quantising the ternary weights again would shrink every scale by the share of zeros.
/// Returns the largest relative change.
fn merge_scales(scales: &mut [f16], codes: &[i8]) -> f32 {
    let mut worst = 0.0f32;
    for (pair, codes) in scales.chunks_exact_mut(2).zip(codes.chunks_exact(2 * GROUP)) {
        let nonzero = |half: &[i8]| half.iter().filter(|&&t| t != 0).count() as f32;
        let (a, b) = (nonzero(&codes[..GROUP]), nonzero(&codes[GROUP..]));
        if a == 0.0 || b == 0.0 || pair[0] == pair[1] {
            continue;
        }
        let (x, y) = (pair[0].to_f32(), pair[1].to_f32());
        let merged = f16::from_f32(((a * x + b * y) / (a + b)).max(SCALE_MIN));
        for old in [x, y] {
            worst = worst.max((merged.to_f32() - old).abs() / old);
        }
        pair.fill(merged);
    }
    worst
}

fn describe(meta: &mut Metadata, config: &ModelConfig, tokenizer: &Tokenizer, provenance: &Provenance) {
    config.to_gguf(meta);
    meta.insert("general.name", "Tercet");
    tokenizer.to_gguf(meta);
    meta.insert("tercet.training.data_hash", provenance.data_hash.as_str());
    meta.insert("tercet.training.steps", provenance.steps);
    meta.insert("tercet.training.tokens", provenance.tokens);
    if let Some(bits) = provenance.bits_per_byte {
        meta.insert("tercet.training.validation_bits_per_byte", bits as f32);
    }
    meta.insert("tercet.training.seed", provenance.seed);
    meta.insert("tercet.training.commit", provenance.commit.as_str());
    if !provenance.separator.is_empty() {
        meta.insert(SEPARATOR, provenance.separator.as_str());
    }
    // The names llama.cpp gives a model's recommended sampling.
    meta.insert("general.sampling.temp", 0.8f32);
    meta.insert("general.sampling.top_p", 0.95f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latent(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 73 % 199) as f32 - 99.0) * 1e-3 * (1.0 + (i / GROUP) as f32)).collect()
    }

    fn written(ty: ExportType, cols: usize) -> (Vec<f32>, TensorType, Fidelity) {
        let param =
            Named { name: "blk.0.attn_q.weight".into(), shape: vec![4, cols], data: latent(4 * cols) };
        let (mut bytes, mut fidelity) = (Vec::new(), Fidelity::default());
        let stored = matrix(&param, ty, &mut fidelity, &mut bytes).unwrap();
        let mut back = vec![0.0; param.data.len()];
        formats::blocks::unpack(stored, &bytes, &mut back).unwrap();
        (back, stored, fidelity)
    }

    #[test]
    fn export_types_without_loss_agree_to_the_bit() {
        let (ternary, ..) = written(ExportType::Q1_58, 256);
        for ty in [ExportType::F16, ExportType::F32] {
            let (dense, _, fidelity) = written(ty, 256);
            assert_eq!(ternary, dense);
            assert!(fidelity.exact());
        }
    }

    #[test]
    fn export_tq2_0_says_that_it_changed_scales_and_keeps_every_code() {
        let (ternary, ..) = written(ExportType::Q1_58, 256);
        let (merged, stored, fidelity) = written(ExportType::Tq2_0, 256);
        assert_eq!(stored, TensorType::TQ2_0);
        assert!(!fidelity.exact() && fidelity.worst > 0.0);
        assert!(
            ternary.iter().zip(&merged).all(|(a, b)| a.signum() == b.signum() && (*a == 0.0) == (*b == 0.0))
        );
        let total = |w: &[f32]| w.iter().map(|w| w.abs()).sum::<f32>();
        assert!((total(&merged) / total(&ternary) - 1.0).abs() < 1e-3, "scales must not shrink");
    }

    #[test]
    fn export_tq2_0_falls_back_to_f16_where_rows_do_not_fit() {
        let (back, stored, fidelity) = written(ExportType::Tq2_0, 128);
        assert_eq!((stored, fidelity.exact()), (TensorType::F16, true));
        assert_eq!(back, written(ExportType::Q1_58, 128).0);
    }
}
