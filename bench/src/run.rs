//! One run: everything that was asked for, in order, each row told as soon as it is known.

use std::sync::atomic::{AtomicBool, Ordering};

use runtime::cpu::Pool;

use crate::error::{Error, Result};
use crate::options::Options;
use crate::row::Row;
use crate::{gpu, limits, machine, model, products};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Rows whose results were wrong.
    pub mismatches: usize,
    /// Ended before its end, as asked.
    pub cancelled: bool,
}

/// Measures what `options` say and tells of each row. Setting `cancel` ends it soon.
///
/// # Errors
/// Options that cannot be measured, a model that cannot be loaded, or no threads to be had.
pub fn run(options: &Options, tell: &mut dyn FnMut(Row), cancel: &AtomicBool) -> Result<Outcome> {
    options.check()?;
    let mut mismatches = 0;
    let mut tell = |row: Row| {
        let error = match &row {
            Row::Product(row) => &row.error,
            Row::GpuProduct(row) => &row.error,
            Row::GpuModel(row) => &row.error,
            _ => &None,
        };
        mismatches += usize::from(error.is_some());
        tell(row);
    };
    let done = steps(options, &mut tell, cancel)?;
    Ok(Outcome { mismatches, cancelled: done.is_none() })
}

/// `None` once cancelled.
fn steps(options: &Options, tell: &mut dyn FnMut(Row), cancel: &AtomicBool) -> Result<Option<()>> {
    let pools = options.threads.iter().map(|&n| Pool::new(n)).collect::<std::io::Result<Vec<_>>>();
    let pools = pools.map_err(Error::Threads)?;
    // First what may fail.
    let open = |options| Ok::<_, Error>((model::Opened::new(options)?, options));
    let model = options.model.as_ref().map(open).transpose()?;
    tell(Row::Machine(machine::describe()));
    if !limits::measure(&pools, options.whole_machine, tell, &|| cancel.load(Ordering::Relaxed)) {
        return Ok(None);
    }
    if let Some(products) = &options.products
        && products::measure(products, &pools, tell, cancel).is_none()
    {
        return Ok(None);
    }
    if let Some((opened, options)) = &model
        && model::measure(opened, options, &pools, tell, cancel)?.is_none()
    {
        return Ok(None);
    }
    let Some(gpu) = &options.gpu else { return Ok(Some(())) };
    tell(gpu::describe(gpu));
    if let (Some(products), Some(pool)) = (&options.products, pools.last())
        && gpu::products(gpu, products, pool, tell, cancel)?.is_none()
    {
        return Ok(None);
    }
    match &model {
        Some((opened, options)) => gpu::model(gpu, opened.model(), opened.name(), options, tell, cancel),
        None => Ok(Some(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{ProductOptions, Shape};

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
            model: None,
            gpu: None,
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
}
