//! NVIDIA's library for sums over several cards, NCCL, opened when it is first asked for. By itself cudarc would look for it under the name
//! that only its developers' package has.
#![expect(unsafe_code, reason = "a library that is opened by its name")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use cudarc::driver::sys::{CUdeviceptr, CUstream};
use libloading::Library;

use crate::error::{Error, Result};

/// Names that it has, the one of users' packages first.
const NAMES: [&str; 2] = ["libnccl.so.2", "libnccl.so"];

type Raw = *mut c_void;
type Outcome = c_int;

const SUCCESS: Outcome = 0;
const IN_PROGRESS: Outcome = 7;
/// `ncclFloat32`, `ncclUint8`, `ncclSum`.
const F32: c_int = 7;
const BYTES: c_int = 1;
const SUM: c_int = 0;

/// What cards must agree on to find each other.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct MeetingPoint([u8; 128]);

impl std::fmt::Debug for MeetingPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MeetingPoint")
    }
}

impl MeetingPoint {
    /// One that nobody has used yet.
    ///
    /// # Errors
    /// The library is not there, or finds no way to be reached.
    pub fn new() -> Result<MeetingPoint> {
        let library = library()?;
        let mut point = MeetingPoint([0; 128]);
        // SAFETY: it writes into the place that it is given, whose size is that of its type.
        let outcome = unsafe { (library.get_unique_id)(&raw mut point) };
        library.done(outcome, "looking for a way between cards")?;
        Ok(point)
    }

    /// Its bytes, to be told to another process.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// From the bytes of another process, if they are as many.
    pub fn from_bytes(bytes: &[u8]) -> Option<MeetingPoint> {
        bytes.try_into().ok().map(MeetingPoint)
    }
}

/// The functions of the library that are used.
struct Nccl {
    get_unique_id: unsafe extern "C" fn(*mut MeetingPoint) -> Outcome,
    init_rank: unsafe extern "C" fn(*mut Raw, c_int, MeetingPoint, c_int) -> Outcome,
    abort: unsafe extern "C" fn(Raw) -> Outcome,
    async_error: unsafe extern "C" fn(Raw, *mut Outcome) -> Outcome,
    error_string: unsafe extern "C" fn(Outcome) -> *const c_char,
    group_start: unsafe extern "C" fn() -> Outcome,
    group_end: unsafe extern "C" fn() -> Outcome,
    all_reduce: unsafe extern "C" fn(CUdeviceptr, CUdeviceptr, usize, c_int, c_int, Raw, CUstream) -> Outcome,
    broadcast: unsafe extern "C" fn(CUdeviceptr, CUdeviceptr, usize, c_int, c_int, Raw, CUstream) -> Outcome,
}

impl Nccl {
    fn open() -> std::result::Result<Nccl, String> {
        let mut problem = String::new();
        for name in NAMES {
            // SAFETY: NVIDIA's library may be opened from any thread, and stays open.
            match unsafe { Library::new(name) } {
                Ok(library) => return Nccl::of(Box::leak(Box::new(library))).map_err(|e| e.to_string()),
                Err(error) if problem.is_empty() => problem = error.to_string(),
                Err(_) => {}
            }
        }
        Err(problem)
    }

    fn of(library: &'static Library) -> std::result::Result<Nccl, libloading::Error> {
        // SAFETY: these are the functions' types in `nccl.h` of NCCL 2.
        unsafe {
            Ok(Nccl {
                get_unique_id: *library.get(b"ncclGetUniqueId")?,
                init_rank: *library.get(b"ncclCommInitRank")?,
                abort: *library.get(b"ncclCommAbort")?,
                async_error: *library.get(b"ncclCommGetAsyncError")?,
                error_string: *library.get(b"ncclGetErrorString")?,
                group_start: *library.get(b"ncclGroupStart")?,
                group_end: *library.get(b"ncclGroupEnd")?,
                all_reduce: *library.get(b"ncclAllReduce")?,
                broadcast: *library.get(b"ncclBroadcast")?,
            })
        }
    }

