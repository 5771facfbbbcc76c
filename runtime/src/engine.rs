//! A thread that owns a worker and serves requests, one after another or several at once. The terminal, the app and the server are its
//! clients: a [`GenerateRequest`] goes in, [`Event`]s come out through a bounded channel, and dropping the channel cancels.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::cpu_worker::{CpuWorker, default_threads, threads_of_use};
use crate::error::{Error, Result};
use crate::gpu::{Fault, GpuModel, GpuOrCpu};
use crate::mailbox::{Inbox, mailbox};
use crate::model::Model;
use crate::pass::Worker;
use crate::request::{Event, GenerateRequest};
use crate::scheduler::{Job, Scheduler};

pub use crate::scheduler::Load;

/// Events that may wait for a client before its generation does.
const EVENTS: usize = 64;
/// How long the engine sleeps before it tries again where all clients are slow.
const RETRY: Duration = Duration::from_millis(1);

/// How an engine runs its model.
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// Tokens a text holds; `None` takes the model's context.
    pub context: Option<usize>,
    /// Most threads; `None` takes [`default_threads`].
    pub threads: Option<usize>,
    /// Most texts at once; a request beyond them waits.
    pub texts: usize,
    /// Most texts beside them that are kept when nobody writes them any more, because a prompt may begin like one; the longest unused
    /// give way to others, and to memory that is needed.
    pub kept: usize,
    /// Most [pages](crate::KvMemory) of keys and values of all texts together; `None` for as many as they take.
    /// Where they run out, idle texts lose theirs first, and then the last of those who are served is refused.
    pub kv_pages: Option<usize>,
}

impl Default for EngineOptions {
    /// One text at a time, with the model's context and the memory that takes.
    fn default() -> Self {
        EngineOptions { context: None, threads: None, texts: 1, kept: 0, kv_pages: None }
    }
}

/// A model at work.
#[derive(Debug)]
pub struct Engine {
    model: Arc<Model>,
    context: usize,
    threads: usize,
    gpu: Option<Arc<GpuModel>>,
    fault: Fault,
    /// What is to be served; `None` has the thread look whether it is to stop.
    jobs: Option<Sender<Option<Job>>>,
    load: Arc<Mutex<Load>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A request being served. Dropping it cancels.
#[derive(Debug)]
pub struct Generation {
    inbox: Inbox,
}

/// Cancels a generation from anywhere, a signal handler's thread say.
#[derive(Clone, Debug)]
pub struct Canceller(Arc<AtomicBool>);

impl Canceller {
    /// The generation ends within some milliseconds, also in the middle of a long prompt, with [`Finish::Cancelled`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Engine {
    /// Starts the thread.
    ///
    /// # Errors
    /// A context that the model does not have, or no threads to be had.
    pub fn start(model: Arc<Model>, options: EngineOptions) -> Result<Self> {
        Self::start_on(model, None, options)
    }

    /// Starts the thread, with the model also on a graphics device. Should that fail, now or later, the CPU goes on;
    /// [`fault`](Self::fault) tells.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on(model: Arc<Model>, gpu: Option<Arc<GpuModel>>, options: EngineOptions) -> Result<Self> {
        let context = options.context.unwrap_or(model.config().context);
        let threads = threads_of_use(options.threads.unwrap_or_else(default_threads));
        let (jobs, queue) = channel();
        let (ready, started) = sync_channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        let (fault, load) = (Fault::default(), Arc::<Mutex<Load>>::default());
        let (model_there, gpu_there) = (Arc::clone(&model), gpu.clone());
        let (fault_there, stop_there, load_there) =
            (Arc::clone(&fault), Arc::clone(&stop), Arc::clone(&load));
        let thread = std::thread::Builder::new()
            .name("tercet-engine".into())
            .spawn(move || {
                let worker: Result<Box<dyn Worker + '_>> = match &gpu_there {
                    Some(gpu) => {
                        let mut worker = GpuOrCpu::new(gpu, &model_there, threads, fault_there);
                        worker.limit_pages(options.kv_pages);
                        Ok(Box::new(worker))
                    }
                    None => CpuWorker::up_to_threads(&model_there, threads).map(|mut worker| {
                        worker.limit_pages(options.kv_pages);
                        Box::new(worker) as Box<_>
                    }),
                };
                let mut worker = match worker {
                    Ok(worker) => worker,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                match Scheduler::new(&mut *worker, context, options.texts, options.kept) {
                    Ok(scheduler) => {
                        let _ = ready.send(Ok(()));
                        serve(scheduler, &queue, &stop_there, &load_there);
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            })
            .map_err(|source| Error::Resource { what: "thread for the engine", source })?;
        started.recv().map_err(|_| Error::EngineStopped)??;
        Ok(Engine { model, context, threads, gpu, fault, jobs: Some(jobs), load, stop, thread: Some(thread) })
    }

    /// The model it runs.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Tokens a text of it holds.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Most threads it runs on: as many as were asked for, if there are processors for them.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The graphics device it runs on, unless it runs on the CPU.
    pub fn gpu(&self) -> Option<&Arc<GpuModel>> {
        if self.fault().is_some() { None } else { self.gpu.as_ref() }
    }

    /// Why the CPU had to take over from a graphics device, if it had to.
    pub fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands in a request; it is served after those before it, or together with them.
    ///
    /// # Errors
    /// [`Error::EngineStopped`] if the thread is gone.
    pub fn generate(&self, request: GenerateRequest) -> Result<Generation> {
        let (outbox, inbox) = mailbox(EVENTS);
        let jobs = self.jobs.as_ref().ok_or(Error::EngineStopped)?;
        jobs.send(Some(Job { request, outbox })).map_err(|_| Error::EngineStopped)?;
        Ok(Generation { inbox })
    }

    /// How busy it was after its last pass.
    pub fn load(&self) -> Load {
        *self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the thread is gone, or is about to be.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends the thread soon: what is being served ends there without a last event, and no more is.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(jobs) = &self.jobs {
            // If nobody hears it, the thread is gone already.
            let _ = jobs.send(None);
        }
    }
}

impl Drop for Engine {
    /// Cancels what is being served and waits for the thread.
    fn drop(&mut self) {
        self.stop();
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Generation {
    /// The next event, waiting for it; `None` after the last.
    pub fn next_event(&self) -> Option<Event> {
        self.inbox.next()
    }

    /// The next event if there is one now, and `None` after the last: for clients that do something else meanwhile.
    pub fn try_event(&self) -> Poll<Option<Event>> {
        self.inbox.try_next()
    }

    /// The same, and `task` is woken when there is one: for clients that wait for many generations on few threads. Only the last task
    /// that asked is woken.
    pub fn poll_event(&self, task: &mut Context<'_>) -> Poll<Option<Event>> {
        self.inbox.poll_next(task)
    }

    /// A handle that cancels.
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(self.inbox.cancel()))
    }
}

impl Iterator for Generation {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.next_event()
    }
}

/// The engine's thread, until no client can hand in anything more.
fn serve(mut scheduler: Scheduler<'_>, queue: &Receiver<Option<Job>>, stop: &AtomicBool, load: &Mutex<Load>) {
    loop {
        if scheduler.is_done() {
            match queue.recv() {
                Ok(job) => job.into_iter().for_each(|job| scheduler.take(job)),
                Err(_) => return,
            }
        }
        queue.try_iter().flatten().for_each(|job| scheduler.take(job));
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if !scheduler.round(stop) && !scheduler.is_done() {
            std::thread::sleep(RETRY);
        }
        *load.lock().unwrap_or_else(PoisonError::into_inner) = scheduler.load();
    }
}
