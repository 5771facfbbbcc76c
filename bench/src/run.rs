//! One run: everything that was asked for, in order, each row told as soon as it is known.

use std::sync::atomic::AtomicBool;

use cpu::{Kernels, Pool};

use crate::agree::Reference;
use crate::cell::Cell;
use crate::error::{Error, Result};
use crate::model::{Candidate, Tests};
use crate::options::{ModelOptions, Options};
use crate::row::Row;
use crate::watch::Watch;
use crate::{gpu, limits, machine, products};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Rows whose results were wrong.
    pub mismatches: usize,
    /// Ended before its end, as asked.
    pub cancelled: bool,
}

/// Measures what `options` say and tells `watch` of it. Setting `cancel` ends it soon.
///
/// # Errors
/// Options that cannot be measured, a model that cannot be loaded, or no threads to be had.
pub fn run(options: &Options, watch: &mut dyn Watch, cancel: &AtomicBool) -> Result<Outcome> {
    options.check()?;
    let mut counting = Counting { watch, mismatches: 0 };
    let done = steps(options, &mut counting, cancel)?;
    Ok(Outcome { mismatches: counting.mismatches, cancelled: done.is_none() })
}

/// Passes everything on and counts what is wrong.
struct Counting<'a> {
    watch: &'a mut dyn Watch,
    mismatches: usize,
}

impl Watch for Counting<'_> {
    fn next(&mut self, cell: Cell) {
        self.watch.next(cell);
    }

    fn row(&mut self, row: Row) {
        self.mismatches += usize::from(row.error().is_some());
        self.watch.row(row);
    }
}

