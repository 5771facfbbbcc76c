//! Ternary products: every kernel held against scalar, then timed on a matrix that caches hold and on matrices that
//! come from memory. Threads share a product by its rows.

use std::hint::black_box;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use cpu::{Kernels, Memory, Pool, ROW_BLOCK, RowLayout, TernaryMatrix};

use crate::case::{Case, KINDS};
use crate::cell::Cell;
use crate::limits::{bandwidth_gbs, ceiling_gops};
use crate::machine::last_cache_bytes;
use crate::options::{ProductOptions, Shape};
use crate::plain::{self, PlainMatrix};
use crate::row::{ProductRow, Row};
use crate::timing::{Budget, Times, time};
use crate::watch::Watch;

/// Cold matrices hold at least this much, and at least so many times the last cache, but never more than the most.
const COLD_BYTES_MIN: usize = 192 << 20;
const COLD_CACHES: usize = 4;
const COLD_BYTES_MAX: usize = 4 << 30;

type Gemm = fn(&Kernels, &TernaryMatrix, Range<usize>, &[i8], &[f32], &mut [f32], usize);

/// Something that multiplies.
#[derive(Clone, Copy)]
pub enum Contender {
    /// The plain loop.
    Plain,
    /// A row of the table, through its method.
    Table(&'static Kernels, Gemm),
}

impl Contender {
    fn named(name: &str) -> Option<Contender> {
        if name == plain::NAME {
            return Some(Contender::Plain);
        }
        Kernels::named(name).map(|kernels| Contender::Table(kernels, Kernels::gemm_ternary))
    }

    fn name(self) -> &'static str {
        match self {
            Contender::Plain => plain::NAME,
            Contender::Table(kernels, _) => kernels.name,
        }
    }

    /// Whether it can be bound by memory at all; loops that are slower than that are measured once.
    fn fast(self) -> bool {
        matches!(self, Contender::Table(kernels, _) if !kernels.is_oracle())
    }
}

/// A matrix as a contender reads it.
enum Matrix {
    Plain(PlainMatrix),
    Table(TernaryMatrix),
}

