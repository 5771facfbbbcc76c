//! What the optimiser remembers, on a card: f32, or bf16 in half the room. Whoever reads or writes it from outside sees f32.

use half::bf16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use train::optim::Moments;

use crate::driver::{Arg, Buffer, Device, Span};
use crate::error::Result;

/// Moments of an array of parameters.
#[derive(Debug)]
pub(crate) enum MomentBuffer {
    F32(Buffer<f32>),
    /// As their bits.
    Bf16(Buffer<u16>),
}

/// Bytes of a moment.
pub(crate) fn bytes(kept: Moments) -> usize {
    match kept {
        Moments::F32 => 4,
        Moments::Bf16 => 2,
    }
}

/// The kernel of this name for moments that are kept so.
pub(crate) fn kernel(name: &str, kept: Moments) -> String {
    match kept {
        Moments::F32 => name.to_owned(),
        Moments::Bf16 => format!("{name}_bf16"),
    }
}

impl MomentBuffer {
    /// So many of them, all 0.
    pub fn zeros(device: &Device, kept: Moments, len: usize) -> Result<MomentBuffer> {
        Ok(match kept {
            Moments::F32 => MomentBuffer::F32(device.zeros(len)?),
            Moments::Bf16 => MomentBuffer::Bf16(device.zeros(len)?),
        })
    }

    /// The place of moment `first`, for a kernel.
    pub fn at(&self, first: usize) -> Arg {
        match self {
            MomentBuffer::F32(buffer) => buffer.at(first),
            MomentBuffer::Bf16(buffer) => buffer.at(first),
        }
    }

    /// Part of it, for what goes over several cards.
    pub fn span(&self, first: usize, len: usize) -> Span {
        match self {
            MomentBuffer::F32(buffer) => buffer.span(first, len),
            MomentBuffer::Bf16(buffer) => buffer.span(first, len),
        }
    }

    /// Copies values in, from `first` on; what is no bf16 becomes the nearest.
    pub fn write(&mut self, device: &Device, first: usize, values: &[f32]) -> Result<()> {
        match self {
            MomentBuffer::F32(buffer) => buffer.write(device, first, values),
            MomentBuffer::Bf16(buffer) => {
                let mut rounded = vec![0; values.len()];
                rounded.reinterpret_cast_mut::<bf16>().convert_from_f32_slice(values);
                buffer.write(device, first, &rounded)
            }
        }
    }

    /// Copies values out, from `first` on.
    pub fn read(&self, device: &Device, first: usize, values: &mut [f32]) -> Result<()> {
        match self {
            MomentBuffer::F32(buffer) => buffer.read(device, first, values),
            MomentBuffer::Bf16(buffer) => {
                let mut kept = vec![0; values.len()];
                buffer.read(device, first, &mut kept)?;
                kept.reinterpret_cast::<bf16>().convert_to_f32_slice(values);
                Ok(())
            }
        }
    }
}
