//! A card that is open: its memory, its kernels, and one stream on which everything happens in order; where it works with others, a
//! second one beside it for what goes over all of them. Or one on paper, which has no memory and runs nothing, but writes down what it is told.

#![expect(unsafe_code, reason = "turns off the bookkeeping that several streams would need")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cudarc::driver::result::memset_d8_async;
use cudarc::driver::sys::{
    CUdeviceptr, CUevent_flags, CUgraphInstantiate_flags, CUresult, CUstreamCaptureMode,
};
use cudarc::driver::{
    CudaContext, CudaEvent, CudaModule, CudaStream, DeviceRepr, DriverError, ValidAsZeroBits,
};
use cudarc::nvrtc::Ptx;

use super::buffer::{Buffer, Pinned};
use super::card::{Card, open, version};
use super::graph::Graph;
use super::kernel::{Arg, Kernel, Shape};
use super::module::{COMPILED_WITH, ptx, signatures};
use super::nccl::{Communicator, MeetingPoint, Span};
use crate::error::{Error, Result};

/// What places are multiples of, in bytes.
const ALIGN: usize = 256;
/// Where the buffers of a device on paper begin.
const PAPER_BEGINS: CUdeviceptr = 1 << 40;

/// See the top of this file.
#[derive(Debug)]
pub struct Device {
    card: Card,
    /// By module and name, made when they are first asked for.
    kernels: Mutex<Kernels>,
    place: Place,
    /// What it was told, on paper or in a rehearsal.
    told: Mutex<Vec<Launch>>,
    /// Whether an open card, too, only writes down what it is told.
    rehearsing: AtomicBool,
    /// Where it works with others.
    aside: Mutex<Option<Aside>>,
}

/// A stream beside the card's own, and its place among several cards.
#[derive(Debug)]
struct Aside {
    stream: Arc<CudaStream>,
    communicator: Communicator,
}

#[derive(Debug)]
enum Place {
    Open {
        context: Arc<CudaContext>,
        stream: Arc<CudaStream>,
    },
    /// Bytes of its buffers, each rounded up as a driver does.
    Paper {
        taken: AtomicU64,
    },
}

/// A kernel that a device was told to run, on paper or in a rehearsal.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its module.
    pub module: String,
    /// Its name.
    pub kernel: String,
    /// Over how many threads.
    pub shape: Shape,
    /// What it is given.
    pub args: Vec<Arg>,
}

#[derive(Debug, Default)]
struct Kernels {
    modules: HashMap<String, Arc<CudaModule>>,
    found: HashMap<(String, String), Arc<Kernel>>,
}

/// A moment of a device's: when everything that it was told before is done.
#[derive(Debug)]
pub struct Moment(CudaEvent);

/// Between two looks at a card that may wait for others for ever.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// The same while cards meet.
const LOOK_WHO_CAME: Duration = Duration::from_millis(20);

impl Moment {
    /// Waits for it.
    ///
    /// # Errors
    /// The card failed before.
    pub fn wait(&self) -> Result<()> {
        self.0.synchronize().map_err(|e| Error::failed(e, "waiting for the card"))
    }