/// `None` once cancelled.
fn steps(options: &Options, watch: &mut dyn Watch, cancel: &AtomicBool) -> Result<Option<()>> {
    let pools = options.threads.iter().map(|&n| Pool::new(n)).collect::<std::io::Result<Vec<_>>>();
    let pools = pools.map_err(Error::Threads)?;
    // First what may fail.
    let first = options.model.as_ref().map(|model| {
        let kernels = model.kernels.first().copied().unwrap_or_else(Kernels::best);
        watch.next(Cell::load(kernels.name));
        Candidate::new(&model.source, kernels)
    });
    let first = first.transpose()?;
    watch.row(Row::Machine(machine::describe(&options.commit)));
    if limits::measure(&pools, options.whole_machine, watch, cancel).is_none() {
        return Ok(None);
    }
    let model = match options.model.as_ref().zip(first) {
        Some((model, first)) => match models(options, model, first, &pools, watch, cancel)? {
            Some((candidate, reference)) => Some((model, candidate, reference)),
            None => return Ok(None),
        },
        None => None,
    };
    if let Some(products) = &options.products
        && products::measure(products, &pools, watch, cancel).is_none()
    {
        return Ok(None);
    }
    for gpu in &options.gpus {
        watch.row(gpu::describe(gpu));
        if let Some((model, candidate, Some(reference))) = &model {
            let (name, delay) = (candidate.name(), options.delay);
            let done = gpu::model(gpu, candidate.model(), name, model, reference, delay, watch, cancel)?;
            if done.is_none() {
                return Ok(None);
            }
        }
        if let (Some(products), Some(pool)) = (&options.products, pools.last())
            && gpu::products(gpu, products, pool, watch, cancel)?.is_none()
        {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

/// A model laid out for one kernel after the other: the last one, and what all must say. `None` once cancelled.
fn models(
    all: &Options,
    options: &ModelOptions,
    first: Candidate,
    pools: &[Pool],
    watch: &mut dyn Watch,
    cancel: &AtomicBool,
) -> Result<Option<(Candidate, Option<Reference>)>> {
    let mut reference = None;
    if options.is_compared(!all.gpus.is_empty()) {
        watch.next(Cell::reference());
        let threads = pools.iter().map(Pool::threads).max().unwrap_or(1);
        let scalar = Kernels::named("scalar").expect("scalar is always there");
        let candidate = Candidate::new(&options.source, scalar)?;
        reference = Reference::of(candidate.model(), threads, cancel)?;
        if reference.is_none() {
            return Ok(None);
        }
    }
    let tests = Tests { options, all, reference: reference.as_ref(), pools, cancel };
    let mut candidate = Some(first);
    for (i, &kernels) in options.kernels.iter().enumerate() {
        if i > 0 {
            // One at a time: a model may need most of the memory there is.
            candidate = None;
            watch.next(Cell::load(kernels.name));
        }
        let here = match candidate.take() {
            Some(first) => first,
            None => Candidate::new(&options.source, kernels)?,
        };
        if tests.measure(&here, watch)?.is_none() {
            return Ok(None);
        }
        candidate = Some(here);
    }
    Ok(candidate.map(|candidate| (candidate, reference)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{ProductOptions, Shape};
    use std::sync::atomic::Ordering;

    #[test]
    fn run_tells_every_row_and_can_be_cancelled() {
        let options = Options {
            threads: vec![1, 2],
            whole_machine: false,
            products: Some(ProductOptions {
                shapes: vec![Shape { rows: 64, cols: 128 }],
                kernels: ProductOptions::kernels_available(),
                batches: vec![1, 2],
                cold_batches: Vec::new(),
            }),
            ..Options::default()
        };
        let (mut tests, never) = (Vec::new(), AtomicBool::new(false));
        let outcome = run(&options, &mut |row| tests.push(row), &never).unwrap();
        assert_eq!(outcome, Outcome { mismatches: 0, cancelled: false });
        let count = |f: fn(&Row) -> bool| tests.iter().filter(|row| f(row)).count();
        assert_eq!(count(|r| matches!(r, Row::Machine(_))), 1);
        assert_eq!(count(|r| matches!(r, Row::Ceiling(_))), 2);
        assert_eq!(count(|r| matches!(r, Row::Bandwidth(_))), 2);
        let kernels = ProductOptions::kernels_available().len();
        assert_eq!(count(|r| matches!(r, Row::Product(_))), 2 * 2 * kernels);

        let cancel = AtomicBool::new(false);
        let mut rows = 0;
        let mut tell = |row| {
            rows += 1;
            cancel.store(matches!(row, Row::Product(_)), Ordering::Relaxed);
        };
        assert!(run(&options, &mut tell, &cancel).unwrap().cancelled);
        assert!(rows <= 7, "{rows}");
    }
    /// Keeps what it is told.
    #[derive(Default)]
    struct Diary {
        cells: Vec<String>,
        rows: Vec<Row>,
    }

    impl Watch for Diary {
        fn next(&mut self, cell: Cell) {
            self.cells.push(cell.name);
        }

        fn row(&mut self, row: Row) {
            self.rows.push(row);
        }
    }

    #[test]
    fn run_measures_the_cells_that_it_announced_and_a_model_with_every_kernel() {
        let options = Options {
            threads: vec![1, 2],
            whole_machine: false,
            products: Some(ProductOptions {
                shapes: vec![Shape { rows: 64, cols: 128 }],
                kernels: ProductOptions::kernels_available(),
                batches: vec![1, 2],
                cold_batches: vec![1],
            }),
            model: Some(ModelOptions {
                source: crate::options::Source::Synthetic("shakespeare".into()),
                kernels: Kernels::available(),
                prompts: vec![4],
                generate: vec![2],
                pairs: vec![(2, 1)],
                depths: vec![0, 3],
                repetitions: 1,
                matmuls: true,
                sha256: Some("abc".into()),
            }),
            commit: "c0ffee".into(),
            ..Options::default()
        };
        let mut diary = Diary::default();
        let outcome = run(&options, &mut diary, &AtomicBool::new(false)).unwrap();
        assert_eq!(outcome, Outcome { mismatches: 0, cancelled: false });
        let context = runtime::synthetic::config("shakespeare").unwrap().context;
        let mut announced: Vec<String> =
            options.cells(Some(context), &[]).into_iter().map(|c| c.name).collect();
        announced.sort();
        diary.cells.sort();
        assert_eq!(diary.cells, announced);
        let mut unique = announced.clone();
        unique.dedup();
        assert_eq!(unique.len(), announced.len(), "two cells have one name");
        let kernels = Kernels::available().len();
        let count = |f: fn(&Row) -> bool| diary.rows.iter().filter(|row| f(row)).count();
        assert_eq!(count(|r| matches!(r, Row::Load(l) if l.sha256.as_deref() == Some("abc"))), kernels);
        assert_eq!(
            count(|r| matches!(r, Row::Model(m) if m.error.is_none() && m.max_abs_err == 0.0)),
            12 * kernels
        );
        assert_eq!(count(|r| matches!(r, Row::Matmuls(_))), 4 * kernels);
        assert_eq!(count(|r| matches!(r, Row::Machine(m) if m.commit == "c0ffee")), 1);
    }
}
