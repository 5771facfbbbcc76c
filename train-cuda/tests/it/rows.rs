//! What tests of kernels over rows share: the two builds of a module, a step's words, a dropout mask as kernels take it, and how far results
//! are from what is expected.

use half::bf16;
use model::dropout::Mask;
use train_cuda::driver::{Arg, Buffer, Shape};

use crate::harness::{Bench, ORDERS, Order};

/// The type of gradients that a module is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    F32,
    Bf16,
}

pub const BUILDS: [Build; 2] = [Build::F32, Build::Bf16];

/// Gradients on the device.
pub enum Gradients {
    F32(Buffer<f32>),
    Bf16(Buffer<u16>),
}

impl Build {
    pub fn module(self, name: &str) -> String {
        format!("{name}.{}", if self == Build::F32 { "f32" } else { "bf16" })
    }

    /// What becomes of a number that is stored as a gradient.
    pub fn stored(self, v: f32) -> f32 {
        if self == Build::F32 { v } else { bf16::from_f32(v).to_f32() }
    }

    pub fn room(self, b: &Bench, len: usize) -> Gradients {
        match self {
            Build::F32 => Gradients::F32(b.room(len)),
            Build::Bf16 => Gradients::Bf16(b.room(len)),
        }
    }

    pub fn upload(self, b: &Bench, values: &[f32]) -> Gradients {
        match self {
            Build::F32 => Gradients::F32(b.upload(values)),
            Build::Bf16 => {
                let halves: Vec<u16> = values.iter().map(|&v| bf16::from_f32(v).to_bits()).collect();
                Gradients::Bf16(b.upload(&halves))
            }
        }
    }

    /// The part of a result's size that storing it may change.
    pub fn rounding(self) -> f64 {
        if self == Build::F32 { 0.0 } else { 1.0 / 256.0 }
    }
}

impl Gradients {
    pub fn arg(&self) -> Arg {
        match self {
            Gradients::F32(b) => b.arg(),
            Gradients::Bf16(b) => b.arg(),
        }
    }

    pub fn download(&self, b: &Bench) -> Vec<f32> {
        match self {
            Gradients::F32(buffer) => b.download(buffer),
            Gradients::Bf16(buffer) => {
                b.download(buffer).into_iter().map(|v| bf16::from_bits(v).to_f32()).collect()
            }
        }
    }
}

/// `StepWords` of kernels/common.cuh, in 32-bit words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words {
    pub step: u64,
    pub rate_adam: f32,
    pub adam_c1: f32,
    pub adam_c2: f32,
    pub clip: f32,
    pub skip: bool,
}

impl Words {
    pub fn upload(self, b: &Bench) -> Buffer<u32> {
        let mut words = [0u32; 14];
        (words[0], words[1]) = (self.step as u32, (self.step >> 32) as u32);
        words[3] = self.rate_adam.to_bits();
        words[4] = self.adam_c1.to_bits();
        words[5] = self.adam_c2.to_bits();
        words[12] = self.clip.to_bits();
        words[13] = self.skip.into();
        b.upload(&words)
    }
}

/// A mask, as a kernel is told it and as the processor has it.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    pub step: u64,
    pub share: f32,
    pub first_token: usize,
}

pub const DROPOUTS: [Dropout; 2] = [
    Dropout { step: 0, share: 0.0, first_token: 0 },
    Dropout { step: 1 << 33 | 5, share: 0.2, first_token: 77 },
];

impl Dropout {
    const SEED: u64 = 0x0123_4567_89AB_CDEF;
    const SITE: u32 = 13;

    pub fn words(self, b: &Bench) -> Buffer<u32> {
        Words { step: self.step, ..Words::default() }.upload(b)
    }

    /// The last arguments of a kernel that drops.
    pub fn args(self) -> [Arg; 5] {
        let threshold = (f64::from(self.share) * 4_294_967_296.0) as u32;
        let keep = 1.0 / (1.0 - self.share);
        [Self::SEED.into(), Self::SITE.into(), threshold.into(), keep.into(), self.first_token.into()]
    }

    /// Drops from rows of `width`.
    pub fn apply(self, width: usize, rows: &mut [f32]) {
        let mask = Mask::new(Self::SEED, self.step, Self::SITE, self.share);
        if mask.active() {
            rows.chunks_exact_mut(width)
                .enumerate()
                .for_each(|(t, row)| mask.apply(self.first_token + t, row));
        }
    }

    /// What each value of the rows is multiplied with.
    pub fn factors(self, width: usize, tokens: usize) -> Vec<f64> {
        let mut ones = vec![1.0; tokens * width];
        self.apply(width, &mut ones);
        ones.into_iter().map(f64::from).collect()
    }
}

/// Arguments of a kernel.
macro_rules! values {
    ($($v:expr),* $(,)?) => { [$(train_cuda::driver::Arg::from($v)),*] };
}
pub(crate) use values;

/// Four values a thread, 256 threads a block.
pub fn line(values: usize) -> Shape {
    Shape::line(values.div_ceil(1024), 256)
}

/// A warp a token, its row in shared memory.
pub fn warps(tokens: usize, width: usize) -> Shape {
    let warps = (49_152 / (4 * width)).clamp(1, 8);
    Shape::line(tokens.div_ceil(warps), 32 * warps).shared(4 * width * warps)
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Asserts equal bits and says where they are not.
pub fn same_bits(what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what}");
    if let Some(i) = (0..got.len()).find(|&i| got[i].to_bits() != want[i].to_bits()) {
        panic!("{what}: value {i} is {:e}, expected {:e}", got[i], want[i]);
    }
}

/// Asserts that no value is further from what is expected than a part of the largest.
pub fn near(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(1e-30f64, |m, w| m.max(w.abs()));
    for (i, (&g, w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(g) - w).abs() / largest;
        assert!(
            error <= tolerance,
            "{what}: value {i} is {g:e}, expected {w:e}, off by {error:.1e} of the largest"
        );
    }
}

/// Runs a case in every order of threads and blocks; a result that depends on it has a race.
pub fn in_every_order<T: PartialEq>(b: &Bench, what: &str, run: impl Fn() -> T) -> T {
    b.order(Order::Forward);
    let first = run();
    for order in ORDERS {
        b.order(order);
        assert!(run() == first, "{what}: {order:?} gives something else");
    }
    b.order(Order::Forward);
    first
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}
