//! A device for tests: the emulated one, built from the kernels' own sources, or a real card.
#![expect(
    unsafe_code,
    reason = "opens the emulated driver and calls a function of it that CUDA does not have"
)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use train_cuda::driver::{Arg, Buffer, Device, Shape};

/// Orders of threads and blocks in which a kernel is run; a result that differs has a race.
pub const ORDERS: [Order; 3] = [Order::Forward, Order::Reverse, Order::Shuffled(7)];

/// In which order an emulated device runs what may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Forward,
    Reverse,
    Shuffled(u64),
}

/// What the tests run on.
struct Place {
    /// Where the devices are emulated ones.
    emulator: Option<Emulator>,
}

/// Functions of the emulated driver that CUDA does not have.
struct Emulator {
    set_order: unsafe extern "C" fn(i32, u64),
    fail_launch: unsafe extern "C" fn(i32, u64),
    reset: unsafe extern "C" fn(),
}

/// Emulated devices.
const DEVICES: i32 = 3;

/// Whether tests run on a real card.
pub fn on_a_card() -> bool {
    std::env::var("TERCET_CUDA").is_ok_and(|v| v == "card")
}

/// Finds devices once: opens the emulated driver and its NCCL by their paths, so that the names `libcuda.so.1` and `libnccl.so.2` mean those
/// from then on. `None`: there is no compiler to build them with.
fn place() -> Option<&'static Place> {
    static PLACE: OnceLock<Option<Place>> = OnceLock::new();
    PLACE
        .get_or_init(|| {
            if on_a_card() {
                return Some(Place { emulator: None });
            }
            let folder = build()?;
            let open = |name: &str| {
                let path = folder.join(name);
                // SAFETY: the library is one that was just built; nothing runs when it is opened.
                let library = unsafe { libloading::Library::new(&path) };
                &*Box::leak(Box::new(library.unwrap_or_else(|e| panic!("{}: {e}", path.display()))))
            };
            let driver = open("libcuda.so.1");
            open("libnccl.so.2");
            // SAFETY: these are the functions' types in `emulator`; the first is called before anybody else uses the driver.
            let emulator = unsafe {
                let set_devices: libloading::Symbol<'_, unsafe extern "C" fn(i32)> =
                    driver.get(b"emulator_set_devices").expect("the emulator has it");
                set_devices(DEVICES);
                Emulator {
                    set_order: *driver.get(b"emulator_set_order").expect("the emulator has it"),
                    fail_launch: *driver.get(b"emulator_fail_launch").expect("the emulator has it"),
                    reset: *driver.get(b"emulator_reset").expect("the emulator has it"),
                }
            };
            Some(Place { emulator: Some(emulator) })
        })
        .as_ref()
}

fn build() -> Option<PathBuf> {
    let missing = if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        "the emulated device runs on Linux on x86-64 alone"
    } else if Command::new("g++").arg("--version").output().is_err() {
        "there is no g++ to build the emulated device"
    } else {
        ""
    };
    if !missing.is_empty() {
        assert!(std::env::var_os("TERCET_REQUIRE_EMULATOR").is_none(), "{missing}");
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda-emulator");
    run_build(&[folder.as_os_str()]);
    Some(folder)
}

/// Builds the kernels once more, with every access to memory watched, and gives the folder of their modules; `None` where no emulated device
/// is used.
pub fn watched_modules() -> Option<PathBuf> {
    place()?.emulator.as_ref()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda-races");
    run_build(&["--races".as_ref(), folder.as_os_str()]);
    Some(folder.join("modules"))
}

fn run_build(args: &[&OsStr]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("emulator/build");
    let built = Command::new(&script).args(args).output();
    let built = built.unwrap_or_else(|e| panic!("{}: {e}", script.display()));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

/// A device that this test has for itself.
pub struct Bench {
    pub device: Device,
    place: &'static Place,
    _alone: MutexGuard<'static, ()>,
}

/// Opens the device; `None` where there is none, and then says so.
pub fn bench() -> Option<Bench> {
    // One at a time: an order holds for the whole device.
    static ONE: Mutex<()> = Mutex::new(());
    let place = place()?;
    let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::open(0).unwrap_or_else(|e| panic!("{e}"));
    let bench = Bench { device, place, _alone: alone };
    bench.order(Order::Forward);
    Some(bench)
}

impl Bench {
    /// In which order threads and blocks run from now on; a real card has its own.
    pub fn order(&self, order: Order) {
        if let Some(emulator) = &self.place.emulator {
            let (kind, seed) = match order {
                Order::Forward => (0, 0),
                Order::Reverse => (1, 0),
                Order::Shuffled(seed) => (2, seed),
            };
            // SAFETY: it sets two numbers that launches read.
            unsafe { (emulator.set_order)(kind, seed) };
        }
    }

    /// Has a launch of a device fail, counted from 1, and the device from then on. Not on a real card.
    pub fn fail_launch(&self, device: i32, launch: u64) {
        if let Some(emulator) = &self.place.emulator {
            // SAFETY: it sets a number that launches read, of a device that is there.
            unsafe { (emulator.fail_launch)(device, launch) };
        }
    }

    /// Every device works again.
    pub fn mend(&self) {
        if let Some(emulator) = &self.place.emulator {
            // SAFETY: nothing runs.
            unsafe { (emulator.reset)() };
        }
    }

    /// Values in the device's memory.
    pub fn upload<T: bytemuck::Pod + cudarc::driver::DeviceRepr>(&self, values: &[T]) -> Buffer<T> {
        self.device.upload(values).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Room for `len` values, which are NaN: an emulated device does that by itself.
    pub fn room<T: bytemuck::Pod + cudarc::driver::DeviceRepr>(&self, len: usize) -> Buffer<T> {
        let mut room = self.device.buffer(len).unwrap_or_else(|e| panic!("{e}"));
        if on_a_card() {
            let mut values = vec![T::zeroed(); len];
            bytemuck::cast_slice_mut(&mut values).fill(0xffu8);
            room.write(&self.device, 0, &values).unwrap_or_else(|e| panic!("{e}"));
        }
        room
    }

    /// All values of a buffer.
    pub fn download<T: bytemuck::Pod + cudarc::driver::DeviceRepr>(&self, buffer: &Buffer<T>) -> Vec<T> {
        let mut values = vec![T::zeroed(); buffer.len()];
        buffer.read(&self.device, 0, &mut values).unwrap_or_else(|e| panic!("{e}"));
        values
    }

    /// Runs a kernel and waits for it.
    pub fn run(&self, module: &str, name: &str, shape: Shape, args: &[Arg]) {
        let kernel = self.device.kernel(module, name).unwrap_or_else(|e| panic!("{module} {name}: {e}"));
        let ran = self.device.launch(&kernel, shape, args).and_then(|()| self.device.wait());
        ran.unwrap_or_else(|e| panic!("{module} {name}: {e}"));
    }
}

/// A small generator of numbers for tests: what it gives depends on the seed alone.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// 64 bits (xorshift64*).
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Uniform in [-1, 1).
    pub fn uniform(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// So many of them.
    pub fn vec(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.uniform()).collect()
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }
}
