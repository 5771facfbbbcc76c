//! The limits that figures are held against: multiply-adds from registers, bytes from caches and memory. Measured anew
//! beside each group of rows, because clocks move and machines are shared.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use cpu::{Kernels, Memory, Pool};

use crate::cell::Cell;
use crate::row::{BandwidthRow, CeilingRow, Row};
use crate::timing::{Budget, time};
use crate::watch::Watch;

/// Turns of the multiply-add loop in one burst: 0.3 ms at two instructions a cycle and 3 GHz.
const TURNS: usize = 20_000;

/// Bytes that a thread reads from memory: far more than its share of any cache. This crate's own tests look at no figures.
pub const MEMORY_BYTES: usize = if cfg!(test) { 16 << 20 } else { 256 << 20 };

/// Bytes that a thread reads again and again, in the machine's own table.
const WORKING_SETS: [usize; 5] = [16 << 10, 128 << 10, 4 << 20, 24 << 20, MEMORY_BYTES];

/// Threads together never hold more than this.
const TOGETHER_MAX: usize = 2 << 30;

/// A repetition reads at least this much, so that starting threads costs nothing beside it.
const PASS_MIN: usize = 16 << 20;

/// Threads read from whole pages of their own.
const REGION_ALIGN: usize = 4096;

/// The row with the widest instructions.
pub fn widest() -> &'static Kernels {
    Kernels::available().pop().expect("scalar is always there")
}

/// Multiply-adds from registers on every thread of `pool` at once, 10^9 operations per second, best of several bursts;
/// `None` without the instruction.
pub fn ceiling_gops(pool: &Pool) -> Option<f64> {
    let (kernels, never) = (widest(), AtomicBool::new(false));
    let ops = kernels.multiply_add(1)? * TURNS as u64 * pool.threads() as u64;
    let times = time(Budget::BEST, &never, || {
        pool.split(pool.threads(), 1, |_| {
            black_box(kernels.multiply_add(TURNS));
        });
    })?;
    Some(ops as f64 / times.best / 1e9)
}

/// Bytes read in order by every thread of `pool`, each its own `working_set` of `memory`, 10^9 per second of all
/// threads, best of several passes.
pub fn bandwidth_gbs(pool: &Pool, memory: &Memory, working_set: usize, budget: Budget) -> f64 {
    let (kernels, never, threads) = (widest(), AtomicBool::new(false), pool.threads());
    let region = memory.bytes().len() / threads;
    let region = region - region % REGION_ALIGN;
    let working_set = working_set.min(region);
    let passes = PASS_MIN.div_ceil(working_set);
    let times = time(budget, &never, || {
        pool.split(threads, 1, |thread| {
            let bytes = &memory.bytes()[thread.start * region..][..working_set];
            black_box(kernels.read(bytes, passes));
        });
    });
    let best = times.expect("nobody cancels").best;
    (working_set * passes * threads) as f64 / best / 1e9
}

/// Reading from huge pages, out of every cache, 10^9 bytes per second of all threads.
pub fn memory_gbs(pool: &Pool) -> f64 {
    let each = MEMORY_BYTES.min(TOGETHER_MAX / pool.threads());
    bandwidth_gbs(pool, &Memory::new(each * pool.threads(), true), each, Budget::BEST)
}

/// What each of so many threads reads again and again.
pub fn working_sets(whole: bool, threads: usize) -> impl Iterator<Item = usize> {
    let sets = if whole { &WORKING_SETS[..] } else { &WORKING_SETS[4..] };
    sets.iter().map(move |&set| set.min(MEMORY_BYTES.min(TOGETHER_MAX / threads)))
}

/// Every ceiling and bandwidth of the machine; `None` once cancelled.
pub fn measure(pools: &[Pool], whole: bool, watch: &mut dyn Watch, cancel: &AtomicBool) -> Option<()> {
    for pool in pools {
        if cancel.load(Ordering::Relaxed) {
            return None;
        }
        watch.next(Cell::ceiling(pool.threads()));
        // The first bursts wake cores up.
        let (first, second) = (ceiling_gops(pool), ceiling_gops(pool));
        let ceiling_gops = first.zip(second).map(|(a, b)| a.max(b));
        watch.row(Row::Ceiling(CeilingRow { test: "ceiling", threads: pool.threads(), ceiling_gops }));
    }
    for huge_pages in if whole { &[false, true][..] } else { &[true] } {
        for pool in pools {
            let most = MEMORY_BYTES.min(TOGETHER_MAX / pool.threads());
            let memory = Memory::new(most * pool.threads(), *huge_pages);
            for working_set_bytes in working_sets(whole, pool.threads()) {
                if cancel.load(Ordering::Relaxed) {
                    return None;
                }
                watch.next(Cell::read(pool.threads(), working_set_bytes, *huge_pages));
                let bandwidth_gbs = bandwidth_gbs(pool, &memory, working_set_bytes, Budget::BEST);
                watch.row(Row::Bandwidth(BandwidthRow {
                    test: "read",
                    threads: pool.threads(),
                    working_set_bytes,
                    huge_pages: *huge_pages,
                    bandwidth_gbs,
                }));
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_figures_that_a_processor_can_have() {
        let pool = Pool::new(2).unwrap();
        if let Some(gops) = ceiling_gops(&pool) {
            assert!((1.0..1e6).contains(&gops), "{gops}");
        }
        let memory = Memory::new(1 << 20, false);
        let gbs = bandwidth_gbs(&pool, &memory, 16 << 10, Budget::BEST);
        assert!((0.1..1e5).contains(&gbs), "{gbs}");
    }
}
