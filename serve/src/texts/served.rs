//! A model that is served: opened once, at work in an engine of its own, which is started anew if it should end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runtime::gpu::Gpu;
use runtime::{PAGE_TOKENS, kv_page_bytes};
use text::{Devices, Opened, Remark, Running, Setup, Watch, unwatched};

use super::memory::available;
use super::queue::Queue;
use crate::error::Result;
use crate::options::ModelOptions;

/// See the top of this file.
#[derive(Debug)]
pub struct Served {
    name: String,
    created: u64,
    opened: Opened,
    options: ModelOptions,
    devices: Arc<Devices>,
    running: Mutex<Arc<Running>>,
    /// Held while it is started anew.
    restarting: Mutex<()>,
    queue: Arc<Queue>,
}

impl Served {
    /// Starts a model that is open, telling of each step. It is called by its file's name without the ending; the name that it carries itself will do too.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub fn start(
        opened: Opened,
        mut options: ModelOptions,
        devices: Arc<Devices>,
        watch: Watch<'_>,
    ) -> Result<Served> {
        let setup = &mut options.setup;
        // One that is not there is the model's business. Held until the model runs there: it is opened once.
        let device = devices.open(&setup.device).ok().flatten();
        setup.engine.texts = setup.engine.texts.max(1);
        if setup.engine.kv_pages.is_none() {
            setup.engine.kv_pages = Some(kv_pages(&opened, setup, device.as_deref()));
        }
        let name = opened
            .path
            .file_stem()
            .map_or_else(|| "model".into(), |stem| stem.to_string_lossy().into_owned());
        let running = Running::start(opened.clone(), &options.setup, &devices, watch)?;
        drop(device);
        let queue = Queue::new(options.setup.engine.texts, options.queue);
        let created = crate::api::choices::seconds_now();
        let running = Mutex::new(Arc::new(running));
        let restarting = Mutex::default();
        Ok(Served { name, created, opened, options, devices, running, restarting, queue })
    }

    /// What requests call it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a request that says `name` means it.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.opened.name.as_deref() == Some(name)
    }

    /// When it was started, in seconds since 1970.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The model, its tokenizer, its template.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// How it is served.
    pub fn options(&self) -> &ModelOptions {
        &self.options
    }

    /// What runs it now.
    pub fn running(&self) -> Arc<Running> {
        Arc::clone(&self.now())
    }

    /// What whoever asked for its device should hear of.
    pub fn remarks(&self) -> Vec<Remark> {
        self.now().remarks.clone()
    }

    /// Who is next.
    pub fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Starts it anew in the place of `broken`, unless that was done already; says whether it was this that did it. It takes a while, in which
    /// others find the broken one.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&self, broken: &Arc<Running>) -> text::Result<bool> {
        let _alone = self.restarting.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&self.now(), broken) {
            return Ok(false);
        }
        let (opened, setup) = (self.opened.clone(), &self.options.setup);
        let running = Arc::new(Running::start(opened, setup, &self.devices, &mut unwatched)?);
        *self.now() = running;
        Ok(true)
    }

    fn now(&self) -> MutexGuard<'_, Arc<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pages for all texts at their longest, but in no more than half of the memory that the system has left, or a third of the device's, and
/// for one text at least.
fn kv_pages(opened: &Opened, setup: &Setup, device: Option<&Gpu>) -> usize {
    let config = opened.model.config();
    let of_text = setup.engine.context.unwrap_or(config.context).div_ceil(PAGE_TOKENS);
    let memory = match device.map(|gpu| gpu.info().memory_bytes) {
        Some(bytes) => bytes.map(|bytes| usize::try_from(bytes / 3).unwrap_or(usize::MAX)),
        None => available().map(|bytes| bytes / 2),
    };
    let most = memory.map_or(usize::MAX, |bytes| bytes / kv_page_bytes(config));
    of_text.saturating_mul(setup.engine.texts).min(most.max(of_text))
}
