//! Matrices in the layouts that the processor's kernels read, made from a file's neutral rows by all threads of a pool.

use std::ops::Range;

use formats::blocks::q8_0;
use formats::rows::TernaryRows;
use half::f16;

use super::Matrix;
use super::file::WeightsFile;
use super::rows::TensorRows;
use super::stored::StoredRows;
use crate::error::{Error, Result};
use cpu::{Kernels, Pool, TernaryMatrix, advise_huge_pages};
use model::forward::{Forward, Op};
use model::tensors::{TensorId, TensorKind, TensorSpec};

/// Rows that a thread unpacks at a time.
const ROWS_A_TASK: usize = 64;

/// Everything of a model that is multiplied by, laid out for some kernels.
#[derive(Debug)]
pub struct Layout {
    /// One for each tensor; `None` for those that are no table.
    pub tables: Vec<Option<Matrix>>,
    /// One for each stack: its matrices top to bottom, neighbours that are alike and ternary as one.
    pub stacks: Vec<Vec<Matrix>>,
    /// In which form each quantised buffer of the forward pass is read.
    pub reads: Vec<Reads>,
}

/// What products read of the rows that they share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Quantised, by ternary matrices.
    pub codes: bool,
    /// As they are, by others.
    pub floats: bool,
}

impl Layout {
    /// Lays out every matrix of a forward pass.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape or type, or not finite, by name.
    pub fn new(file: WeightsFile<'_>, forward: &Forward, kernels: &Kernels, pool: &Pool) -> Result<Self> {
        let by_f32 = |id| id == forward.head_table() && !forward.config.head_int8;
        let tables = forward.tensors.iter().enumerate().map(|(i, spec)| match spec.kind {
            TensorKind::Table { .. } => {
                matrix(kernels, pool, spec, file.table(spec)?, by_f32(TensorId(i))).map(Some)
            }
            TensorKind::Ternary { .. } | TensorKind::Plain(_) => Ok(None),
        });
        let tables = tables.collect::<Result<_>>()?;
        let stacks = forward.stacks.iter().map(|stack| {
            let parts = stack.parts.iter().map(|id| &forward.tensors[id.0]);
            let parts = parts.map(|spec| Ok((spec, file.linear(spec)?)));
            // Only after the shapes were found right is there anything to allocate for.
            self::stack(kernels, pool, parts.collect::<Result<Vec<_>>>()?)
        });
        let stacks = stacks.collect::<Result<Vec<_>>>()?;
        let mut reads = vec![Reads::default(); forward.quants.len()];
        for op in &forward.ops {
            if let Op::BitLinear { q, stack, .. } = *op {
                let ternary = || stacks[stack.0].iter().map(|m| m.ternary().is_some());
                reads[q.0].codes |= ternary().any(|ternary| ternary);
                reads[q.0].floats |= ternary().any(|ternary| !ternary);
            }
        }
        Ok(Layout { tables, stacks, reads })
    }
}

/// Matrices on top of each other.
fn stack(kernels: &Kernels, pool: &Pool, parts: Vec<(&TensorSpec, StoredRows<'_>)>) -> Result<Vec<Matrix>> {
    let mut matrices = Vec::new();
    let mut alike: Vec<TensorRows<'_>> = Vec::new();
    let whole = |alike: &mut Vec<TensorRows<'_>>, matrices: &mut Vec<Matrix>| {
        if !alike.is_empty() {
            matrices.push(Matrix::Ternary(TernaryMatrix::from_rows(kernels, pool, alike)?));
            alike.clear();
        }
        Ok::<_, Error>(())
    };
    for (spec, rows) in parts {
        match rows {
            StoredRows::Ternary(rows) => {
                if alike.last().is_some_and(|last| last.group() != rows.group()) {
                    whole(&mut alike, &mut matrices)?;
                }
                alike.push(rows);
            }
            rows => {
                whole(&mut alike, &mut matrices)?;
                matrices.push(matrix(kernels, pool, spec, rows, true)?);
            }
        }
    }
    whole(&mut alike, &mut matrices)?;
    Ok(matrices)
}

