//! Worker threads for the ops of one model: work is handed out and joined within a microsecond, because a decode
//! step does so a hundred times. What is computed where is the callers' choice; no result depends on it.
//!
//! Handing out and joining costs 0.8 us on two cores of Zen 3, where a message and its answer alone take 0.4 us.
//!
//! On a busy machine the system takes the processor from a thread for milliseconds. So a job waits for tasks, never for
//! threads: what a thread has not begun, those that are done take over ([`Share`]), and only a thread that is stopped in
//! the middle of a task holds up the others, which then sleep.
#![expect(unsafe_code, reason = "lends closures and disjoint parts of slices to threads that outlive them")]

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread, park};

use super::share::{Share, TASKS_MAX};

/// Most threads of a pool: more than any machine of ours has processors, and few enough that every system gives them.
pub const THREADS_MAX: usize = 1024;

/// Turns of the waiting loop before a thread sleeps: about 50 us on Zen 3, longer than the serial stretches of a
/// decode step and too short to matter between requests. Giving the processor away in between is no help: a thread
/// that yields on Linux 6.18 forfeits its time slice, and decoding beside two busy processes fell by a third.
const SPINS: usize = 2_500;

/// Turns, about 1 us, after which a waiting thread looks for tasks that others have not begun. On an idle machine
/// a job is over by then, and no thread reads what is another's.
const HELP_AFTER: usize = 64;

/// What the threads of a call run, given the number of a task.
type Job = *const (dyn Fn(usize) + Sync);

/// What the caller tells one worker: in a line of memory of its own, which takes 200 ns from one core to another
/// (Zen 3), and a call needs one there and one back.
#[repr(align(64))]
#[derive(Default)]
struct Slot {
    share: Share,
    /// Written by the caller before `share` is opened, read by whoever has claimed a task of it.
    job: UnsafeCell<Option<Job>>,
    /// The worker is asleep or about to be.
    asleep: AtomicBool,
}

/// What the workers tell the caller.
#[repr(align(64))]
#[derive(Default)]
struct Join {
    /// Tasks of the job that are not done.
    left: AtomicUsize,
    /// The caller is asleep or about to be.
    asleep: AtomicBool,
    /// Slots of the job.
    slots: AtomicUsize,
}

#[derive(Default)]
struct Shared {
    /// One for each thread; the first is the caller's.
    slots: Box<[Slot]>,
    join: Join,
    stop: AtomicBool,
    /// Who waits while `join.asleep`.
    caller: Mutex<Option<Thread>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// There is something in `panic`.
    panicked: AtomicBool,
}

// SAFETY: a slot's `job` is written only while nothing of its share is left to claim, and read only between a claim and
// the decrease of `left` that answers for it; the closure behind it is Sync.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is dereferenced only while the caller that owns the closure waits.
unsafe impl Send for Shared {}

/// A fixed set of threads, the caller among them, of which any number works.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Threads that are given work.
    active: AtomicUsize,
    /// Held while a job runs: its number.
    busy: Mutex<u32>,
}

impl Pool {
    /// A pool of `threads` (at least one), the calling thread being one of them. All of them work.
    ///
    /// # Errors
    /// If the system gives no more threads, or more than [`THREADS_MAX`] are asked for.
    pub fn new(threads: usize) -> io::Result<Pool> {
        if threads > THREADS_MAX {
            return Err(io::Error::other(format!("{threads} were asked for; there may be {THREADS_MAX}")));
        }
        let mut pool = Pool::alone(threads);
        for number in 1..threads {
            // On failure, dropping the pool stops the workers that did start.
            pool.hire(number)?;
        }
        pool.use_threads(threads);
        Ok(pool)
    }

    /// A pool of `threads`, or of as many as the system gives, for work that can do with fewer.
    pub fn up_to(threads: usize) -> Pool {
        let threads = threads.min(THREADS_MAX);
        let mut pool = Pool::alone(threads);
        // Fewer is what was agreed on, so why the next is not to be had is of no interest.
        let _ = (1..threads).try_for_each(|number| pool.hire(number));
        pool.use_threads(threads);
        pool
    }

    /// The caller, and room for the others of `threads`.
    fn alone(threads: usize) -> Pool {
        let slots = (0..threads.max(1)).map(|_| Slot::default()).collect();
        let shared = Arc::new(Shared { slots, ..Shared::default() });
        Pool { shared, workers: Vec::new(), active: AtomicUsize::new(1), busy: Mutex::new(0) }
    }

