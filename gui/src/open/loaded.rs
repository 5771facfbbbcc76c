//! An open model, and how it comes to be one: what is read of its file, and the engine that is started for it. All of it runs in a job.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu::Kernels;
use formats::gguf::{Gguf, Header};
use formats::sentence;
use runtime::engine::{Engine, EngineOptions};
use text::{Devices, Opened, Remark, Running, Setup, Step};

use super::device::Device;
use super::facts::Facts;
use super::stamp::Stamp;
use crate::jobs::{self, JobContext};

/// An open model.
#[derive(Debug)]
pub struct Loaded {
    /// The model, its tokenizer, its sampling.
    pub opened: Opened,
    /// What runs it.
    pub engine: Engine,
    /// The device that it is on, if it is on one: whoever else runs it takes memory from the same account.
    pub devices: Arc<Devices>,
    /// Where it was asked to run. Where it does run, the engine knows.
    pub device: Device,
    /// Why it does not run where it was asked to, if so.
    pub fault: Option<String>,
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
pub struct OpenRequest {
    pub path: PathBuf,
    /// Where it runs.
    pub device: Device,
    /// Threads on the processor; `None` leaves it to the engine.
    pub threads: Option<usize>,
    /// Tokens in sight; `None`, or more than the model was made for, is as many as that: the setting is kept for whichever model comes next.
    pub context: Option<usize>,
    /// Where compiled pipelines are kept.
    pub cache: Option<PathBuf>,
    /// The model that ships with the program, to be known again whatever its path is.
    pub shipped: Option<PathBuf>,
    /// The open model, if it only moves to another device or gets another engine: what was read of it is read no more, even where its file is
    /// gone, unless its weights have to be laid out anew.
    pub moves: Option<Arc<Loaded>>,
}

/// What is read of a file: all of a model but its engine.
struct Contents {
    opened: Opened,
    header: Arc<Header>,
    facts: Facts,
    stamp: Stamp,
    vocabulary: u64,
    shipped: bool,
}

impl Contents {
    fn file(path: &Path, kernels: &'static Kernels, shipped: Option<&Path>) -> Result<Contents, String> {
        let stamp = Stamp::of(path);
        let gguf = Gguf::open(path).map_err(|e| sentence(&e))?;
        let header = Arc::clone(gguf.header());
        let opened = Opened::from_gguf(gguf, path, kernels).map_err(|e| sentence(&e))?;
        let one_file = |a: &Path, b: &Path| Some(a.canonicalize().ok()? == b.canonicalize().ok()?);
        Ok(Contents {
            facts: Facts::new(path, &header, stamp.len),
            vocabulary: opened.tokenizer.fingerprint(),
            shipped: shipped.and_then(|s| one_file(s, path)).unwrap_or(false),
            opened,
            header,
            stamp,
        })
    }

    fn again(model: &Loaded) -> Contents {
        Contents {
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
    /// Reads the file, unless the model only moves, and starts an engine.
    ///
    /// # Errors
    /// A sentence; `jobs::CANCELLED` if the job was cancelled on the way.
    pub fn open(request: &OpenRequest, job: &JobContext) -> Result<Loaded, String> {
        let start = Instant::now();
        let OpenRequest { path, device, threads, context, cache, shipped, moves } = request;
        let kernels = match device {
            Device::Kernels(name) => Kernels::named(name).ok_or_else(|| {
                format!("This processor does not run the kernels \"{name}\". Choose others.")
            })?,
            _ => Kernels::chosen()?,
        };
        let read = match moves.as_deref().filter(|m| m.opened.model.kernels().name == kernels.name) {
            Some(model) => Contents::again(model),
            None => {
                job.progress(None, "reading the file");
                Contents::file(path, kernels, shipped.as_deref())?
            }
        };
        let wanted = || if job.is_cancelled() { Err(jobs::CANCELLED.to_owned()) } else { Ok(()) };
        wanted()?;
        let Contents { opened, header, facts, stamp, vocabulary, shipped } = read;
        let context = context.map(|n| n.min(opened.model.config().context));
        let engine = EngineOptions { context, threads: *threads, ..EngineOptions::default() };
        let setup = Setup { device: device.asked(), engine };
        let devices = Arc::new(Devices::new(cache.clone()));
        let Running { opened, engine, remarks } = run(opened, setup, &devices, job)?;
        let fault = remarks.into_iter().find_map(|remark| match remark {
            Remark::CpuGoesOn { why } => Some(why),
            // The bar and the menu say so wherever they name it.
            Remark::Software(_) => None,
        });
        Ok(Loaded {
            opened,
            engine,
            devices,
            device: device.clone(),
            fault,
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

/// Starts a model, telling the job of each step.
fn run(opened: Opened, mut setup: Setup, devices: &Devices, job: &JobContext) -> Result<Running, String> {
    let mut watch = |step: Step<'_>| {
        match step {
            Step::Copying(device) => job.progress(None, format!("copying weights to {device}")),
            Step::LayingOut => job.progress(None, "laying out weights"),
            Step::Starting => {}
        }
        if job.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut started = Running::start(opened.clone(), &setup, devices, &mut watch);
    // The device is one of a menu, or of last time; if it is gone since, a person did not mistype it and wants their model all the same.
    if let Err(text::Error::Model(gone @ runtime::Error::NoAdapter { .. })) = &started {
        let remark = Remark::CpuGoesOn { why: sentence(gone) };
        setup.device = text::Device::Cpu;
        started = Running::start(opened, &setup, devices, &mut watch);
        if let Ok(running) = &mut started {
            running.remarks.push(remark);
        }
    }
    started.map_err(|error| match error {
        text::Error::GivenUp => jobs::CANCELLED.to_owned(),
        error => sentence(&error),
    })
}

/// Lets go, on a thread of its own, of what may hold the last handle of a model: its engine may be in the middle of a token, and its memory takes
/// time to give back.
pub fn let_go<T: Send + 'static>(held: Option<T>) {
    if let Some(held) = held {
        // Without a thread it is let go of here.
        let _ = std::thread::Builder::new().name("letting go of a model".into()).spawn(move || drop(held));
    }
}
