//! Worker threads for the ops of one model: work is handed out and joined within a microsecond, because a decode
//! step does so a hundred times. What is computed where is the callers' choice; no result depends on it.
//!
//! Handing out and joining costs 0.8 us on two cores of Zen 3, where a message and its answer alone take 0.4 us.
#![expect(unsafe_code, reason = "lends closures and disjoint parts of slices to threads that outlive them")]

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Turns of the waiting loop before a thread sleeps: about 50 us on Zen 3, longer than the serial stretches of a
/// decode step and too short to matter between requests.
const SPINS: usize = 2_500;

/// What every thread of a call runs, given its number.
type Job = *const (dyn Fn(usize) + Sync);

/// In the order of who writes what: a line of memory takes 200 ns from one core to another (Zen 3), and a call needs one
/// there and one back.
#[repr(C, align(64))]
struct Shared {
    /// Changes when there is a new job, or to stop.
    epoch: AtomicU64,
    stop: AtomicBool,
    /// Written by the caller while `running` is 0, read by workers after they have seen `epoch` change.
    job: UnsafeCell<Option<Job>>,
    /// Workers that have not finished the job.
    running: Line<AtomicUsize>,
    /// Threads that are asleep or about to be.
    sleepers: Line<AtomicUsize>,
    sleep: Mutex<()>,
    wake: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// There is something in `panic`.
    panicked: AtomicBool,
}

/// Alone in its cache line.
#[repr(align(64))]
struct Line<T>(T);

// SAFETY: `job` is written only between jobs and read only during one, ordered by `epoch` and `running`; the closure
// behind it is Sync.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is dereferenced only while the caller that owns the closure waits.
unsafe impl Send for Shared {}

/// A fixed set of threads, the caller among them.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held while a job runs.
    busy: Mutex<()>,
}

impl Pool {
    /// A pool of `threads` (at least one), the calling thread being one of them.
    ///
    /// # Errors
    /// If the system gives no more threads.
    pub fn new(threads: usize) -> io::Result<Pool> {
        let shared = Arc::new(Shared {
            epoch: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            job: UnsafeCell::new(None),
            running: Line(AtomicUsize::new(0)),
            sleepers: Line(AtomicUsize::new(0)),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            panic: Mutex::new(None),
            panicked: AtomicBool::new(false),
        });
        let mut pool = Pool { shared, workers: Vec::new(), busy: Mutex::new(()) };
        for number in 1..threads {
            let shared = pool.shared.clone();
            // On failure, dropping the pool stops the workers that did start.
            let spawned = std::thread::Builder::new()
                .name(format!("tercet-{number}"))
                .spawn(move || work(&shared, number))?;
            pool.workers.push(spawned);
        }
        Ok(pool)
    }

    /// As many threads as this process may run at once.
    pub fn threads_available() -> usize {
        std::thread::available_parallelism().map_or(1, |n| n.get())
    }

    /// Threads, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task(0)` to `task(tasks - 1)`, each once, on whichever thread is free; returns when all are done.
    ///
    /// Called from within a task, or while another thread uses the pool, it runs everything on the calling thread.
    ///
    /// # Panics
    /// If a task does, after all threads have stopped.
    pub fn run(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        let all = |_: usize| {
            loop {
                let i = next.fetch_add(1, Relaxed);
                if i >= tasks {
                    break;
                }
                task(i);
            }
        };
        let busy = if tasks > 1 && !self.workers.is_empty() { self.busy.try_lock().ok() } else { None };
        match busy {
            Some(guard) => self.run_everywhere(&all, guard),
            None => all(0),
        }
    }

