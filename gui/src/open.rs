//! The open model: which file, what it is, the engine that runs it and where. Opening happens in the background and the model before
//! stays usable until it is done.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use cpu::Kernels;
use eframe::egui;
use formats::gguf::{Gguf, Header};
use formats::sentence;
use runtime::engine::{Engine, EngineOptions};
use runtime::gpu::{AdapterInfo, Gpu, GpuModel, GpuOptions, adapters};
use serde::{Deserialize, Serialize};
use text::Opened;

use crate::jobs::{self, Job, JobContext, Jobs};

/// How often the open file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where a model runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// The processor, with the best kernels it has.
    #[default]
    Cpu,
    /// The processor, with the kernels of that name.
    Kernels(String),
    /// The graphics adapter of that name.
    Gpu(String),
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backend::Cpu => f.write_str("CPU"),
            Backend::Kernels(name) => write!(f, "CPU {name}"),
            Backend::Gpu(name) => f.write_str(name),
        }
    }
}

/// Sizes of a model file, counted from its header.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Its name, from the metadata or the file.
    pub name: String,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Weights of all tensors.
    pub weights: u64,
    /// Bytes of all tensors.
    pub tensor_bytes: u64,
    /// Weights of ternary tensors.
    pub ternary_weights: u64,
    /// Bytes of ternary tensors.
    pub ternary_bytes: u64,
}

impl Facts {
    /// Counts them.
    pub fn new(path: &Path, header: &Header, file_bytes: u64) -> Facts {
        let sum = |ternary_only: bool| {
            let tensors = header.tensors().iter();
            let counted = tensors.filter(|t| !ternary_only || t.ty.known().is_some_and(|ty| ty.is_ternary()));
            // A type whose number does not decide its size may claim any number of weights, and one beyond the file's end any of bytes.
            counted.fold((0u64, 0u64), |(w, b), t| {
                (w.saturating_add(t.dims.weights()), b.saturating_add(t.bytes))
            })
        };
        let ((weights, tensor_bytes), (ternary_weights, ternary_bytes)) = (sum(false), sum(true));
        let file_name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Facts { name: file_name, file_bytes, weights, tensor_bytes, ternary_weights, ternary_bytes }
    }

    /// Bits of a weight on disk, over all tensors.
    pub fn bits_per_weight(&self) -> f64 {
        self.tensor_bytes as f64 * 8.0 / self.weights.max(1) as f64
    }
}

/// An open model.
#[derive(Debug)]
pub struct Loaded {
    /// The model, its tokenizer, its sampling.
    pub opened: Opened,
    /// What runs it.
    pub engine: Engine,
    /// Where it was asked to run. Where it does run, the engine knows.
    pub backend: Backend,
    /// Why it does not run where it was asked to, if so.
    pub fault: Option<String>,
    /// Its sizes.
    pub facts: Facts,
    /// What the file says before its weights.
    pub header: Arc<Header>,
    /// Time from the request to an engine that waits.
    pub open_time: Duration,
    /// The version of the file that was read.
    pub stamp: Stamp,
    /// Whether it is the model that ships with the program.
    pub shipped: bool,
    /// What its tokens' ids stand for, as a number: see `Tokenizer::fingerprint`.
    pub vocabulary: u64,
}

/// What to open, and how to run it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The file.
    pub path: PathBuf,
    /// Where it runs.
    pub backend: Backend,
    /// Threads on the processor; `None` leaves it to the engine.
    pub threads: Option<usize>,
    /// Tokens in sight; `None`, or more than the model was made for, is as many as that.
    pub context: Option<usize>,
    /// Where compiled pipelines are kept.
    pub cache: Option<PathBuf>,
    /// The model that ships with the program, to be known again whatever its path is.
    pub shipped: Option<PathBuf>,
    /// The open model, if it only moves to another backend or gets another engine: what was read of it is read no more, even where its file is
    /// gone, unless its weights have to be laid out anew.
    pub moves: Option<Arc<Loaded>>,
}

/// What is read of a file: all of a model but its engine.
struct Read {
    opened: Opened,
    header: Arc<Header>,
    facts: Facts,
    stamp: Stamp,
    vocabulary: u64,
    shipped: bool,
}

