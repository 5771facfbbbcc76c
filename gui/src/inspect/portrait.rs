//! What is worked out of one tensor, in the background: its numbers, a histogram, and how it looks from afar. The file is read
//! twice, piece by piece: the colours of the second pass depend on the figures of the first.

use std::path::Path;
use std::time::{Duration, Instant};

use formats::blocks::{self, GROUP_MIN, TensorType};
use formats::gguf::{Header, TensorFile, TensorInfo};
use formats::measure::{Histogram, Measured, Meter, PIECE};
use half::f16;

use super::pyramid::{Builder, Pyramid};
use crate::jobs::JobContext;
use crate::open::Stamp;
use formats::sentence;

/// Weights read at a time.
pub const READ: u64 = (PIECE as u64) << 6;
/// Bins of every histogram.
pub const BINS: usize = 96;
/// Tensors of at most so many rows are drawn as curves,
pub const ROWS_FEW: u64 = 4;
/// if no more weights than these have to be kept for that.
const VALUES_MAX: u64 = 1 << 18;

/// One tensor, looked at.
#[derive(Debug)]
pub struct Portrait {
    /// Its name, type and shape.
    pub info: TensorInfo,
    pub measured: Measured,
    /// Of the scales if it is ternary, else of the weights.
    pub histogram: Histogram,
    /// How it looks from afar; `None` for one without weights.
    pub pyramid: Option<Pyramid>,
    /// All weights, where they are few rows.
    pub values: Option<Vec<f32>>,
    /// Time all this took.
    pub took: Duration,
}

impl Portrait {
    /// Looks at a tensor of the file that `header` was read from.
    ///
    /// # Errors
    /// A sentence: a file that is gone, changed or damaged, a type that is not ours, or that the job was cancelled.
    pub fn new(
        path: &Path,
        header: &Header,
        stamp: Stamp,
        name: &str,
        job: &JobContext,
    ) -> Result<Portrait, String> {
        let start = Instant::now();
        let mut file = TensorFile::open(path, header, name).map_err(|e| sentence(&e))?;
        if Stamp::of(path) != stamp {
            return Err(
                "The file changed on disk since it was opened, so its tensors may be elsewhere. Reload it."
                    .into(),
            );
        }
        let info = file.info().clone();
        let ty = file.ty().map_err(|e| sentence(&e))?;
        let dims = info.dims;

        let factor = file.factor().map_err(|e| sentence(&e))?;
        let mut meter = Meter::new(ty, factor);
        pieces(&mut file, ty, job, 0.0, |bytes| meter.add(bytes))?;
        let measured = meter.finish();

        let mut histogram = match &measured.ternary {
            Some(ternary) => ternary.scale_histogram(BINS),
            None => Histogram::new(measured.weights.min, measured.weights.max, BINS),
        };
        let few = dims.rows() <= ROWS_FEW && dims.weights() <= VALUES_MAX;
        let mut values = few.then(Vec::new);
        let mut pyramid =
            (dims.weights() > 0).then(|| Builder::new(dims.row() as usize, dims.rows() as usize));
        let (mut unpacked, mut codes, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        pieces(&mut file, ty, job, 0.5, |bytes| {
            let count = bytes.len() / ty.block_bytes() * ty.block_len();
            if ty.is_ternary() {
                codes.resize(count, 0i8);
                scales.resize(count / GROUP_MIN, f16::ZERO);
                blocks::unpack_codes(ty, bytes, &mut scales, &mut codes)?;
                if let Some(pyramid) = &mut pyramid {
                    pyramid.add(codes.iter().map(|t| code_parts(*t)));
                }
            }
            if !ty.is_ternary() || values.is_some() {
                unpacked.resize(count, 0.0);
                blocks::unpack(ty, bytes, &mut unpacked)?;
                unpacked.iter_mut().for_each(|w| *w *= factor.unwrap_or(1.0));
            }
            if !ty.is_ternary() {
                unpacked.iter().for_each(|v| histogram.add(*v, 1));
                if let Some(pyramid) = &mut pyramid {
                    pyramid.add(unpacked.iter().map(|v| [finite(*v), 0.0]));
                }
            }
            if let Some(values) = &mut values {
                values.extend_from_slice(&unpacked);
            }
            Ok(())
        })?;
        let pyramid = pyramid.map(Builder::finish);
        Ok(Portrait { info, measured, histogram, pyramid, values, took: start.elapsed() })
    }
}

/// What a ternary weight adds to the two parts of a cell.
pub fn code_parts(code: i8) -> [f32; 2] {
    [f32::from(code < 0), f32::from(code > 0)]
}

/// A weight as it is drawn: one that is no number takes no part.
pub fn finite(v: f32) -> f32 {
    if v.is_finite() { v } else { 0.0 }
}

/// Hands a tensor over in whole blocks, and tells how far it is, from `from` to half further.
fn pieces(
    file: &mut TensorFile,
    ty: TensorType,
    job: &JobContext,
    from: f32,
    mut take: impl FnMut(&[u8]) -> formats::Result<()>,
) -> Result<(), String> {
    let blocks = file.info().dims.weights() / ty.block_len() as u64;
    let step = READ / ty.block_len() as u64;
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < blocks {
        if job.is_cancelled() {
            return Err("Measuring was cancelled. Choose the tensor again to measure it.".into());
        }
        if at > 0 || from > 0.0 {
            job.progress(Some(from + 0.5 * at as f32 / blocks as f32), "");
        }
        file.read_blocks(at..at + step, &mut bytes).map_err(|e| sentence(&e))?;
        take(&bytes).map_err(|e| sentence(&file.explain(e.after_blocks(at as usize))))?;
        at += step;
    }
    Ok(())
}
