//! Work in the background, by name: what is running, how far it is, and how to end it. A name runs once at a time. Nobody
//! ever waits for a job: its result is picked up by whoever started it, in a later frame.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eframe::egui;

/// Least time between two pictures of a job's progress.
const FRAME: Duration = Duration::from_millis(33);

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// From 0 to 1, where it can be told.
    pub share: Option<f32>,
    /// What it is at.
    pub text: String,
}

/// The side of a job that everybody sees.
#[derive(Debug)]
pub struct JobInfo {
    /// What it is called; also what keeps a second one from starting.
    pub name: String,
    /// When it began.
    pub started: Instant,
    progress: Mutex<Progress>,
    cancel: Arc<AtomicBool>,
    done: AtomicBool,
    /// Nobody has to wait for its end once it is cancelled.
    left: AtomicBool,
}

impl JobInfo {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It cannot be ended midway, but its result can be done without: cancelled, it counts as over at once, and goes on unseen to its end.
    pub fn may_be_left(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    fn is_left(&self) -> bool {
        self.left.load(Ordering::Relaxed) && self.is_cancelled()
    }

    /// Asks it to end soon.
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }

    /// Whether it has been asked to.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

/// The side of a job that its own thread sees.
#[derive(Clone, Debug)]
pub struct JobContext {
    info: Arc<JobInfo>,
    ctx: egui::Context,
}

impl JobContext {
    /// Tells how far it is.
    pub fn progress(&self, share: Option<f32>, text: impl Into<String>) {
        *self.info.progress.lock().unwrap_or_else(PoisonError::into_inner) =
            Progress { share, text: text.into() };
        self.repaint();
    }

    /// Tells how far it is, to be seen before long. For work that is disturbed when the window is drawn.
    pub fn progress_within(&self, share: Option<f32>, text: impl Into<String>, soon: Duration) {
        *self.info.progress.lock().unwrap_or_else(PoisonError::into_inner) =
            Progress { share, text: text.into() };
        self.ctx.request_repaint_after(soon);
    }

    /// Whether somebody wants it to end.
    pub fn is_cancelled(&self) -> bool {
        self.info.is_cancelled()
    }

    /// The flag behind [`is_cancelled`](Self::is_cancelled), for calls that take one.
    pub fn cancel_flag(&self) -> &AtomicBool {
        &self.info.cancel
    }

    /// Has the window drawn again soon; many calls make one picture.
    pub fn repaint(&self) {
        self.ctx.request_repaint_after(FRAME);
    }
}

/// A result to come.
#[derive(Debug)]
pub struct Job<T> {
    /// What everybody sees of it.
    pub info: Arc<JobInfo>,
    result: Receiver<Result<T, String>>,
}

/// What a poll found.
#[derive(Debug)]
pub enum Poll<T> {
    /// Not yet.
    Pending,
    /// Done.
    Ready(T),
    /// It broke down: what it said.
    Panicked(String),
}

impl<T> Job<T> {
    /// Its result, once.
    pub fn poll(&self) -> Poll<T> {
        match self.result.try_recv() {
            Ok(Ok(value)) => Poll::Ready(value),
            Ok(Err(message)) => Poll::Panicked(message),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Panicked("it ended without a result".into()),
        }
    }
}

/// What became of a job that was left.
pub const CANCELLED: &str = "it was cancelled";

/// Takes the result out of a slot that may hold a job, leaving the slot empty once there is one.
pub fn take<T>(slot: &mut Option<Job<T>>) -> Option<Result<T, String>> {
    let job = slot.as_ref()?;
    let result = match job.poll() {
        Poll::Pending if job.info.is_left() => Err(CANCELLED.to_owned()),
        Poll::Pending => return None,
        Poll::Ready(value) => Ok(value),
        Poll::Panicked(message) => Err(format!("a bug ended this: {message}")),
    };
    // Whoever has the result may start the next one of that name.
    job.info.done.store(true, Ordering::Release);
    *slot = None;
    Some(result)
}

/// The results of those jobs that are done; the others stay.
pub fn take_done<T>(jobs: &mut Vec<Job<T>>) -> Vec<Result<T, String>> {
    let mut results = Vec::new();
    for job in std::mem::take(jobs) {
        let mut slot = Some(job);
        results.extend(take(&mut slot));
        jobs.extend(slot);
    }
    results
}

/// Waits for a job whose result nobody needs any more. Only for the end of the app: one that is writing a file must not write it after the
/// last word.
pub fn wait<T>(slot: &mut Option<Job<T>>) {
    if let Some(job) = slot.take() {
        let _ = job.result.recv();
    }
}

/// Every job there is.
#[derive(Debug)]
pub struct Jobs {
    ctx: egui::Context,
    running: Vec<Arc<JobInfo>>,
}

impl Jobs {
    /// None yet.
    pub fn new(ctx: &egui::Context) -> Jobs {
        Jobs { ctx: ctx.clone(), running: Vec::new() }
    }

