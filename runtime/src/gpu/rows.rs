//! Rows of a matrix in the words that the shaders read, made by any thread: from a file as it is, or from what is laid out for the
//! processor. Both give the same words.

use std::ops::Range;
use std::path::Path;

use formats::blocks::{TensorType, q8_0};
use formats::gguf::Gguf;
use formats::rows::TernaryRows;
use half::f16;
use model::forward::{Forward, Stack};
use model::tensors::{TensorId, TensorSpec};
use shaders::Table as Kind;

use crate::error::{Error, Result};
use crate::model::in_file;
use crate::weights::{Layout, Matrix, StoredRows, TensorRows, WeightsFile};

/// Writes the words and the scales of some rows.
type Write<'a> = dyn Fn(Range<usize>, &mut [u32], &mut [f16]) -> Result<()> + Sync + 'a;

/// Rows on their way to a device.
pub struct Rows<'a> {
    pub kind: Kind,
    pub rows: usize,
    pub cols: usize,
    /// Rows whose products are multiplied by something.
    pub factors: Vec<(Range<usize>, f32)>,
    write: Box<Write<'a>>,
}

impl<'a> Rows<'a> {
    /// Ternary rows of one matrix on top of those of the next.
    ///
    /// # Errors
    /// A group that the shaders do not know, or not the same in all.
    pub fn ternary<R: TernaryRows + 'a>(name: &str, parts: Vec<R>) -> Result<Self>
    where
        Error: From<R::Error>,
    {
        let group = parts[0].group();
        let kind = ternary_kind(name, group)?;
        if let (Kind::Ternary64, Some(factor)) = (kind, parts.iter().find_map(R::factor)) {
            return Err(unknown(name, format!("groups of {group} and a factor of {factor}")));
        }
        if let Some(other) = parts.iter().find(|part| part.group() != group) {
            return Err(unknown(name, format!("groups of {} beside groups of {group}", other.group())));
        }
        let cols = parts[0].cols();
        assert!(parts.iter().all(|part| part.cols() == cols));
        let (mut rows, mut factors) = (0, Vec::new());
        for part in &parts {
            let own = rows..rows + part.rows();
            rows = own.end;
            factors.extend(part.factor().map(|factor| (own, factor)));
        }
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
        Ok(Rows { kind, rows, cols, factors, write: Box::new(write) })
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
        Rows { kind, rows, cols, factors: Vec::new(), write: Box::new(write) }
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

    /// A stack in a file: its matrices top to bottom, neighbours that are alike and ternary as one.
    ///
    /// # Errors
    /// As [`ternary`](Self::ternary).
    pub fn stack_of_file(gguf: &'a Gguf, forward: &Forward, stack: &Stack) -> Result<Vec<Self>> {
        let (mut all, mut alike) = (Vec::new(), Vec::new());
        let specs = || stack.parts.iter().map(|id| &forward.tensors[id.0]);
        let name = &specs().next().expect("there is a part").name;
        for spec in specs() {
            match (WeightsFile { gguf }).linear(spec)? {
                StoredRows::Ternary(rows) => {
                    // Each by its own name; laid out, a stack goes by the name of its first.
                    ternary_kind(&spec.name, rows.group())?;
                    if alike.last().is_some_and(|last: &TensorRows<'_>| last.group() != rows.group()) {
                        all.push(Self::ternary(name, std::mem::take(&mut alike))?);
                    }
                    alike.push(rows);
                }
                rows => {
                    if !alike.is_empty() {
                        all.push(Self::ternary(name, std::mem::take(&mut alike))?);
                    }
                    all.push(Self::stored(spec, rows)?);
                }
            }
        }
        if !alike.is_empty() {
            all.push(Self::ternary(name, alike)?);
        }
        Ok(all.into_iter().map(|rows| rows.in_file(Path::new(gguf.name()))).collect())
    }

    /// A stack that is laid out, whose rows are `cols` long.
    ///
    /// # Errors
    /// As [`ternary`](Self::ternary).
    pub fn stack_laid_out(matrices: &'a [Matrix], name: &str, cols: usize) -> Result<Vec<Self>> {
        matrices.iter().map(|matrix| Self::laid_out(matrix, name, cols)).collect()
    }

    /// An embedding or a head in a file.
    ///
    /// # Errors
    /// As [`ternary`](Self::ternary); also a table with a factor.
    pub fn table_of_file(gguf: &'a Gguf, spec: &TensorSpec) -> Result<Self> {
        let rows = Self::stored(spec, (WeightsFile { gguf }).table(spec)?)?;
        Ok(rows.without_factor(&spec.name)?.in_file(Path::new(gguf.name())))
    }

    /// An embedding or a head that is laid out.
    ///
    /// # Errors
    /// As [`table_of_file`](Self::table_of_file).
    pub fn table_laid_out(layout: &'a Layout, spec: &TensorSpec, id: TensorId) -> Result<Self> {
        let table = layout.tables[id.0].as_ref().expect("it is a table");
        Self::laid_out(table, &spec.name, spec.cols())?.without_factor(&spec.name)
    }

    /// One matrix in a file.
    fn stored(spec: &TensorSpec, rows: StoredRows<'a>) -> Result<Self> {
        let shape = [spec.rows(), spec.cols()];
        Ok(match rows {
            StoredRows::Ternary(rows) => Self::ternary(&spec.name, vec![rows])?,
            StoredRows::EightBit(table) => {
                Self::plain(Kind::Q8, shape, move |rows, codes, scales| table.unpack(rows, codes, scales))
            }
            StoredRows::Halves(table) => {
                Self::plain(Kind::F16, shape, move |rows, halves, _| table.unpack(rows, halves))
            }
            StoredRows::Blocks(table) => {
                let kind = block_kind(&spec.name, table.ty())?;
                let (own, padded) = (table.row_bytes(), row_bytes(kind, spec.cols()));
                Self::plain(kind, shape, move |rows, out: &mut [u8], _| {
                    for (r, out) in rows.zip(out.chunks_exact_mut(padded)) {
                        table.copy(r..r + 1, &mut out[..own])?;
                    }
                    Ok(())
                })
            }
        })
    }

    /// One matrix that is laid out.
    fn laid_out(matrix: &'a Matrix, name: &str, cols: usize) -> Result<Self> {
        let shape = [matrix.row_count(cols), cols];
        Ok(match matrix {
            Matrix::Ternary(m) => Self::ternary(name, m.parts())?,
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
                Self::ternary(name, vec![ScaledRows { codes, scales, cols, group: *group }])?
            }
            Matrix::Blocks { ty, bytes } => {
                let kind = block_kind(name, *ty)?;
                let (own, padded) = (cols / ty.block_len() * ty.block_bytes(), row_bytes(kind, cols));
                Self::plain(kind, shape, move |rows, out: &mut [u8], _| {
                    for (r, out) in rows.zip(out.chunks_exact_mut(padded)) {
                        out[..own].copy_from_slice(&bytes[r * own..][..own]);
                    }
                    Ok(())
                })
            }
        })
    }