    /// Waits for it as long as `still` has no objection.
    ///
    /// # Errors
    /// What `still` says; the card failed before.
    pub fn wait_while(&self, still: impl Fn() -> Result<()>) -> Result<()> {
        while !self.0.try_is_complete().map_err(|e| Error::failed(e, "waiting for the card"))? {
            still()?;
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// How long after `earlier` it was, by the card's own clock; waits for both.
    ///
    /// # Errors
    /// The card failed before.
    pub fn since(&self, earlier: &Moment) -> Result<Duration> {
        let milliseconds = earlier.0.elapsed_ms(&self.0);
        let milliseconds = milliseconds.map_err(|e| Error::failed(e, "asking for the card's clock"))?;
        Ok(Duration::from_secs_f64(f64::from(milliseconds.max(0.0)) / 1e3))
    }
}

impl Device {
    /// Opens the card of this number, counted from 0.
    ///
    /// # Errors
    /// No driver, no such card, one that is too old, or a driver that is.
    pub fn open(index: usize) -> Result<Device> {
        let (card, context) = open(index)?;
        // SAFETY: everything happens on one stream, which needs no events to be in order.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(|e| Error::failed(e, "opening a card"))?;
        Ok(Device::new(card, Place::Open { context, stream }))
    }

    /// A card on paper.
    pub fn on_paper(card: Card) -> Device {
        Device::new(card, Place::Paper { taken: AtomicU64::new(0) })
    }

    fn new(card: Card, place: Place) -> Device {
        let (kernels, told, aside) = (Mutex::default(), Mutex::default(), Mutex::default());
        Device { card, kernels, place, told, rehearsing: AtomicBool::new(false), aside }
    }

    /// What a device on paper was told since this was last asked.
    pub fn told(&self) -> Vec<Launch> {
        std::mem::take(&mut locked(&self.told))
    }

    /// The launches that `tell` tells the device, none of which is run. Afterwards each of their kernels is ready for the card.
    ///
    /// # Errors
    /// What `tell` says; a driver that does not take a module.
    pub fn rehearse(&self, tell: impl Fn() -> Result<()>) -> Result<Vec<Launch>> {
        self.rehearsing.store(true, Ordering::Relaxed);
        let told = tell();
        self.rehearsing.store(false, Ordering::Relaxed);
        let launches = self.told();
        told.map(|()| launches)
    }

    /// Bytes that were asked of a device on paper; 0 of an open one.
    pub fn taken(&self) -> u64 {
        match &self.place {
            Place::Open { .. } => 0,
            Place::Paper { taken } => taken.load(Ordering::Relaxed),
        }
    }

    /// A place for so many bytes on paper.
    ///
    /// # Panics
    /// An open device.
    pub(super) fn place_on_paper(&self, bytes: usize) -> CUdeviceptr {
        let Place::Paper { taken } = &self.place else { panic!("an open device has places of its own") };
        PAPER_BEGINS + taken.fetch_add(bytes.next_multiple_of(ALIGN) as u64, Ordering::Relaxed)
    }

    /// The card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Bytes of its memory that are free.
    ///
    /// # Errors
    /// The card failed.
    pub fn free(&self) -> Result<u64> {
        let Place::Open { context, .. } = &self.place else { return Ok(self.card.memory) };
        let (free, _) = context.mem_get_info().map_err(|e| Error::failed(e, "asking for free memory"))?;
        Ok(free as u64)
    }

    /// The stream of an open card; there is none on paper.
    pub(super) fn stream(&self) -> Option<&Arc<CudaStream>> {
        match &self.place {
            Place::Open { stream, .. } => Some(stream),
            Place::Paper { .. } => None,
        }
    }

    /// What to say of memory that was refused.
    pub(super) fn no_memory(&self, error: DriverError, bytes: usize) -> Error {
        if !Error::is_memory(error) {
            return Error::failed(error, "asking for memory");
        }
        let free = self.free().unwrap_or(0);
        let needed = (bytes as u64).div_ceil(1 << 20);
        Error::NoRoom { card: self.card.name.clone(), needed, free: free >> 20 }
    }

    /// Room for `len` values, whatever was there before.
    ///
    /// # Errors
    /// None left.
    pub fn buffer<T: bytemuck::Pod + DeviceRepr>(&self, len: usize) -> Result<Buffer<T>> {
        Buffer::new(self, len)
    }

    /// Values in the card's memory.
    ///
    /// # Errors
    /// None left, or the card failed.
    pub fn upload<T: bytemuck::Pod + DeviceRepr>(&self, values: &[T]) -> Result<Buffer<T>> {
        let mut buffer = Buffer::new(self, values.len())?;
        buffer.write(self, 0, values)?;
        Ok(buffer)
    }

    /// Room for `len` values, all bits 0.
    ///
    /// # Errors
    /// None left, or the card failed.
    pub fn zeros<T: bytemuck::Pod + DeviceRepr + ValidAsZeroBits>(&self, len: usize) -> Result<Buffer<T>> {
        let buffer = Buffer::new(self, len)?;
        buffer.clear_later(self, 0, len)?;
        Ok(buffer)
    }

    /// Values of the host that the card reaches by itself.
    ///
    /// # Errors
    /// None to be had.
    ///
    /// # Panics
    /// A device on paper.
    pub fn pinned<T: bytemuck::Pod + DeviceRepr + ValidAsZeroBits>(&self, len: usize) -> Result<Pinned<T>> {
        match &self.place {
            Place::Open { context, .. } => Pinned::new(context, len),
            Place::Paper { .. } => panic!("a device on paper is only told kernels"),
        }
    }

    /// Sets bytes to 0, after everything that it was told before.
    pub(super) fn clear(&self, pointer: CUdeviceptr, bytes: usize) -> Result<()> {
        let Place::Open { context, stream } = &self.place else { return Ok(()) };
        if bytes == 0 || self.rehearsing.load(Ordering::Relaxed) {
            return Ok(());
        }
        let bound = context.bind_to_thread();
        // SAFETY: whoever asks has a buffer that holds these bytes.
        let cleared = bound.and_then(|()| unsafe { memset_d8_async(pointer, 0, bytes, stream.cu_stream()) });
        cleared.map_err(|e| Error::failed(e, "clearing memory of the card"))
    }

    /// A kernel of a module, compiled for the card when it is first asked for.
    ///
    /// # Errors
    /// A driver that does not take the module.
    ///
    /// # Panics
    /// There is none of that name.
    pub fn kernel(&self, module: &str, name: &str) -> Result<Arc<Kernel>> {
        let mut kernels = locked(&self.kernels);
        let key = (module.to_owned(), name.to_owned());
        if let Some(kernel) = kernels.found.get(&key) {
            return Ok(Arc::clone(kernel));
        }
        let text = ptx(module);
        let function = match &self.place {
            Place::Paper { .. } => None,
            Place::Open { context, .. } => {
                if !kernels.modules.contains_key(module) {
                    let loaded = context.load_module(Ptx::from_src(text)).map_err(|e| self.not_loaded(e))?;
                    kernels.modules.insert(module.to_owned(), loaded);
                }
                let function = kernels.modules[module].load_function(name);
                // Asked for an attribute, a driver that loads lazily brings the kernel to the card.
                let loaded = function.and_then(|f| f.num_regs().map(|_| f));
                Some(loaded.map_err(|e| Error::failed(e, "looking for a kernel"))?)
            }
        };
        let signature = signatures(text).remove(name);
        let signature = signature.unwrap_or_else(|| panic!("{module} has no kernel {name}"));
        let kernel = Arc::new(Kernel::new(module, name, function, signature));
        kernels.found.insert(key, Arc::clone(&kernel));
        Ok(kernel)
    }

    fn not_loaded(&self, error: DriverError) -> Error {
        match error.0 {
            CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
                Error::OldDriver { found: version(self.card.driver), needed: COMPILED_WITH.1 }
            }
            _ => Error::failed(error, "compiling kernels for the card"),
        }
    }

    /// Runs a kernel after everything that the device was told before. The memory that its arguments name must be there until it is done,
    /// and large enough.
    ///
    /// # Errors
    /// The card failed.
    ///
    /// # Panics
    /// Arguments that are not the kernel's.
    pub fn launch(&self, kernel: &Kernel, shape: Shape, args: &[Arg]) -> Result<()> {
        kernel.check(args);
        match &self.place {
            Place::Open { stream, .. } if !self.rehearsing.load(Ordering::Relaxed) => {
                kernel.launch(stream, shape, args)
            }
            _ => {
                let (module, kernel) = (kernel.module().to_owned(), kernel.name().to_owned());
                locked(&self.told).push(Launch { module, kernel, shape, args: args.to_vec() });
                Ok(())
            }
        }
    }

    /// Runs what a device was told before, its arguments in the memory of then, which must still be there.
    ///
    /// # Errors
    /// The card failed.
    pub fn repeat(&self, launch: &Launch) -> Result<()> {
        self.launch(&*self.kernel(&launch.module, &launch.kernel)?, launch.shape, &launch.args)
    }

    /// A graph of everything that `tell` tells the device, which runs none of it. It is told twice: a driver takes no module while it records.
    ///
    /// # Errors
    /// What `tell` says; the card failed.
    ///
    /// # Panics
    /// A device on paper.
    pub fn record(&self, tell: impl Fn() -> Result<()>) -> Result<Graph> {
        self.rehearse(&tell)?;
        let stream = self.stream().expect("a device on paper is only told kernels");
        let failed = |e| Error::failed(e, "recording a step");
        stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).map_err(failed)?;
        let told = tell();
        let graph = stream.end_capture(CUgraphInstantiate_flags(0)).map_err(failed);
        told?;
        Graph::new(graph?.expect("a capture that was begun gives a graph"))
    }

