//! Rows of a matrix in the words that the shaders read, made by any thread: from a file as it is, or from what is laid out for the
//! processor. Both give the same words.

use std::ops::Range;
use std::path::Path;

use formats::blocks::q8_0;
use formats::gguf::Gguf;
use formats::rows::TernaryRows;
use half::f16;
use model::forward::{Forward, Stack};
use model::tensors::{TensorId, TensorSpec};
use shaders::Table as Kind;

use crate::error::{Error, Result};
use crate::model::in_file;
use crate::weights::{Layout, Matrix, StoredRows, WeightsFile};

/// Writes the words and the scales of some rows.
type Write<'a> = dyn Fn(Range<usize>, &mut [u32], &mut [f16]) -> Result<()> + Sync + 'a;

/// Rows on their way to a device.
pub struct Rows<'a> {
    pub kind: Kind,
    pub rows: usize,
    pub cols: usize,
    write: Box<Write<'a>>,
}

impl<'a> Rows<'a> {
    /// Ternary rows of one matrix on top of those of the next.
    ///
    /// # Errors
    /// A group or a factor that the shaders do not know.
    pub fn ternary<R: TernaryRows + 'a>(name: &str, parts: Vec<R>) -> Result<Self>
    where
        Error: From<R::Error>,
    {
        let group = group(Kind::Ternary) as usize;
        for part in &parts {
            check(name, part.group(), part.factor())?;
        }
        let (rows, cols) = (parts.iter().map(R::rows).sum(), parts[0].cols());
        assert!(parts.iter().all(|part| part.cols() == cols));
        let write = move |range: Range<usize>, words: &mut [u32], scales: &mut [f16]| {
            let out = words.chunks_exact_mut(cols / 16).zip(scales.chunks_exact_mut(cols / group));
            let mut codes = vec![0i8; cols];
            for (r, (words, scales)) in range.zip(out) {
                let (part, r) = place(&parts, r);
                part.unpack(r..r + 1, &mut codes, scales)?;
                let spans = codes.as_chunks().0;
                words.iter_mut().zip(spans).for_each(|(word, codes)| *word = ternary_word(codes));
            }
            Ok(())
        };
        Ok(Rows { kind: Kind::Ternary, rows, cols, write: Box::new(write) })
    }

    /// Words that hold several numbers `T` each, lowest first as memory does, of `rows` x `cols`.
    fn plain<T: bytemuck::Pod>(
        kind: Kind,
        [rows, cols]: [usize; 2],
        write: impl Fn(Range<usize>, &mut [T], &mut [f16]) -> Result<()> + Sync + 'a,
    ) -> Self {
        let write = move |rows: Range<usize>, words: &mut [u32], scales: &mut [f16]| {
            write(rows, bytemuck::cast_slice_mut(words), scales)
        };
        Rows { kind, rows, cols, write: Box::new(write) }
    }

    /// Writes the words (rows.len() x [`row_bytes`] / 4) and the scales (rows.len() x cols / [`group`], none of halves) of some rows.
    ///
    /// # Errors
    /// What is wrong with the lowest of them.
    pub fn write(&self, rows: Range<usize>, words: &mut [u32], scales: &mut [f16]) -> Result<()> {
        (self.write)(rows, words, scales)
    }

    /// Errors name the file at `path`.
    fn in_file(self, path: &'a Path) -> Self {
        let Rows { write, .. } = self;
        let write = move |rows: Range<usize>, words: &mut [u32], scales: &mut [f16]| {
            write(rows, words, scales).map_err(|e| in_file(e, path))
        };
        Rows { write: Box::new(write), ..self }
    }

