//! What a run will measure, told beforehand: a cell for each row to come, by a name that the run uses again when its turn
//! comes. How long one takes on this machine is for whoever watches to learn.

use std::time::Duration;

use cpu::Kernels;

use crate::limits::working_sets;
use crate::options::{ModelOptions, ModelTest, Options, ProductOptions, Shape};
use crate::plain;
use crate::timing::Budget;

/// One thing to be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What a person would call it; no two cells of a run have the same.
    pub name: String,
    /// The kernel or the adapter; the limits of the machine have none.
    pub backend: String,
    /// How much there is to do.
    pub work: Work,
}

/// How much there is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Repetitions that go on for at least so long.
    Time(Duration),
    /// So many tokens, read together.
    Prompt(usize),
    /// So many tokens, one after the other.
    Tokens(usize),
}

fn threads(n: usize) -> String {
    if n == 1 { "1 thread".into() } else { format!("{n} threads") }
}

impl Cell {
    fn timed(name: String, backend: &str, least: Duration) -> Cell {
        Cell { name, backend: backend.into(), work: Work::Time(least) }
    }

    pub(crate) fn ceiling(n: usize) -> Cell {
        Cell::timed(format!("multiply-adds from registers, {}", threads(n)), "", 2 * Budget::BEST.least)
    }

    pub(crate) fn read(n: usize, bytes: usize, huge: bool) -> Cell {
        let pages = if huge { "huge" } else { "small" };
        let name = format!("reading {} KiB each, {pages} pages, {}", bytes >> 10, threads(n));
        Cell::timed(name, "", Budget::BEST.least)
    }

    pub(crate) fn product(shape: Shape, kernel: &str, batch: usize, n: usize, hot: bool) -> Cell {
        let from = if hot { "hot" } else { "cold" };
        let name = format!("{shape}, {kernel}, batch {batch}, {}, {from}", threads(n));
        // The limits are measured before and after.
        let beside = if hot { Budget::BEST.least } else { Budget::BEST.least + Budget::BESIDE.least };
        Cell::timed(name, kernel, Budget::ROW.least + 2 * beside)
    }

    pub(crate) fn load(kernel: &str) -> Cell {
        Cell::timed(format!("laying the model out for {kernel}"), kernel, Duration::ZERO)
    }

    pub(crate) fn reference() -> Cell {
        Cell::timed("the scalar kernels' text, to compare with".into(), "scalar", Duration::ZERO)
    }

    pub(crate) fn model(
        test: &ModelTest,
        backend: &str,
        n: Option<usize>,
        depth: usize,
        repetitions: usize,
    ) -> Cell {
        let on = n.map_or_else(|| backend.to_owned(), |n| format!("{backend}, {}", threads(n)));
        let after = if depth > 0 { format!(", depth {depth}") } else { String::new() };
        let times = repetitions + 1;
        let work = match test.generate {
            0 => Work::Prompt(test.prompt * times + depth),
            // A prompt's tokens cost less than those written after it.
            generate => Work::Tokens(generate * times),
        };
        Cell { name: format!("{}, {on}{after}", test.name), backend: backend.into(), work }
    }

    pub(crate) fn matmuls(kernel: &str, n: usize, depth: usize) -> Cell {
        let name = format!("a token beside its products, {kernel}, {}, depth {depth}", threads(n));
        Cell::timed(name, kernel, crate::matmuls::LEAST)
    }

    pub(crate) fn gpu_product(shape: Shape, kernel: &str, batch: usize, adapter: &str) -> Cell {
        Cell::timed(format!("{shape}, {kernel}, batch {batch}, {adapter}"), adapter, crate::gpu::LEAST)
    }

    pub(crate) fn gpu_load(adapter: &str) -> Cell {
        Cell::timed(format!("the model's text on {adapter}, to compare"), adapter, Duration::ZERO)
    }
}

impl Options {
    /// Every cell that a run with these options measures, given the context of its model, if it has one, and the names of its
    /// devices, which need not have been opened yet.
    pub fn cells(&self, context: Option<usize>, adapters: &[String]) -> Vec<Cell> {
        let mut cells: Vec<Cell> = self.threads.iter().map(|&n| Cell::ceiling(n)).collect();
        for huge in if self.whole_machine { &[false, true][..] } else { &[true] } {
            for &n in &self.threads {
                cells.extend(working_sets(self.whole_machine, n).map(|bytes| Cell::read(n, bytes, *huge)));
            }
        }
        if let Some(products) = &self.products {
            products.cells(&self.threads, &mut cells);
        }
        if let Some((model, context)) = self.model.as_ref().zip(context) {
            model.cells(&self.threads, context, !adapters.is_empty(), &mut cells);
        }
        for adapter in adapters {
            if let Some(products) = &self.products {
                products.cells_on(adapter, &mut cells);
            }
            if let Some((model, context)) = self.model.as_ref().zip(context) {
                model.cells_on(adapter, context, &mut cells);
            }
        }
        cells
    }
}

impl ProductOptions {
    fn cells(&self, pools: &[usize], cells: &mut Vec<Cell>) {
        for &shape in &self.shapes {
            for kernel in &self.kernels {
                // Loops that memory cannot hold up are measured once.
                let fast =
                    kernel != plain::NAME && Kernels::named(kernel).is_some_and(|k| k.name != "scalar");
                for &batch in &self.batches {
                    for hot in [true, false] {
                        if hot || (fast && self.cold_batches.contains(&batch)) {
                            cells.extend(pools.iter().map(|&n| Cell::product(shape, kernel, batch, n, hot)));
                        }
                    }
                }
            }
        }
    }

    fn cells_on(&self, adapter: &str, cells: &mut Vec<Cell>) {
        for &shape in &self.shapes {
            for &batch in &self.batches {
                let kernel = if batch == 1 { "gemv" } else { "gemm" };
                cells.push(Cell::gpu_product(shape, kernel, batch, adapter));
            }
        }
    }
}

impl ModelOptions {
    fn cells(&self, pools: &[usize], context: usize, devices: bool, cells: &mut Vec<Cell>) {
        if self.is_compared(devices) {
            cells.push(Cell::reference());
        }
        for kernels in &self.kernels {
            cells.push(Cell::load(kernels.name));
            for &n in pools {
                for &depth in &self.depths {
                    let tests = self.tests("", depth, context).flatten();
                    cells.extend(
                        tests.map(|t| Cell::model(&t, kernels.name, Some(n), depth, self.repetitions)),
                    );
                    if self.matmuls && crate::matmuls::fits(depth, context) {
                        cells.push(Cell::matmuls(kernels.name, n, depth));
                    }
                }
            }
        }
    }

    fn cells_on(&self, adapter: &str, context: usize, cells: &mut Vec<Cell>) {
        cells.push(Cell::gpu_load(adapter));
        for &depth in &self.depths {
            let tests = self.tests("gpu ", depth, context).flatten();
            cells.extend(tests.map(|t| Cell::model(&t, adapter, None, depth, self.repetitions)));
        }
    }

    /// Whether anything else than the scalar kernels is measured, and so held against them.
    pub(crate) fn is_compared(&self, devices: bool) -> bool {
        devices || self.kernels.iter().any(|k| k.name != "scalar")
    }
}
