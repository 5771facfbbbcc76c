//! The open model: which file, what it is, the engine that runs it and where. Opening happens in the background and the model before
//! stays usable until it is done.

mod device;
mod facts;
mod loaded;
mod stamp;
mod watch;

pub use device::Device;
pub use facts::Facts;
pub use loaded::{Loaded, OpenRequest, let_go};
pub use stamp::Stamp;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui;
use runtime::gpu::{AdapterInfo, adapters};

use crate::jobs::{self, Job, Jobs};
use watch::FileWatch;

/// A file that could not be opened, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
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
    Ready,
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
    pub fn open(&mut self, request: OpenRequest, jobs: &mut Jobs) {
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
                Some(Happened::Ready)
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