    /// A stack in a file.
    ///
    /// # Errors
    /// As [`ternary`](Self::ternary).
    pub fn stack_of_file(gguf: &'a Gguf, forward: &Forward, stack: &Stack) -> Result<Self> {
        let specs = || stack.parts.iter().map(|id| &forward.tensors[id.0]);
        let parts = specs().map(|spec| match (WeightsFile { gguf }).linear(spec)? {
            StoredRows::Ternary(rows) => Ok(rows),
            _ => Err(unknown(&spec.name, "weights that are not ternary".to_owned())),
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        // Each part by its own name; laid out, a stack goes by the name of its first.
        for (spec, part) in specs().zip(&parts) {
            check(&spec.name, part.group(), part.factor())?;
        }
        Ok(Self::ternary(&specs().next().expect("there is a part").name, parts)?
            .in_file(Path::new(gguf.name())))
    }

    /// A stack that is laid out.
    ///
    /// # Errors
    /// As [`ternary`](Self::ternary).
    pub fn stack_laid_out(matrices: &'a [Matrix], name: &str) -> Result<Self> {
        match matrices {
            [Matrix::Ternary(m)] => Self::ternary(name, m.parts()),
            _ => Err(unknown(name, "weights that are not all ternary and alike".to_owned())),
        }
    }

    /// An embedding or a head in a file.
    ///
    /// # Errors
    /// As [`ternary`](Self::ternary).
    pub fn table_of_file(gguf: &'a Gguf, spec: &TensorSpec) -> Result<Self> {
        let shape = [spec.rows(), spec.cols()];
        let rows = match (WeightsFile { gguf }).table(spec)? {
            StoredRows::Ternary(rows) => Self::ternary(&spec.name, vec![rows])?,
            StoredRows::EightBit(table) => {
                Self::plain(Kind::Q8, shape, move |rows, codes, scales| table.unpack(rows, codes, scales))
            }
            StoredRows::Halves(table) => {
                Self::plain(Kind::F16, shape, move |rows, halves, _| table.unpack(rows, halves))
            }
            StoredRows::Blocks(table) => {
                return Err(unknown(&spec.name, format!("weights of type {}", table.ty())));
            }
        };
        Ok(rows.in_file(Path::new(gguf.name())))
    }

    /// An embedding or a head that is laid out.
    ///
    /// # Errors
    /// As [`ternary`](Self::ternary).
    pub fn table_laid_out(layout: &'a Layout, spec: &TensorSpec, id: TensorId) -> Result<Self> {
        let (shape, cols) = ([spec.rows(), spec.cols()], spec.cols());
        Ok(match layout.tables[id.0].as_ref().expect("it is a table") {
            Matrix::Ternary(m) => Self::ternary(&spec.name, m.parts())?,
            Matrix::F16(halves) => Self::plain(Kind::F16, shape, move |rows, out, _| {
                out.copy_from_slice(&halves[rows.start * cols..rows.end * cols]);
                Ok(())
            }),
            Matrix::Scaled { codes, scales, group } if *group == q8_0::LEN => {
                Self::plain(Kind::Q8, shape, move |rows, out, halves| {
                    out.copy_from_slice(&codes[rows.start * cols..rows.end * cols]);
                    halve(&scales[rows.start * cols / group..], halves);
                    Ok(())
                })
            }
            Matrix::Scaled { codes, scales, group } => {
                Self::ternary(&spec.name, vec![ScaledRows { codes, scales, cols, group: *group }])?
            }
            Matrix::Blocks { ty, .. } => return Err(unknown(&spec.name, format!("weights of type {ty}"))),
        })
    }
}

/// A ternary table that a head multiplies by f32, as ternary rows again.
struct ScaledRows<'a> {
    codes: &'a [i8],
    scales: &'a [f32],
    cols: usize,
    group: usize,
}

impl TernaryRows for ScaledRows<'_> {
    type Error = Error;

    fn rows(&self) -> usize {
        self.codes.len() / self.cols
    }

    fn cols(&self) -> usize {
        self.cols
    }

    fn group(&self) -> usize {
        self.group
    }

    /// A factor is in the scales, should there have been one.
    fn factor(&self) -> Option<f32> {
        None
    }

    fn unpack(&self, rows: Range<usize>, codes: &mut [i8], scales: &mut [f16]) -> Result<()> {
        let elements = rows.start * self.cols..rows.end * self.cols;
        halve(&self.scales[elements.start / self.group..], scales);
        codes.copy_from_slice(&self.codes[elements]);
        Ok(())
    }
}

/// The part that has row `r` of all of them, and which of its rows that is.
fn place<R: TernaryRows>(parts: &[R], mut r: usize) -> (&R, usize) {
    for part in parts {
        if r < part.rows() {
            return (part, r);
        }
        r -= part.rows();
    }
    panic!("the parts end {r} rows before this one")
}

/// Scales that were halves before the processor widened them.
fn halve(scales: &[f32], out: &mut [f16]) {
    out.iter_mut().zip(scales).for_each(|(out, &scale)| *out = f16::from_f32(scale));
}

/// Refuses ternary weights that the shaders do not know.
fn check(name: &str, group: usize, factor: Option<f32>) -> Result<()> {
    let found = match factor {
        _ if group != self::group(Kind::Ternary) as usize => format!("groups of {group}"),
        Some(factor) => format!("a factor of {factor}"),
        None => return Ok(()),
    };
    Err(unknown(name, found))
}

/// Weights that the shaders do not know.
fn unknown(name: &str, found: String) -> Error {
    Error::GpuTernary { name: name.to_owned(), found }
}

/// Columns that share a scale; a table of halves has none.
pub fn group(kind: Kind) -> u32 {
    if kind == Kind::Q8 { 32 } else { 128 }
}

/// Bytes of a row's codes.
pub fn row_bytes(kind: Kind, cols: usize) -> usize {
    let bits = match kind {
        Kind::Ternary => 2,
        Kind::Q8 => 8,
        Kind::F16 => 16,
    };
    cols * bits / 8
}

/// Scales of so many rows.
pub fn scales(kind: Kind, rows: usize, cols: usize) -> usize {
    if kind == Kind::F16 { 0 } else { rows * cols / group(kind) as usize }
}

/// Sixteen codes as the shaders have them.
fn ternary_word(codes: &[i8; 16]) -> u32 {
    let byte = |b: usize| (0..4).fold(0u8, |byte, k| byte | ((codes[b + 4 * k] + 1) as u8) << (2 * k));
    u32::from_le_bytes(std::array::from_fn(byte))
}

#[cfg(test)]
mod tests;