/// One matrix; `by_f32` if it is multiplied by f32.
fn matrix(
    kernels: &Kernels,
    pool: &Pool,
    spec: &TensorSpec,
    stored: StoredRows<'_>,
    by_f32: bool,
) -> Result<Matrix> {
    let (rows, cols) = (spec.rows(), spec.cols());
    match stored {
        StoredRows::Halves(table) => {
            let mut halves = vec![f16::ZERO; rows * cols];
            advise_huge_pages(&halves, true);
            by_rows(pool, rows, &mut halves, &mut [(); 0], |rows, out, _| table.unpack(rows, out))?;
            Ok(Matrix::F16(halves))
        }
        StoredRows::Blocks(table) => {
            let mut bytes = vec![0u8; rows * table.row_bytes()];
            advise_huge_pages(&bytes, true);
            by_rows(pool, rows, &mut bytes, &mut [(); 0], |rows, out, _| table.copy(rows, out))?;
            Ok(Matrix::Blocks { ty: table.ty(), bytes })
        }
        StoredRows::EightBit(table) => scaled(pool, [rows, cols], q8_0::LEN, 1.0, |rows, codes, scales| {
            table.unpack(rows, codes, scales)
        }),
        StoredRows::Ternary(table) if by_f32 => {
            let factor = table.factor().unwrap_or(1.0);
            scaled(pool, [rows, cols], table.group(), factor, |rows, codes, scales| {
                table.unpack(rows, codes, scales)
            })
        }
        StoredRows::Ternary(table) => Ok(Matrix::Ternary(TernaryMatrix::from_rows(kernels, pool, &[table])?)),
    }
}

/// A table of codes and scales, as `unpack` gives those of some rows.
fn scaled(
    pool: &Pool,
    [rows, cols]: [usize; 2],
    group: usize,
    factor: f32,
    unpack: impl Fn(Range<usize>, &mut [i8], &mut [f16]) -> Result<()> + Sync,
) -> Result<Matrix> {
    let (mut codes, mut scales) = (vec![0i8; rows * cols], vec![0.0f32; rows * (cols / group)]);
    advise_huge_pages(&codes, true);
    advise_huge_pages(&scales, true);
    by_rows(pool, rows, &mut codes, &mut scales, |rows, codes, scales| {
        let mut halves = vec![f16::ZERO; scales.len()];
        unpack(rows, codes, &mut halves)?;
        scales.iter_mut().zip(halves).for_each(|(scale, half)| *scale = factor * half.to_f32());
        Ok(())
    })?;
    Ok(Matrix::Scaled { codes, scales, group })
}

/// Fills `a` and `b`, each of so many rows, some rows at a time on all threads.
///
/// # Errors
/// Those of the lowest rows that cannot be had.
pub fn by_rows<A: Send, B: Send>(
    pool: &Pool,
    rows: usize,
    mut a: &mut [A],
    mut b: &mut [B],
    fill: impl Fn(Range<usize>, &mut [A], &mut [B]) -> Result<()> + Sync,
) -> Result<()> {
    let (a_row, b_row) = (a.len() / rows.max(1), b.len() / rows.max(1));
    let mut tasks = Vec::with_capacity(rows.div_ceil(ROWS_A_TASK));
    for first in (0..rows).step_by(ROWS_A_TASK) {
        let count = ROWS_A_TASK.min(rows - first);
        let a = a.split_off_mut(..count * a_row).expect("there are whole rows");
        let b = b.split_off_mut(..count * b_row).expect("there are whole rows");
        tasks.push((first..first + count, a, b, Ok(())));
    }
    pool.each_mut(&mut tasks, |_, (rows, a, b, done)| *done = fill(rows.clone(), a, b));
    tasks.into_iter().try_for_each(|(_, _, _, done)| done)
}