impl Matrix {
    fn new(case: &Case, contender: Contender) -> Matrix {
        match contender {
            Contender::Plain => Matrix::Plain(PlainMatrix {
                cols: case.shape.cols,
                codes: case.codes.clone(),
                scales: case.scales.clone(),
            }),
            Contender::Table(kernels, _) => Matrix::Table(case.matrix(kernels)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Matrix::Plain(m) => m.codes.len() + 2 * m.scales.len(),
            Matrix::Table(m) => m.bytes(),
        }
    }
}

/// Where the threads of a product leave their rows: (tokens, rows of the part) each.
struct Parts(Vec<(Range<usize>, Mutex<Vec<f32>>)>);

impl Parts {
    fn new(pool: &Pool, rows: usize, tokens: usize) -> Parts {
        let parts = Mutex::new(Vec::new());
        pool.split(rows, ROW_BLOCK, |range| {
            let y = Mutex::new(vec![f32::NAN; range.len() * tokens]);
            parts.lock().unwrap_or_else(PoisonError::into_inner).push((range, y));
        });
        Parts(parts.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn multiply(&self, pool: &Pool, contender: Contender, m: &Matrix, q: &[i8], a: &[f32]) {
        let rows = self.0.iter().map(|(range, _)| range.end).max().unwrap_or(0);
        pool.split(rows, ROW_BLOCK, |range| {
            let part = self.0.iter().find(|(r, _)| r.start == range.start);
            let (_, y) = part.expect("a pool cuts the same rows the same way");
            let y = &mut *y.lock().unwrap_or_else(PoisonError::into_inner);
            let stride = range.len();
            match (contender, m) {
                (Contender::Plain, Matrix::Plain(m)) => plain::gemm(m, range, q, a, y, stride),
                (Contender::Table(kernels, gemm), Matrix::Table(m)) => {
                    gemm(kernels, m, range, q, a, y, stride)
                }
                _ => unreachable!("a matrix is made for its contender"),
            }
        });
        black_box(&self.0);
    }

    /// Results that differ from `expected` (tokens x rows) in any bit, and the largest difference.
    fn compare(&self, expected: &[f32], rows: usize) -> (usize, f64) {
        let (mut wrong, mut most) = (0, 0.0f64);
        for (range, y) in &self.0 {
            let y = y.lock().unwrap_or_else(PoisonError::into_inner);
            for (y, expected) in y.chunks_exact(range.len()).zip(expected.chunks_exact(rows)) {
                for (y, e) in y.iter().zip(&expected[range.clone()]) {
                    if y.to_bits() != e.to_bits() {
                        wrong += 1;
                        let error = f64::from((y - e).abs());
                        most = most.max(if error.is_nan() { f64::INFINITY } else { error });
                    }
                }
            }
        }
        (wrong, most)
    }
}

/// What rows of one shape have in common.
struct Bench<'a> {
    case: &'a Case,
    pools: &'a [Pool],
    /// What bandwidth is measured on, if any row is cold.
    memory: Option<&'a Memory>,
    /// Times of the plain loop: batch, threads, seconds.
    plain: Vec<(usize, usize, f64)>,
    cancel: &'a AtomicBool,
    watch: &'a mut dyn Watch,
}

/// Measures all of it; `None` once cancelled.
pub fn measure(
    options: &ProductOptions,
    pools: &[Pool],
    watch: &mut dyn Watch,
    cancel: &AtomicBool,
) -> Option<()> {
    let contenders: Vec<Contender> =
        options.kernels.iter().filter_map(|name| Contender::named(name)).collect();
    let most = pools.iter().map(Pool::threads).max()?;
    let cold = !options.cold_batches.is_empty() && contenders.iter().any(|c| c.fast());
    let cold_bytes = last_cache_bytes().saturating_mul(COLD_CACHES).clamp(COLD_BYTES_MIN, COLD_BYTES_MAX);
    let memory = cold.then(|| Memory::new(cold_bytes.next_multiple_of(most), true));
    for &shape in &options.shapes {
        let widest = pools.iter().max_by_key(|pool| pool.threads())?;
        let case = Case::new(shape, &options.batches, widest);
        let mut bench =
            Bench { case: &case, pools, memory: memory.as_ref(), plain: Vec::new(), cancel, watch };
        for &contender in contenders.iter().filter(|c| !c.fast()) {
            let m = [Matrix::new(&case, contender)];
            options.batches.iter().try_for_each(|&batch| bench.rows(contender, &m, batch, true))?;
        }
        // Contenders of one layout share the cold matrices.
        for layout in RowLayout::ALL {
            let of_layout =
                |c: &&Contender| matches!(c, Contender::Table(k, _) if c.fast() && k.layout() == layout);
            let group: Vec<&Contender> = contenders.iter().filter(of_layout).collect();
            let Some(&&first) = group.first() else { continue };
            let one = Matrix::new(&case, first);
            let copies = if cold { cold_bytes.div_ceil(one.bytes()) } else { 1 };
            let matrices = copied(&one, copies);
            for &&contender in &group {
                for &batch in &options.batches {
                    bench.rows(contender, &matrices[..1], batch, true)?;
                    if options.cold_batches.contains(&batch) {
                        bench.rows(contender, &matrices, batch, false)?;
                    }
                }
            }
        }
    }
    Some(())
}

/// To a thousandth of a microsecond: the clock knows no better, and files stay small.
pub fn rounded(us: f64) -> f64 {
    (us * 1e3).round() / 1e3
}

fn copied(m: &Matrix, copies: usize) -> Vec<Matrix> {
    match m {
        Matrix::Plain(_) => Vec::new(),
        Matrix::Table(m) => (0..copies).map(|_| Matrix::Table(m.clone())).collect(),
    }
}

impl Bench<'_> {
    /// One kernel and batch on every pool.
    fn rows(&mut self, contender: Contender, matrices: &[Matrix], batch: usize, hot: bool) -> Option<()> {
        for i in 0..self.pools.len() {
            let row = self.row(contender, matrices, batch, i, hot)?;
            self.watch.row(Row::Product(row));
        }
        Some(())
    }

    fn row(
        &mut self,
        contender: Contender,
        matrices: &[Matrix],
        batch: usize,
        pool: usize,
        hot: bool,
    ) -> Option<ProductRow> {
        let (case, pool) = (self.case, &self.pools[pool]);
        let Shape { rows, cols } = case.shape;
        self.watch.next(Cell::product(case.shape, contender.name(), batch, pool.threads(), hot));
        let mut row = ProductRow {
            test: "product",
            shape: case.shape.to_string(),
            kernel: contender.name(),
            batch,
            threads: pool.threads(),
            hot,
            us: None,
            gops: None,
            gops_best: None,
            gbs: None,
            ceiling_gops: None,
            bandwidth_gbs: None,
            share: None,
            speedup: None,
            max_abs_err: 0.0,
            error: None,
            us_each: Vec::new(),
        };
        let parts = Parts::new(pool, rows, batch);
        let mut wrong = 0;
        for first in (0..batch * KINDS.div_ceil(batch)).step_by(batch) {
            let tokens = first..first + batch;
            let q = &case.q[tokens.start * cols..tokens.end * cols];
            parts.multiply(pool, contender, &matrices[0], q, &case.a[tokens.clone()]);
            let (count, error) = parts.compare(&case.expected[tokens.start * rows..tokens.end * rows], rows);
            wrong += count;
            row.max_abs_err = row.max_abs_err.max(error);
        }
        if wrong > 0 {
            row.error = Some(format!("{wrong} results differ from the scalar kernel's"));
            return Some(row);
        }
        let memory = self.memory.filter(|_| !hot);
        let limits = || {
            let bandwidth = memory.map(|m| bandwidth_gbs(pool, m, m.bytes().len(), Budget::BESIDE));
            (ceiling_gops(pool), bandwidth)
        };
        let before = limits();
        let mut next = 0;
        let times = time(Budget::ROW, self.cancel, || {
            parts.multiply(pool, contender, &matrices[next], &case.q[..batch * cols], &case.a[..batch]);
            next = (next + 1) % matrices.len();
        })?;
        let after = limits();
        row.ceiling_gops = before.0.zip(after.0).map(|(a, b)| a.max(b));
        row.bandwidth_gbs = before.1.zip(after.1).map(|(a, b)| a.max(b));
        self.fill(&mut row, times, matrices[0].bytes());
        Some(row)
    }