    /// Starts a job on a thread of its own, unless one of that name is running or there are no threads.
    pub fn start<T: Send + 'static>(
        &mut self,
        name: &str,
        work: impl FnOnce(&JobContext) -> T + Send + 'static,
    ) -> Option<Job<T>> {
        self.prune();
        if self.running.iter().any(|j| j.name == name) {
            return None;
        }
        let job = self.start_quietly(name, work)?;
        self.running.push(Arc::clone(&job.info));
        Some(job)
    }

    /// Starts a job that is over before anybody would want to see it: it is in no list, and its name is not kept from others.
    pub fn start_quietly<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&JobContext) -> T + Send + 'static,
    ) -> Option<Job<T>> {
        let info = Arc::new(JobInfo {
            name: name.to_owned(),
            started: Instant::now(),
            progress: Mutex::default(),
            cancel: Arc::default(),
            done: AtomicBool::new(false),
            left: AtomicBool::new(false),
        });
        let (sender, result) = channel();
        let context = JobContext { info: Arc::clone(&info), ctx: self.ctx.clone() };
        let work = move || {
            let value = catch_unwind(AssertUnwindSafe(|| work(&context)));
            let _ = sender.send(value.map_err(|panic| message(&*panic)));
            context.info.done.store(true, Ordering::Release);
            context.ctx.request_repaint();
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(work).ok()?;
        Some(Job { info, result })
    }

    /// Those that are running.
    pub fn running(&mut self) -> &[Arc<JobInfo>] {
        self.prune();
        &self.running
    }

    fn prune(&mut self) {
        self.running.retain(|j| !j.done.load(Ordering::Acquire) && !j.is_left());
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait<T>(mut slot: Option<Job<T>>) -> Result<T, String> {
        loop {
            if let Some(result) = take(&mut slot) {
                return result;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_name_runs_once_at_a_time_and_tells_its_progress() {
        let mut jobs = Jobs::new(&egui::Context::default());
        let first = jobs.start("count", |job| {
            job.progress(Some(0.5), "half");
            while !job.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            7
        });
        assert!(jobs.start("count", |_| ()).is_none());
        let other = jobs.start("other", |_| "done");
        assert_eq!(wait(other), Ok("done"));
        let info = Arc::clone(&first.as_ref().unwrap().info);
        while info.progress().text.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(info.progress(), Progress { share: Some(0.5), text: "half".into() });
        info.cancel();
        assert_eq!(wait(first), Ok(7));
        while !jobs.running().is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(jobs.start("count", |_| ()).is_some());
    }

    #[test]
    fn a_job_that_breaks_down_says_so() {
        let mut jobs = Jobs::new(&egui::Context::default());
        let job = jobs.start("broken", |_| -> u32 { panic!("of {}", "glass") });
        assert_eq!(wait(job), Err("a bug ended this: of glass".into()));
    }
}
