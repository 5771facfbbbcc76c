//! What can go wrong with a card, one sentence each.

use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;

/// A failure of a card or of its driver.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No driver's library.
    #[error("no NVIDIA driver is installed here; install one, or train with --device cpu")]
    NoDriver,
    /// A driver, and nothing that it drives.
    #[error("the NVIDIA driver finds no card ({problem}); train with --device cpu")]
    NoCard {
        /// In its words.
        problem: String,
    },
    /// A card by a number that there is not.
    #[error("there is no card {asked}; there are {found}, counted from 0")]
    NoSuchCard {
        /// Asked for.
        asked: usize,
        /// Cards.
        found: usize,
    },
    /// A card from before our kernels' instructions.
    #[error(
        "{card} has compute capability {major}.{minor}; the kernels need 8.0, that is an Ampere card (RTX 30, A100) or newer; train with --device cpu"
    )]
    OldCard {
        /// Its name.
        card: String,
        /// Of its compute capability.
        major: i32,
        /// Of its compute capability.
        minor: i32,
    },
    /// A driver from before our kernels' compiler.
    #[error(
        "the NVIDIA driver is for CUDA {found} and the kernels need {needed}, that is driver 535 or newer; update it, or train with --device cpu"
    )]
    OldDriver {
        /// Newest CUDA that it knows.
        found: String,
        /// CUDA that the kernels were compiled with.
        needed: &'static str,
    },
    /// No library for sums over several cards.
    #[error(
        "several cards need NVIDIA's NCCL 2 ({problem}); install it (Debian, Ubuntu: libnccl2; or the folder lib of Python's nvidia-nccl-cu12 in LD_LIBRARY_PATH), or train on one card"
    )]
    NoNccl {
        /// What opening it says.
        problem: String,
    },
    /// Another card of several, or the process that has it, is gone.
    #[error("{who}: {problem}")]
    Other {
        /// Which.
        who: String,
        /// What it said, or that it said nothing.
        problem: String,
    },
    /// Cards that cannot train together.
    #[error("{problem}")]
    Together {
        /// Why, and what to do.
        problem: String,
    },
    /// Too large for the card.
    #[error(
        "training takes {needed} MiB on {card}, which has {free} MiB free; a smaller model or model.context takes less, so do moments in bf16 (optimiser.moments), or end what else uses the card"
    )]
    Memory {
        /// Its name.
        card: String,
        /// Of the plan.
        needed: u64,
        /// Left.
        free: u64,
    },
    /// A single array that was refused, though there was to be room for it.
    #[error(
        "{card} has no room for another {needed} MiB ({free} MiB are free); something else uses it: end that, or train with --device cpu"
    )]
    NoRoom {
        /// Its name.
        card: String,
        /// Of the array, rounded up.
        needed: u64,
        /// Left.
        free: u64,
    },
    /// A model or a setting that the kernels do not know.
    #[error("{what} is {found}; the CUDA kernels take {expected}; train with --device cpu")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// Its value.
        found: String,
        /// What would.
        expected: &'static str,
    },
    /// A call that failed. What the card held is lost.
    #[error("{name} ({meaning}) while {doing}")]
    Failed {
        /// The driver's name of the failure.
        name: String,
        /// The driver's explanation.
        meaning: String,
        /// What was being done.
        doing: &'static str,
    },
}

impl Error {
    /// What the driver says to something.
    pub(crate) fn failed(error: DriverError, doing: &'static str) -> Error {
        let say = |text: std::result::Result<&std::ffi::CStr, DriverError>| match text {
            Ok(text) => text.to_string_lossy().into_owned(),
            Err(_) => format!("error {}", error.0 as u32),
        };
        Error::Failed { name: say(error.error_name()), meaning: say(error.error_string()), doing }
    }

    /// Whether a driver says that it has no such memory.
    pub(crate) fn is_memory(error: DriverError) -> bool {
        error.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY
    }
}

impl From<Error> for train::Error {
    fn from(error: Error) -> train::Error {
        train::Error::Device { problem: error.to_string() }
    }
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, Error>;