    /// Splits `0..len` into one contiguous range a thread, cut at multiples of `align`, and runs `part` on each.
    ///
    /// The same range goes to the same thread every time, so that what it reads stays in that core's cache.
    pub fn split(&self, len: usize, align: usize, part: impl Fn(Range<usize>) + Sync) {
        let parts = self.threads();
        let units = len.div_ceil(align);
        // By value: what a worker reads of the caller's stack crosses between cores line by line.
        let cut = move |i: usize| (units * i / parts * align).min(len);
        let part = &part;
        let one = move |i: usize| {
            let range = cut(i)..cut(i + 1);
            if !range.is_empty() {
                part(range);
            }
        };
        let busy = if units > 1 && parts > 1 { self.busy.try_lock().ok() } else { None };
        match busy {
            Some(guard) => self.run_everywhere(&one, guard),
            None => (0..parts).for_each(one),
        }
    }

    /// [`split`](Self::split) over the elements of `data`: `part` gets the index of its first element and the
    /// elements.
    pub fn split_mut<T: Send>(&self, data: &mut [T], align: usize, part: impl Fn(usize, &mut [T]) + Sync) {
        let base = Base(data.as_mut_ptr());
        self.split(data.len(), align, |range| {
            // SAFETY: ranges of one split are disjoint and within `data`, which stays borrowed until all are done.
            let slice = unsafe { std::slice::from_raw_parts_mut(base.at(range.start), range.len()) };
            part(range.start, slice);
        });
    }

    /// [`run`](Self::run) over consecutive chunks of `data`, the last perhaps shorter.
    pub fn chunks_mut<T: Send>(&self, data: &mut [T], chunk: usize, task: impl Fn(usize, &mut [T]) + Sync) {
        let (base, len) = (Base(data.as_mut_ptr()), data.len());
        self.run(len.div_ceil(chunk), |i| {
            let start = i * chunk;
            // SAFETY: chunks are disjoint and within `data`, which stays borrowed until all are done.
            let slice = unsafe { std::slice::from_raw_parts_mut(base.at(start), chunk.min(len - start)) };
            task(i, slice);
        });
    }

    /// Runs `job(thread)` on every thread of the pool.
    fn run_everywhere(&self, job: &(dyn Fn(usize) + Sync), _busy: MutexGuard<'_, ()>) {
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. Workers use the pointer before they decrease `running`, and this
        // function neither returns nor unwinds before `running` is 0.
        let job_forever: Job = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Job>(job) };
        // SAFETY: `busy` keeps other callers out, and no worker reads between jobs.
        unsafe { *shared.job.get() = Some(job_forever) };
        shared.running.0.store(self.workers.len(), Relaxed);
        shared.epoch.fetch_add(1, SeqCst);
        shared.wake_sleepers();
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        shared.wait_until(|| shared.running.0.load(SeqCst) == 0);
        let theirs = if shared.panicked.swap(false, Relaxed) { lock(&shared.panic).take() } else { None };
        drop(_busy);
        if let Some(panic) = own.err().or(theirs) {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        self.shared.epoch.fetch_add(1, SeqCst);
        self.shared.wake_sleepers();
        for worker in self.workers.drain(..) {
            // A worker catches what its jobs throw; it has nothing to report.
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool of {} threads", self.threads())
    }
}

/// The life of a worker.
fn work(shared: &Shared, number: usize) {
    let mut seen = 0;
    loop {
        shared.wait_until(|| shared.epoch.load(SeqCst) != seen);
        seen = shared.epoch.load(SeqCst);
        if shared.stop.load(Relaxed) {
            return;
        }
        // SAFETY: the job was written before `epoch` changed and is kept until this worker decreases `running`.
        let job = unsafe { &*(*shared.job.get()).expect("an epoch has a job") };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(number))) {
            lock(&shared.panic).get_or_insert(panic);
            shared.panicked.store(true, Relaxed);
        }
        if shared.running.0.fetch_sub(1, SeqCst) == 1 {
            shared.wake_sleepers();
        }
    }
}