    /// Joins other cards, as number `rank` of so many; waits until all have come, as long as `still` has no objection.
    ///
    /// # Errors
    /// What `still` says; NCCL is not there, or the cards do not reach each other.
    ///
    /// # Panics
    /// A device on paper.
    pub fn meet(
        &self,
        point: MeetingPoint,
        rank: usize,
        cards: usize,
        still: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let Place::Open { context, stream } = &self.place else { panic!("a device on paper meets nobody") };
        let opened = context.bind_to_thread().and_then(|()| stream.fork());
        let stream = opened.map_err(|e| Error::failed(e, "opening a card"))?;
        // NCCL itself waits for ever for one that does not come, so another thread waits for it.
        let (give, met) = sync_channel(1);
        let context = Arc::clone(context);
        let wait = move || {
            let bound = context.bind_to_thread().map_err(|e| Error::failed(e, "asking for the card"));
            let _ = give.send(bound.and_then(|()| Communicator::meet(point, rank, cards)));
        };
        let thread = std::thread::Builder::new().name("tercet-meeting".into()).spawn(wait);
        thread.map_err(|error| Error::Together {
            problem: format!("no thread to meet other cards on: {error}"),
        })?;
        let communicator = loop {
            match met.recv_timeout(LOOK_WHO_CAME) {
                Ok(met) => break met?,
                Err(_) => still()?,
            }
        };
        *locked(&self.aside) = Some(Aside { stream, communicator });
        Ok(())
    }

