//! Matrices in the layouts that the processor's kernels read, made from a file's neutral rows by all threads of a pool.

use std::ops::Range;

use formats::blocks::q8_0;
use formats::rows::TernaryRows;
use half::f16;

use super::Table;
use super::file::WeightsFile;
use super::tables::TableRows;
use crate::error::Result;
use cpu::{Kernels, Pool, TernaryMatrix, advise_huge_pages};
use model::forward::Forward;
use model::tensors::{TensorId, TensorKind, TensorSpec};

/// Rows that a thread unpacks at a time.
const ROWS_A_TASK: usize = 64;

/// Everything of a model that is multiplied by, laid out for some kernels.
#[derive(Debug)]
pub struct Layout {
    /// One for each tensor; `None` for those that are no table.
    pub tables: Vec<Option<Table>>,
    /// One for each stack.
    pub stacks: Vec<TernaryMatrix>,
}

impl Layout {
    /// Lays out every matrix of a forward pass.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape or type, or not finite, by name.
    pub fn new(file: WeightsFile<'_>, forward: &Forward, kernels: &Kernels, pool: &Pool) -> Result<Self> {
        let by_f32 = |id| id == forward.head_table() && !forward.config.head_int8;
        let tables = forward.tensors.iter().enumerate().map(|(i, spec)| match spec.kind {
            TensorKind::Table { .. } => table(file, kernels, pool, spec, by_f32(TensorId(i))).map(Some),
            TensorKind::Ternary { .. } | TensorKind::Plain(_) => Ok(None),
        });
        let tables = tables.collect::<Result<_>>()?;
        let stacks = forward.stacks.iter().map(|stack| {
            let parts = stack.parts.iter().map(|id| file.ternary(&forward.tensors[id.0]));
            // Only after the shapes were found right is there anything to allocate for.
            TernaryMatrix::from_rows(kernels, pool, &parts.collect::<Result<Vec<_>>>()?)
        });
        Ok(Layout { tables, stacks: stacks.collect::<Result<_>>()? })
    }
}

/// The embedding, or an untied head; `by_f32` if a head multiplies it by f32.
fn table(
    file: WeightsFile<'_>,
    kernels: &Kernels,
    pool: &Pool,
    spec: &TensorSpec,
    by_f32: bool,
) -> Result<Table> {
    let (rows, cols) = (spec.rows(), spec.cols());
    match file.table(spec)? {
        TableRows::Halves(table) => {
            let mut halves = vec![f16::ZERO; rows * cols];
            by_rows(pool, rows, &mut halves, &mut [(); 0], |rows, out, _| table.unpack(rows, out))?;
            Ok(Table::F16(halves))
        }
        TableRows::EightBit(table) => scaled(pool, [rows, cols], q8_0::LEN, 1.0, |rows, codes, scales| {
            table.unpack(rows, codes, scales)
        }),
        TableRows::Ternary(table) if by_f32 => {
            let factor = table.factor().unwrap_or(1.0);
            scaled(pool, [rows, cols], table.group(), factor, |rows, codes, scales| {
                table.unpack(rows, codes, scales)
            })
        }
        TableRows::Ternary(table) => Ok(Table::Ternary(TernaryMatrix::from_rows(kernels, pool, &[table])?)),
    }
}

/// A table of codes and scales, as `unpack` gives those of some rows.
fn scaled(
    pool: &Pool,
    [rows, cols]: [usize; 2],
    group: usize,
    factor: f32,
    unpack: impl Fn(Range<usize>, &mut [i8], &mut [f16]) -> Result<()> + Sync,
) -> Result<Table> {
    let (mut codes, mut scales) = (vec![0i8; rows * cols], vec![0.0f32; rows * (cols / group)]);
    advise_huge_pages(&codes, true);
    advise_huge_pages(&scales, true);
    by_rows(pool, rows, &mut codes, &mut scales, |rows, codes, scales| {
        let mut halves = vec![f16::ZERO; scales.len()];
        unpack(rows, codes, &mut halves)?;
        scales.iter_mut().zip(halves).for_each(|(scale, half)| *scale = factor * half.to_f32());
        Ok(())
    })?;
    Ok(Table::Scaled { codes, scales, group })
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