    /// Refuses a factor, which only products have a place for.
    fn without_factor(self, name: &str) -> Result<Self> {
        match self.factors.first() {
            Some((_, factor)) => Err(unknown(name, format!("a factor of {factor}"))),
            None => Ok(self),
        }
    }
}

/// How shaders have ternary weights of which so many share a scale.
fn ternary_kind(name: &str, group: usize) -> Result<Kind> {
    match group {
        128 => Ok(Kind::Ternary),
        64 => Ok(Kind::Ternary64),
        _ => Err(unknown(name, format!("groups of {group}"))),
    }
}

/// How shaders have blocks of a type.
fn block_kind(name: &str, ty: TensorType) -> Result<Kind> {
    Ok(match ty {
        TensorType::F32 => Kind::F32,
        TensorType::BF16 => Kind::Bf16,
        TensorType::Q4_0 => Kind::Q4_0,
        TensorType::Q4_1 => Kind::Q4_1,
        TensorType::Q4_K => Kind::Q4K,
        TensorType::Q5_K => Kind::Q5K,
        TensorType::Q6_K => Kind::Q6K,
        ty => return Err(unknown(name, format!("weights of type {ty}"))),
    })
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

/// Weights that the shaders do not know.
fn unknown(name: &str, found: String) -> Error {
    Error::GpuMatrix { name: name.to_owned(), found }
}

/// Bytes of a row's codes, whole words.
pub fn row_bytes(kind: Kind, cols: usize) -> usize {
    let blocks = |ty: TensorType| cols / ty.block_len() * ty.block_bytes();
    let bytes = match kind {
        Kind::Ternary | Kind::Ternary64 => cols / 4,
        Kind::Q8 => cols,
        Kind::F16 | Kind::Bf16 => 2 * cols,
        Kind::F32 => 4 * cols,
        Kind::Q4_0 => blocks(TensorType::Q4_0),
        Kind::Q4_1 => blocks(TensorType::Q4_1),
        Kind::Q4K => blocks(TensorType::Q4_K),
        Kind::Q5K => blocks(TensorType::Q5_K),
        Kind::Q6K => blocks(TensorType::Q6_K),
    };
    bytes.next_multiple_of(4)
}

/// Scales of so many rows.
pub fn scales(kind: Kind, rows: usize, cols: usize) -> usize {
    kind.group().map_or(0, |group| rows * cols / group as usize)
}

/// Sixteen codes as the shaders have them.
fn ternary_word(codes: &[i8; 16]) -> u32 {
    let byte = |b: usize| (0..4).fold(0u8, |byte, k| byte | ((codes[b + 4 * k] + 1) as u8) << (2 * k));
    u32::from_le_bytes(std::array::from_fn(byte))
}

#[cfg(test)]
mod tests;