    /// Leaves the other cards; what they still have on their way together never comes.
    pub fn leave(&self) {
        *locked(&self.aside) = None;
    }

    /// Whether the cards still reach each other.
    ///
    /// # Errors
    /// They do not.
    pub fn check_others(&self) -> Result<()> {
        locked(&self.aside).as_ref().map_or(Ok(()), |aside| aside.communicator.check())
    }

    /// Adds up spans of f32 of this card's memory over all cards that it has met, in place: after everything that it was told before, and beside what it
    /// is told from now on until [`Device::rejoin`]. All of them tell the same sums in the same order.
    ///
    /// # Errors
    /// The cards do not reach each other.
    pub(crate) fn sum_aside(&self, spans: &[Span]) -> Result<()> {
        self.with_aside(|stream, aside| {
            aside.stream.join(stream).map_err(|e| Error::failed(e, "adding up over the cards"))?;
            // SAFETY: a span comes from a buffer, which outlives what the device was told.
            unsafe { aside.communicator.sum(spans, aside.stream.cu_stream()) }
        })
    }

    /// Has what it is told from now on wait for the sums.
    ///
    /// # Errors
    /// The card failed.
    pub(crate) fn rejoin(&self) -> Result<()> {
        self.with_aside(|stream, aside| {
            stream.join(&aside.stream).map_err(|e| Error::failed(e, "adding up over the cards"))
        })
    }

    /// Gives the first card's values of a span to all, after everything that it was told before.
    ///
    /// # Errors
    /// The cards do not reach each other.
    pub(crate) fn spread(&self, span: Span) -> Result<()> {
        self.with_aside(|stream, aside| {
            // SAFETY: as in `sum_aside`.
            unsafe { aside.communicator.spread(span, stream.cu_stream()) }
        })
    }

    fn with_aside(&self, tell: impl FnOnce(&CudaStream, &Aside) -> Result<()>) -> Result<()> {
        let Place::Open { context, stream } = &self.place else { return Ok(()) };
        if self.rehearsing.load(Ordering::Relaxed) {
            return Ok(());
        }
        context.bind_to_thread().map_err(|e| Error::failed(e, "asking for the card"))?;
        match &*locked(&self.aside) {
            Some(aside) => tell(stream, aside),
            None => Ok(()),
        }
    }

    /// The moment when everything is done that it was told so far.
    ///
    /// # Errors
    /// The card failed.
    ///
    /// # Panics
    /// A device on paper.
    pub fn moment(&self) -> Result<Moment> {
        let stream = self.stream().expect("a device on paper has no time");
        let event = stream.record_event(Some(CUevent_flags::CU_EVENT_BLOCKING_SYNC));
        event.map(Moment).map_err(|e| Error::failed(e, "marking a moment"))
    }

    /// Waits until everything is done that it was told.
    ///
    /// # Errors
    /// The card failed.
    pub fn wait(&self) -> Result<()> {
        let Some(stream) = self.stream() else { return Ok(()) };
        stream.synchronize().map_err(|e| Error::failed(e, "waiting for the card"))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