impl Read {
    fn file(path: &Path, kernels: &'static Kernels, shipped: Option<&Path>) -> Result<Read, String> {
        let stamp = Stamp::of(path);
        let gguf = Gguf::open(path).map_err(|e| sentence(&e))?;
        let opened = Opened::from_gguf(&gguf, path, kernels).map_err(|e| sentence(&e))?;
        let header = Arc::new(gguf.into_header());
        let one_file = |a: &Path, b: &Path| Some(a.canonicalize().ok()? == b.canonicalize().ok()?);
        Ok(Read {
            facts: Facts::new(path, &header, stamp.len),
            vocabulary: opened.tokenizer.fingerprint(),
            shipped: shipped.and_then(|s| one_file(s, path)).unwrap_or(false),
            opened,
            header,
            stamp,
        })
    }

    fn again(model: &Loaded) -> Read {
        Read {
            opened: model.opened.clone(),
            header: Arc::clone(&model.header),
            facts: model.facts.clone(),
            stamp: model.stamp,
            vocabulary: model.vocabulary,
            shipped: model.shipped,
        }
    }
}

impl Loaded {
    fn open(request: &Request, job: &JobContext) -> Result<Loaded, String> {
        let start = Instant::now();
        let Request { path, backend, threads, context, cache, shipped, moves } = request;
        let kernels = match backend {
            Backend::Kernels(name) => Kernels::named(name).ok_or_else(|| {
                format!("This processor does not run the kernels \"{name}\". Choose others.")
            })?,
            _ => Kernels::chosen()?,
        };
        let read = match moves.as_deref().filter(|m| m.opened.model.kernels().name == kernels.name) {
            Some(model) => Read::again(model),
            None => {
                job.progress(None, "reading and laying out weights");
                Read::file(path, kernels, shipped.as_deref())?
            }
        };
        let wanted = || if job.is_cancelled() { Err(jobs::CANCELLED.to_owned()) } else { Ok(()) };
        wanted()?;
        let Read { opened, header, facts, stamp, vocabulary, shipped } = read;
        let mut fault = None;
        let gpu = match backend {
            Backend::Gpu(name) => {
                job.progress(None, format!("copying weights to {name}"));
                let options = GpuOptions { cache: cache.clone(), ..GpuOptions::default() };
                let made = Gpu::open(Some(name), options)
                    .and_then(|gpu| GpuModel::new(Arc::new(gpu), &opened.model));
                made.map(Arc::new).map_err(|e| fault = Some(sentence(&e))).ok()
            }
            _ => None,
        };
        wanted()?;
        let context = context.map(|n| n.min(opened.model.config().context));
        let options = EngineOptions { context, threads: *threads, ..EngineOptions::default() };
        let engine = Engine::start_on(Arc::clone(&opened.model), gpu, options).map_err(|e| sentence(&e))?;
        Ok(Loaded {
            fault: fault.or_else(|| engine.fault()),
            opened,
            engine,
            backend: backend.clone(),
            facts,
            header,
            open_time: start.elapsed(),
            stamp,
            shipped,
            vocabulary,
        })
    }

    /// Where it runs, in a few words: "avx2 x2", or a device's name.
    pub fn runs_on(&self) -> String {
        match self.engine.gpu() {
            Some(model) => {
                let info = model.gpu().info();
                if info.software { format!("{} (software, not a GPU)", info.name) } else { info.name.clone() }
            }
            None => format!("CPU {} x{}", self.engine.model().kernels().name, self.engine.threads()),
        }
    }
}

/// A file that could not be opened, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// The open model, and one on its way.
#[derive(Debug, Default)]
pub struct OpenModel {
    loaded: Option<Arc<Loaded>>,
    opening: Option<(PathBuf, Job<Result<Loaded, String>>)>,
    /// Whether that only moves the open model.
    moving: bool,
    /// The last file that could not be opened, until it is read.
    pub refused: Option<Refused>,
    /// Whether the file on disk is another one now.
    changed: bool,
    watch: Option<FileWatch>,
    adapters: Vec<AdapterInfo>,
    looking: Option<Job<Vec<AdapterInfo>>>,
    looked: bool,
}

/// What became of an opening.
#[derive(Debug)]
pub enum Happened {
    /// It is open.
    Opened,
    /// It is not; `refused` says why, unless it was cancelled. Whether it was the open model that was to move.
    Refused {
        /// See above.
        moved: bool,
    },
}

impl OpenModel {
    /// The open model.
    pub fn get(&self) -> Option<&Arc<Loaded>> {
        self.loaded.as_ref()
    }

    /// The file being opened.
    pub fn opening(&self) -> Option<&Path> {
        self.opening.as_ref().map(|(path, _)| path.as_path())
    }

