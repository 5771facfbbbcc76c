//! A server as whoever starts it holds it: where it listens, whom it serves, and how it ends. It runs on threads of its own, beside whatever
//! else the process does.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::address::{self, listen};
use crate::error::{Error, Result};
use crate::guard::{Guard, Keys, check_origin};
use crate::metrics::Metrics;
use crate::net::accept;
use crate::options::Options;
use crate::routes::router;
use crate::state::{Phase, State};
use crate::texts::{Registry, RequestInfo, Served, Totals};

/// Threads that carry requests and answers; models have their own.
const THREADS: usize = 2;
/// Threads for what takes longer, such as cutting a long text into tokens.
const THREADS_BLOCKING: usize = 4;
/// Most time in which tasks end; what takes longer, such as cutting a long text into tokens, is left alone.
const ENDING: Duration = Duration::from_millis(500);

/// See the top of this file. Dropping it ends it at once.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Starts to serve models, the first of which is meant where a request names none.
    ///
    /// # Errors
    /// No models, or two of one name; an address that cannot be listened at, or that others could reach without a key; options
    /// that cannot be; no threads.
    pub fn start(options: &Options, models: Vec<Served>) -> Result<Server> {
        if models.is_empty() {
            return Err(Error::NoModel);
        }
        for (i, model) in models.iter().enumerate() {
            if models[..i].iter().any(|before| before.name() == model.name()) {
                return Err(Error::SameName { name: model.name().to_owned() });
            }
        }
        let (listener, guard) = options.open()?;
        let address = listener.local_addr().map_err(Error::Threads)?;
        let state = Arc::new(State {
            models: models.into_iter().map(Arc::new).collect(),
            guard,
            limits: options.limits,
            registry: Arc::<Registry>::default(),
            metrics: Arc::<Metrics>::default(),
            phase: watch::Sender::new(Phase::Serving),
        });
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(THREADS_BLOCKING)
            .thread_name("tercet-serve")
            .enable_all()
            .build()
            .map_err(Error::Threads)?;
        let of_thread = Arc::clone(&state);
        let serve = move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let phase = of_thread.phase.subscribe();
                accept(listener, router(Arc::clone(&of_thread)), of_thread.limits, phase).await;
            });
            // Whatever is still being served ends with its tasks; nobody is answered by a server that has ended.
            runtime.shutdown_timeout(ENDING);
        };
        let thread = std::thread::Builder::new().name("tercet-serve".into()).spawn(serve);
        let thread = Mutex::new(Some(thread.map_err(Error::Threads)?));
        Ok(Server { address, state, thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a client on this machine finds it.
    pub fn url(&self) -> String {
        address::url(self.address)
    }

    /// Where clients on other machines find it; `None` where they cannot, or where this machine does not know its address among them.
    pub fn url_for_others(&self) -> Option<String> {
        address::url_for_others(self.address)
    }

    /// The models that it serves.
    pub fn models(&self) -> &[Arc<Served>] {
        &self.state.models
    }

    /// Requests that it serves now, the first first.
    pub fn requests(&self) -> Vec<RequestInfo> {
        self.state.registry.list()
    }

    /// The last requests that have ended or were refused, the last first; some dozens of them.
    pub fn ended(&self) -> Vec<RequestInfo> {
        self.state.registry.ended()
    }

    /// How many requests have ended since it started, and how.
    pub fn totals(&self) -> Totals {
        self.state.registry.totals()
    }

    /// Tokens that it has written since it started.
    pub fn written_tokens(&self) -> u64 {
        self.state.metrics.written_tokens()
    }

    /// Ends a request; says whether it was there.
    pub fn cancel(&self, id: u64) -> bool {
        self.state.registry.cancel(id)
    }

    /// Takes no more requests from now on, and ends when those that it has are answered.
    pub fn drain(&self) {
        self.state.models.iter().for_each(|model| model.queue().close());
        self.go_on_to(Phase::Draining);
    }

    /// Ends now, whoever is being served.
    pub fn stop(&self) {
        self.drain();
        // Before their tasks are gone, so that nobody is said to have left.
        self.state.registry.cancel_all();
        self.go_on_to(Phase::Ending);
    }

    /// Whether it was told to end at once.
    pub fn was_stopped(&self) -> bool {
        *self.state.phase.borrow() == Phase::Ending
    }

    /// Waits until it has ended.
    pub fn wait(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It has nothing to fail with: a bug in a request is that request's.
        let _ = thread.map(JoinHandle::join);
    }

    fn go_on_to(&self, phase: Phase) {
        self.state.phase.send_if_modified(|now| {
            let on = phase > *now;
            *now = phase.max(*now);
            on
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        self.wait();
    }
}

impl Options {
    /// Whether a server could start with these now: what is wrong is found before a model is started, which may take long.
    ///
    /// # Errors
    /// As [`Server::start`], models apart.
    pub fn check(&self) -> Result<()> {
        self.open().map(drop)
    }

    /// What a server lets people in by: the socket, and the rules.
    fn open(&self) -> Result<(TcpListener, Guard)> {
        self.origins.iter().try_for_each(|origin| check_origin(origin))?;
        let keys = Keys::new(&self.keys)?;
        let listener = listen(self, keys.are_asked())?;
        Ok((listener, Guard::new(&self.names, &self.origins, keys)))
    }
}