    fn hire(&mut self, number: usize) -> io::Result<()> {
        let shared = self.shared.clone();
        let worker = std::thread::Builder::new().name(format!("tercet-{number}"));
        self.workers.push(worker.spawn(move || work(&shared, number))?);
        Ok(())
    }

    /// As many threads as this process may run at once: by its processors, its affinity and its group's quota.
    pub fn threads_available() -> usize {
        std::thread::available_parallelism().map_or(1, |n| n.get())
    }

    /// Threads, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Gives work to so many threads from the next call on, at least one and at most all; the others sleep.
    pub fn use_threads(&self, threads: usize) {
        self.active.store(threads.clamp(1, self.threads()), Relaxed);
    }

    /// Threads that are given work.
    pub fn threads_used(&self) -> usize {
        self.active.load(Relaxed)
    }

    /// Runs `task(0)` to `task(tasks - 1)`, each once, in this order on whichever thread is free; returns when all are done.
    ///
    /// Called from within a task, or while another thread uses the pool, it runs everything on the calling thread.
    ///
    /// # Panics
    /// If a task does, after all others are done.
    pub fn run(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        // More tasks than a share can count are run several at a time.
        let each = tasks.div_ceil(TASKS_MAX).max(1);
        let some = |i: usize| (i * each..tasks.min((i + 1) * each)).for_each(&task);
        let shares = tasks.div_ceil(each);
        match self.idle(shares) {
            // All of them the caller's, who has no more right to them than others: they claim them one after another.
            Some(guard) => self.hand_out(shares, |i| if i == 0 { 0..shares } else { 0..0 }, &some, guard),
            None => (0..tasks).for_each(task),
        }
    }