    fn done(&self, outcome: Outcome, doing: &'static str) -> Result<()> {
        if outcome == SUCCESS {
            return Ok(());
        }
        // SAFETY: it gives a text that lies in the library for good.
        let meaning = unsafe { CStr::from_ptr((self.error_string)(outcome)) }.to_string_lossy().into_owned();
        Err(Error::Failed { name: format!("NCCL {outcome}"), meaning, doing })
    }
}

/// Whether the library is there.
///
/// # Errors
/// It is not.
pub fn check_nccl() -> Result<()> {
    library().map(drop)
}

fn library() -> Result<&'static Nccl> {
    static LIBRARY: OnceLock<std::result::Result<Nccl, String>> = OnceLock::new();
    LIBRARY.get_or_init(Nccl::open).as_ref().map_err(|problem| Error::NoNccl { problem: problem.clone() })
}

/// A card's place among several, each of which tells the same sums in the same order.
pub(super) struct Communicator {
    library: &'static Nccl,
    raw: Raw,
}

// SAFETY: its handle is not bound to a thread, and the library lets any thread ask whether it failed.
unsafe impl Send for Communicator {}
// SAFETY: as above; all else is told by the one thread that tells the device.
unsafe impl Sync for Communicator {}

/// Some of a card's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub at: CUdeviceptr,
    pub bytes: usize,
}

impl Communicator {
    /// Meets the others, and waits until all have come. The card's context is the thread's.
    pub(super) fn meet(point: MeetingPoint, rank: usize, cards: usize) -> Result<Communicator> {
        let library = library()?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: it writes one handle.
        let outcome = unsafe { (library.init_rank)(&raw mut raw, cards as c_int, point, rank as c_int) };
        library.done(outcome, "meeting the other cards")?;
        Ok(Communicator { library, raw })
    }

    /// Sums each span of f32 over all cards, in place, after what the stream was told before.
    ///
    /// # Safety
    /// The spans are the card's memory, and stay until the stream is through.
    pub(super) unsafe fn sum(&self, spans: &[Span], stream: CUstream) -> Result<()> {
        let doing = "adding up over the cards";
        // SAFETY: a group has no arguments.
        let started = unsafe { (self.library.group_start)() };
        self.library.done(started, doing)?;
        let mut told = Ok(());
        for &Span { at, bytes } in spans {
            let count = bytes / size_of::<f32>();
            // SAFETY: whoever asks knows the span.
            let outcome = unsafe { (self.library.all_reduce)(at, at, count, F32, SUM, self.raw, stream) };
            told = told.and(self.library.done(outcome, doing));
        }
        // SAFETY: as above.
        let ended = unsafe { (self.library.group_end)() };
        told.and(self.library.done(ended, doing))
    }

    /// Gives a span of the first card's to all, after what the stream was told before.
    ///
    /// # Safety
    /// As [`Communicator::sum`].
    pub(super) unsafe fn spread(&self, Span { at, bytes }: Span, stream: CUstream) -> Result<()> {
        // SAFETY: whoever asks knows the span.
        let outcome = unsafe { (self.library.broadcast)(at, at, bytes, BYTES, 0, self.raw, stream) };
        self.library.done(outcome, "giving values to the other cards")
    }

    /// Whether it has failed since.
    pub(super) fn check(&self) -> Result<()> {
        let mut outcome = SUCCESS;
        // SAFETY: it writes one number.
        let asked = unsafe { (self.library.async_error)(self.raw, &raw mut outcome) };
        self.library.done(asked, "asking how the cards are")?;
        match outcome {
            IN_PROGRESS => Ok(()),
            outcome => self.library.done(outcome, "adding up over the cards"),
        }
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        // What is still on its way never comes; at a run's end nothing is.
        // SAFETY: the handle is used for the last time.
        let _ = unsafe { (self.library.abort)(self.raw) };
    }
}

impl std::fmt::Debug for Communicator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Communicator")
    }
}
