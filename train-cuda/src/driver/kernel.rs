//! A kernel, what it is given, and over how many threads it runs.
#![expect(unsafe_code, reason = "runs a kernel, which may write wherever its arguments point")]

use std::sync::atomic::{AtomicU32, Ordering};

use cudarc::driver::sys::{CUdeviceptr, CUfunction_attribute_enum};
use cudarc::driver::{CudaFunction, CudaStream, LaunchConfig, PushKernelArg};

use super::module::{Parameter, Signature};
use crate::error::{Error, Result};

/// Dynamic shared memory that needs no asking, in bytes.
const SHARED_UNASKED: u32 = 48 << 10;

/// A kernel on one card.
#[derive(Debug)]
pub struct Kernel {
    module: String,
    name: String,
    /// `None` on paper.
    function: Option<CudaFunction>,
    signature: Signature,
    /// Dynamic shared memory that it was allowed.
    shared: AtomicU32,
}

/// An argument.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// A place in the card's memory; 0 is none.
    Pointer(CUdeviceptr),
    /// A count, or a flag.
    Int(i32),
    /// A word of bits.
    Word(u32),
    /// A large count, or a word of 64 bits.
    Long(u64),
    /// A number.
    Float(f32),
}

impl Arg {
    /// No place.
    pub const NULL: Arg = Arg::Pointer(0);

    fn kind(self) -> Parameter {
        match self {
            Arg::Pointer(_) | Arg::Long(_) => Parameter::Long,
            Arg::Int(_) | Arg::Word(_) => Parameter::Word,
            Arg::Float(_) => Parameter::Float,
        }
    }
}

impl From<i32> for Arg {
    fn from(v: i32) -> Arg {
        Arg::Int(v)
    }
}

impl From<bool> for Arg {
    fn from(v: bool) -> Arg {
        Arg::Int(v.into())
    }
}

impl From<u32> for Arg {
    fn from(v: u32) -> Arg {
        Arg::Word(v)
    }
}

impl From<u64> for Arg {
    fn from(v: u64) -> Arg {
        Arg::Long(v)
    }
}

impl From<f32> for Arg {
    fn from(v: f32) -> Arg {
        Arg::Float(v)
    }
}

/// A count of the host's; the kernels take it as an `int`.
impl From<usize> for Arg {
    fn from(v: usize) -> Arg {
        Arg::Int(i32::try_from(v).expect("a count that kernels take is below 2^31"))
    }
}

/// Over how many threads a kernel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Blocks, in three dimensions.
    pub blocks: [usize; 3],
    /// Threads of a block.
    pub threads: usize,
    /// Bytes of dynamic shared memory of a block.
    pub shared: usize,
}

impl Shape {
    /// Blocks in one dimension.
    pub fn line(blocks: usize, threads: usize) -> Shape {
        Shape { blocks: [blocks, 1, 1], threads, shared: 0 }
    }

    /// With dynamic shared memory.
    pub fn shared(self, shared: usize) -> Shape {
        Shape { shared, ..self }
    }
}

impl Kernel {
    pub(super) fn new(
        module: &str,
        name: &str,
        function: Option<CudaFunction>,
        signature: Signature,
    ) -> Kernel {
        let shared = AtomicU32::new(SHARED_UNASKED);
        Kernel { module: module.to_owned(), name: name.to_owned(), function, signature, shared }
    }

    pub(super) fn module(&self) -> &str {
        &self.module
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// # Panics
    /// Arguments that are not those of its PTX.
    pub(super) fn check(&self, args: &[Arg]) {
        let given: Vec<Parameter> = args.iter().map(|a| a.kind()).collect();
        assert_eq!(given, self.signature, "the arguments of {}", self.name);
    }

    /// Puts it on a stream. Its arguments were checked; the memory that they name must be there until it is done, and large enough.
    pub(super) fn launch(&self, stream: &CudaStream, shape: Shape, args: &[Arg]) -> Result<()> {
        let function = self.function.as_ref().expect("it was made for an open card");
        let shared = shape.shared as u32;
        if shared > self.shared.fetch_max(shared, Ordering::Relaxed) {
            let attribute = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let allowed = function.set_attribute(attribute, shared as i32);
            allowed.map_err(|e| Error::failed(e, "asking for shared memory"))?;
        }
        let [x, y, z] = shape.blocks.map(|n| n as u32);
        let config = LaunchConfig {
            grid_dim: (x, y, z),
            block_dim: (shape.threads as u32, 1, 1),
            shared_mem_bytes: shared,
        };
        let mut launch = stream.launch_builder(function);
        for arg in args {
            match arg {
                Arg::Pointer(v) | Arg::Long(v) => launch.arg(v),
                Arg::Int(v) => launch.arg(v),
                Arg::Word(v) => launch.arg(v),
                Arg::Float(v) => launch.arg(v),
            };
        }
        // SAFETY: number and sizes of the arguments are the kernel's own; that it keeps within the memory they name is what the
        // case table on the emulated device checks, whose allocations are guarded.
        unsafe { launch.launch(config) }.map(drop).map_err(|e| Error::failed(e, "launching a kernel"))
    }
}