    fn fill(&mut self, row: &mut ProductRow, times: Times, bytes: usize) {
        let ops = 2.0 * (self.case.shape.weights() * row.batch) as f64;
        let (gops, gbs) = (ops / times.median / 1e9, bytes as f64 / times.median / 1e9);
        let limit = if row.hot { row.ceiling_gops } else { row.bandwidth_gbs };
        let same = |p: &&(usize, usize, f64)| p.0 == row.batch && p.1 == row.threads;
        if row.kernel == plain::NAME {
            self.plain.push((row.batch, row.threads, times.median));
        }
        row.us = Some(times.median * 1e6);
        row.us_each = times.each.iter().map(|s| rounded(s * 1e6)).collect();
        row.gops = Some(gops);
        row.gops_best = Some(ops / times.best / 1e9);
        row.gbs = Some(gbs);
        row.share = limit.map(|limit| if row.hot { gops / limit } else { gbs / limit });
        row.speedup = self.plain.iter().find(same).map(|&(_, _, plain)| plain / times.median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a small shape by one contender.
    fn rows_of(contender: Contender) -> Vec<ProductRow> {
        let pools = [Pool::new(1).unwrap(), Pool::new(3).unwrap()];
        let case = Case::new(Shape { rows: 70, cols: 256 }, &[1, 5], &pools[1]);
        let memory = Memory::new(1 << 20, true);
        let (mut rows, cancel) = (Vec::new(), AtomicBool::new(false));
        let mut tell = |row: Row| match row {
            Row::Product(row) => rows.push(row),
            other => panic!("{other:?}"),
        };
        let mut bench = Bench {
            case: &case,
            pools: &pools,
            memory: Some(&memory),
            plain: vec![(5, 1, 1.0)],
            cancel: &cancel,
            watch: &mut tell,
        };
        let matrices = [Matrix::new(&case, contender), Matrix::new(&case, contender)];
        for batch in [1, 5] {
            bench.rows(contender, &matrices[..1], batch, true).unwrap();
            bench.rows(contender, &matrices, batch, false).unwrap();
        }
        rows
    }

    #[test]
    fn products_of_every_kernel_are_right_and_have_figures() {
        for name in ProductOptions::kernels_available() {
            for row in rows_of(Contender::named(&name).unwrap()) {
                assert_eq!((row.error.as_ref(), row.max_abs_err), (None, 0.0), "{row:?}");
                let (us, gops) = (row.us.unwrap(), row.gops.unwrap());
                let expected = 2.0 * (70 * 256 * row.batch) as f64 / us / 1e3;
                assert!((gops / expected - 1.0).abs() < 1e-9 && row.gops_best.unwrap() >= gops, "{row:?}");
                assert!(
                    !row.us_each.is_empty() && row.us_each.iter().any(|&each| each <= us + 1e-3),
                    "{row:?}"
                );
                let bound = if row.hot { row.ceiling_gops } else { row.bandwidth_gbs };
                assert_eq!(row.share.is_some(), bound.is_some(), "{row:?}");
                assert!(row.speedup.is_some() || row.batch != 5 || row.threads != 1, "{row:?}");
            }
        }
    }

    #[test]
    fn products_that_are_wrong_are_errors_without_times() {
        fn wrong(
            k: &Kernels,
            m: &TernaryMatrix,
            r: Range<usize>,
            q: &[i8],
            a: &[f32],
            y: &mut [f32],
            s: usize,
        ) {
            k.gemm_ternary(m, r.clone(), q, a, y, s);
            // One bit of one row, and only for an extreme activation: what a sum that overflows would do.
            if r.contains(&40) && q.windows(2).any(|two| two == [-128, -128]) {
                let y = &mut y[40 - r.start];
                *y = f32::from_bits(y.to_bits() ^ 1);
            }
        }
        for row in rows_of(Contender::Table(Kernels::best(), wrong)) {
            assert!(row.error.as_ref().unwrap().contains("differ from the scalar"), "{row:?}");
            assert!(row.max_abs_err > 0.0 && row.us.is_none() && row.gops.is_none() && row.share.is_none());
            assert!(row.us_each.is_empty());
        }
    }
}