    /// Splits `0..len` into one contiguous range for each thread in use, cut at multiples of `align`, and runs `part` on each.
    ///
    /// The same range goes to the same thread every time, so that what it reads stays in that core's cache, unless that
    /// thread is late.
    pub fn split(&self, len: usize, align: usize, part: impl Fn(Range<usize>) + Sync) {
        let parts = self.threads_used();
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
        match if units > 1 { self.idle(parts) } else { None } {
            Some(guard) => self.hand_out(parts, |i| i..i + 1, &one, guard),
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

    /// [`run`](Self::run) over the items one by one.
    pub fn each_mut<T: Send>(&self, items: &mut [T], task: impl Fn(usize, &mut T) + Sync) {
        self.chunks_mut(items, 1, |i, item| task(i, &mut item[0]));
    }

    /// The right to run a job of so many tasks on several threads, unless one will do or somebody else has it.
    fn idle(&self, tasks: usize) -> Option<MutexGuard<'_, u32>> {
        if tasks > 1 && self.threads_used() > 1 { self.busy.try_lock().ok() } else { None }
    }

    /// Runs `job` on every task; the first threads in use are given a share each, as many as there are tasks.
    fn hand_out(
        &self,
        tasks: usize,
        share: impl Fn(usize) -> Range<usize>,
        job: &(dyn Fn(usize) + Sync),
        mut busy: MutexGuard<'_, u32>,
    ) {
        let shared = &*self.shared;
        let threads = self.threads_used().min(tasks);
        // SAFETY: only the lifetime changes. A thread uses the pointer between claiming a task and counting it as done,
        // and this function neither returns nor unwinds before all tasks are.
        let job_forever: Job = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Job>(job) };
        *busy = busy.wrapping_add(1);
        shared.join.left.store(tasks, Relaxed);
        shared.join.slots.store(threads, Relaxed);
        for (i, slot) in shared.slots[..threads].iter().enumerate().rev() {
            // SAFETY: `busy` keeps other callers out, and of the job before all was claimed and is done.
            unsafe { *slot.job.get() = Some(job_forever) };
            slot.share.open(*busy, share(i));
        }
        // Either this sees that a worker is about to sleep, or the worker sees its share.
        fence(SeqCst);
        for (slot, worker) in shared.slots[1..threads].iter().zip(&self.workers) {
            if slot.asleep.load(Relaxed) {
                worker.thread().unpark();
            }
        }
        shared.take(0);
        shared.wait_for_the_rest();
        let panic = if shared.panicked.swap(false, Relaxed) { lock(&shared.panic).take() } else { None };
        drop(busy);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches what its tasks throw; it has nothing to report.
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
    while let Some(job) = shared.wait_for_job(number, seen) {
        seen = job;
        // Who comes too late for its own, or has none, takes what is the caller's.
        if !shared.take(number) {
            shared.take(0);
        }
    }
}

impl Shared {
    /// Runs what is left of a share; whether that was anything.
    fn take(&self, number: usize) -> bool {
        let slot = &self.slots[number];
        let mut done = 0;
        while let Some(task) = slot.share.claim() {
            // SAFETY: the job was written before its share was opened, and is kept until the task just claimed is
            // counted below.
            let job = unsafe { &*(*slot.job.get()).expect("an open share has a job") };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(task))) {
                lock(&self.panic).get_or_insert(panic);
                self.panicked.store(true, Relaxed);
            }
            done += 1;
        }
        if done > 0 && self.join.left.fetch_sub(done, SeqCst) == done && self.join.asleep.load(SeqCst) {
            lock(&self.caller).iter().for_each(Thread::unpark);
        }
        done > 0
    }

    /// Runs whatever of the job no thread has begun.
    fn help(&self) {
        if self.join.left.load(Relaxed) > 0 {
            (0..self.join.slots.load(Relaxed)).for_each(|number| _ = self.take(number));
        }
    }

    /// The worker's next job, told from the last by its number; `None` when the pool stops.
    fn wait_for_job(&self, number: usize, seen: u32) -> Option<u32> {
        let slot = &self.slots[number];
        let news = || {
            let job = slot.share.job();
            if job != seen {
                Some(Some(job))
            } else if self.stop.load(Relaxed) {
                Some(None)
            } else {
                None
            }
        };
        for turn in 0..SPINS {
            if let Some(news) = news() {
                return news;
            }
            if turn == HELP_AFTER {
                self.help();
            }
            spin_loop();
        }
        slot.asleep.store(true, Relaxed);
        // Either this sees the share that is being opened, or whoever opens it sees a sleeper.
        fence(SeqCst);
        loop {
            if let Some(news) = news() {
                slot.asleep.store(false, Relaxed);
                return news;
            }
            park();
        }
    }

    /// The caller's wait for the tasks that others have begun.
    fn wait_for_the_rest(&self) {
        for turn in 0..SPINS {
            if self.join.left.load(Acquire) == 0 {
                return;
            }
            if turn == HELP_AFTER {
                self.help();
            }
            spin_loop();
        }
        *lock(&self.caller) = Some(std::thread::current());
        self.join.asleep.store(true, SeqCst);
        while self.join.left.load(SeqCst) != 0 {
            park();
        }
        self.join.asleep.store(false, Relaxed);
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
    fn pool_works_with_any_number_of_its_threads_from_call_to_call() {
        let pool = Pool::new(5).unwrap();
        for i in 0..2_000 {
            let threads = i * 7 % 11;
            pool.use_threads(threads);
            let used = threads.clamp(1, 5);
            assert_eq!(pool.threads_used(), used);
            let parts = AtomicUsize::new(0);
            pool.split(1_000, 1, |range| {
                assert!(range.len() >= 1_000 / used);
                parts.fetch_add(1, Relaxed);
            });
            assert_eq!(parts.into_inner(), used);
            let mut data = [0; 37];
            pool.each_mut(&mut data, |i, x| *x += i);
            assert!(data.into_iter().eq(0..37));
        }
    }

    #[test]
    fn pool_runs_more_tasks_than_a_share_counts() {
        let mut data = vec![0; 3 * TASKS_MAX + 1];
        Pool::new(3).unwrap().each_mut(&mut data, |i, x| *x += i);
        assert!(data.into_iter().eq(0..3 * TASKS_MAX + 1));
    }

    #[test]
    fn pool_waits_for_no_thread_that_has_not_begun() {
        // Three threads of which the system runs only the caller.
        let pool = Pool::alone(3);
        pool.active.store(3, Relaxed);
        let done = AtomicUsize::new(0);
        pool.split(30, 1, |range| {
            done.fetch_add(range.len(), Relaxed);
        });
        pool.run(12, |_| {
            done.fetch_add(1, Relaxed);
        });
        assert_eq!(done.into_inner(), 42);
    }

    #[test]
    fn pool_of_too_many_threads_is_refused_or_cut() {
        assert!(Pool::new(THREADS_MAX + 1).unwrap_err().to_string().contains("1024"));
        assert_eq!(Pool::up_to(3).threads(), 3);
        assert_eq!(Pool::up_to(0).threads(), 1);
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