    /// The file being opened anew, rather than moved to another engine.
    pub fn reading(&self) -> Option<&Path> {
        self.opening().filter(|_| !self.moving)
    }

    /// The graphics adapters of this machine, as far as they are known yet.
    pub fn adapters(&self) -> &[AdapterInfo] {
        &self.adapters
    }

    /// Whether they all are.
    pub fn knows_adapters(&self) -> bool {
        self.looked
    }

    /// Whether the file of the open model changed on disk since this was last asked; not while one is being opened.
    pub fn take_changed(&mut self) -> bool {
        self.opening.is_none() && std::mem::take(&mut self.changed)
    }

    /// Looks for graphics adapters.
    pub fn look_for_adapters(&mut self, jobs: &mut Jobs) {
        self.looking = jobs.start("Looking for graphics adapters", |_| {
            adapters().iter().map(|a| a.info().clone()).collect()
        });
    }

    /// Opens a file; one that is being opened is given up.
    pub fn open(&mut self, request: Request, jobs: &mut Jobs) {
        self.refused = None;
        if let Some((_, job)) = self.opening.take() {
            job.info.cancel();
        }
        let path = request.path.clone();
        let name = format!("Opening {}", path.file_name().unwrap_or_default().to_string_lossy());
        self.moving = request.moves.is_some();
        match jobs.start(&name, move |job| Loaded::open(&request, job)) {
            Some(job) => {
                job.info.may_be_left();
                self.opening = Some((path, job));
            }
            None => {
                self.refused =
                    Some(Refused { path, why: "The system gives no thread to open it with.".into() })
            }
        }
    }

    /// Takes in what happened in the background.
    pub fn poll(&mut self, ctx: &egui::Context) -> Option<Happened> {
        if let Some(Ok(found)) = jobs::take(&mut self.looking) {
            (self.adapters, self.looked) = (found, true);
        }
        self.changed |= self.watch.as_ref().is_some_and(FileWatch::changed);
        let (path, job) = self.opening.take()?;
        let mut slot = Some(job);
        let Some(result) = jobs::take(&mut slot) else {
            self.opening = slot.map(|job| (path, job));
            return None;
        };
        match result.and_then(|r| r) {
            Ok(loaded) => {
                if !self.moving {
                    self.watch = FileWatch::start(path, loaded.stamp, ctx);
                    self.changed = false;
                }
                let_go(self.loaded.replace(Arc::new(loaded)));
                Some(Happened::Opened)
            }
            Err(why) if why == jobs::CANCELLED => Some(Happened::Refused { moved: self.moving }),
            Err(why) => {
                self.refused = Some(Refused { path, why });
                Some(Happened::Refused { moved: self.moving })
            }
        }
    }
}

impl Drop for OpenModel {
    fn drop(&mut self) {
        let_go(self.loaded.take());
    }
}

/// Lets go, on a thread of its own, of what may hold the last handle of a model: its engine may be in the middle of a token, and its memory takes
/// time to give back.
pub fn let_go<T: Send + 'static>(held: Option<T>) {
    if let Some(held) = held {
        // Without a thread it is let go of here.
        let _ = std::thread::Builder::new().name("letting go of a model".into()).spawn(move || drop(held));
    }
}

/// What tells one version of a file from the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// Of the file as it is now; the default one where there is none.
    pub fn of(path: &Path) -> Stamp {
        let meta = std::fs::metadata(path).ok();
        meta.map_or_else(Stamp::default, |m| Stamp { len: m.len(), modified: m.modified().ok() })
    }
}

/// A thread that looks at a file now and then, so that no frame does.
#[derive(Debug)]
struct FileWatch {
    news: Receiver<()>,
    _stop: Sender<()>,
}

impl FileWatch {
    fn start(path: PathBuf, known: Stamp, ctx: &egui::Context) -> Option<FileWatch> {
        let (tell, news) = channel();
        let (stop, stopped) = channel::<()>();
        let ctx = ctx.clone();
        let mut seen = known;
        let watch = move || {
            while matches!(stopped.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout)) {
                let now = Stamp::of(&path);
                // A file that is gone may be about to be replaced; the model in memory goes on either way.
                if now != seen && now != Stamp::default() {
                    seen = now;
                    if tell.send(()).is_err() {
                        return;
                    }
                    ctx.request_repaint();
                }
            }
        };
        std::thread::Builder::new().name("watching the model's file".into()).spawn(watch).ok()?;
        Some(FileWatch { news, _stop: stop })
    }

    fn changed(&self) -> bool {
        self.news.try_iter().count() > 0
    }
}