impl Shared {
    /// Returns once `done()`: spins a while, then sleeps.
    fn wait_until(&self, done: impl Fn() -> bool) {
        for _ in 0..SPINS {
            if done() {
                return;
            }
            spin_loop();
        }
        let mut guard = lock(&self.sleep);
        // Before the last look: whoever makes `done` true afterwards sees a sleeper and takes the lock.
        self.sleepers.0.fetch_add(1, SeqCst);
        while !done() {
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.0.fetch_sub(1, SeqCst);
    }

    fn wake_sleepers(&self) {
        if self.sleepers.0.load(SeqCst) > 0 {
            drop(lock(&self.sleep));
            self.wake.notify_all();
        }
    }
}

/// Nothing here is left half done by a panic, so poison carries no meaning.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Start of a slice whose parts go to several threads.
struct Base<T>(*mut T);

// SAFETY: only disjoint parts of a `&mut [T]` are made from it, and T is Send.
unsafe impl<T: Send> Sync for Base<T> {}

impl<T> Base<T> {
    /// # Safety
    /// `i` is at most the length of the slice.
    unsafe fn at(&self, i: usize) -> *mut T {
        // SAFETY: by the caller's promise.
        unsafe { self.0.add(i) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn pool_runs_every_task_once_for_any_number_of_threads() {
        for threads in [0, 1, 2, 3, 8] {
            let pool = Pool::new(threads).unwrap();
            assert_eq!(pool.threads(), threads.max(1));
            for tasks in [0, 1, 2, 5, 100] {
                let counts: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                for _ in 0..50 {
                    pool.run(tasks, |i| {
                        counts[i].fetch_add(1, Relaxed);
                    });
                }
                assert!(counts.iter().all(|c| c.load(Relaxed) == 50));
            }
        }
    }

    #[test]
    fn pool_splits_at_multiples_and_covers_everything() {
        let pool = Pool::new(3).unwrap();
        for len in [0, 1, 31, 32, 33, 64, 100, 1000] {
            let mut data = vec![0u32; len];
            pool.split_mut(&mut data, 32, |first, part| {
                assert!(first.is_multiple_of(32));
                for (i, x) in part.iter_mut().enumerate() {
                    *x += (first + i) as u32 + 1;
                }
            });
            assert!(data.iter().enumerate().all(|(i, &x)| x == i as u32 + 1), "{len}");
            let mut data = vec![0u32; len];
            pool.chunks_mut(&mut data, 7, |i, chunk| chunk.fill(i as u32 + 1));
            assert!(data.iter().enumerate().all(|(i, &x)| x == (i / 7) as u32 + 1), "{len}");
        }
    }

    #[test]
    fn pool_wakes_workers_that_sleep() {
        let pool = Pool::new(4).unwrap();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(2));
            let sum = AtomicUsize::new(0);
            pool.run(10, |i| {
                std::thread::sleep(Duration::from_micros(300));
                sum.fetch_add(i, Relaxed);
            });
            assert_eq!(sum.into_inner(), 45);
        }
    }

    #[test]
    fn pool_passes_a_panic_on_and_survives_it() {
        let pool = Pool::new(3).unwrap();
        for bad in 0..6 {
            let thrown = catch_unwind(AssertUnwindSafe(|| {
                pool.run(6, |i| {
                    if i == bad {
                        resume_unwind(Box::new(bad));
                    }
                });
            }));
            assert_eq!(thrown.unwrap_err().downcast_ref(), Some(&bad));
        }
        let done = AtomicUsize::new(0);
        pool.run(6, |_| {
            done.fetch_add(1, Relaxed);
        });
        assert_eq!(done.into_inner(), 6);
    }

    #[test]
    fn pool_within_itself_runs_on_one_thread() {
        let pool = Pool::new(3).unwrap();
        let done = AtomicUsize::new(0);
        pool.run(4, |_| {
            pool.run(4, |_| {
                done.fetch_add(1, Relaxed);
            });
        });
        assert_eq!(done.into_inner(), 16);
    }
}
