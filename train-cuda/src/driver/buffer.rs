//! Memory of a card, and memory of the host that a card copies from and to while the host does something else.
#![expect(unsafe_code, reason = "memory that is there before it is written")]

use std::sync::Arc;

use cudarc::driver::result::{free_sync, malloc_sync};
use cudarc::driver::sys::CUdeviceptr;
use cudarc::driver::{CudaContext, CudaSlice, DevicePtr, PinnedHostSlice};

use super::device::Device;
use super::kernel::Arg;
use super::nccl::Span;
use crate::error::{Error, Result};

/// Values in a card's memory.
#[derive(Debug)]
pub struct Buffer<T> {
    slice: Option<CudaSlice<T>>,
    pointer: CUdeviceptr,
    len: usize,
}

impl<T: bytemuck::Pod + cudarc::driver::DeviceRepr> Buffer<T> {
    /// Room for `len` values, whatever was there before.
    pub(super) fn new(device: &Device, len: usize) -> Result<Buffer<T>> {
        let bytes = len * size_of::<T>();
        let Some(stream) = device.stream() else {
            let pointer = device.place_on_paper(bytes);
            return Ok(Buffer { slice: None, pointer, len });
        };
        if len == 0 {
            return Ok(Buffer { slice: None, pointer: 0, len });
        }
        // Not from a pool, whose memory other cards of the process may not touch: NCCL has them do that.
        stream.context().bind_to_thread().map_err(|e| Error::failed(e, "asking for the card"))?;
        // SAFETY: the context is the thread's; every bit pattern is a `T`, and nobody reads it before it is written.
        let slice = unsafe { malloc_sync(bytes).map(|pointer| stream.upgrade_device_ptr::<T>(pointer, len)) };
        let slice = slice.map_err(|e| device.no_memory(e, bytes))?;
        let pointer = slice.device_ptr(stream).0;
        Ok(Buffer { slice: Some(slice), pointer, len })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its place, for a kernel.
    pub fn arg(&self) -> Arg {
        Arg::Pointer(self.pointer)
    }

    /// The place of value `first`, for a kernel.
    pub fn at(&self, first: usize) -> Arg {
        assert!(first <= self.len);
        Arg::Pointer(self.pointer + (first * size_of::<T>()) as u64)
    }

    /// Part of it, for what goes over several cards.
    pub(crate) fn span(&self, first: usize, len: usize) -> Span {
        assert!(first + len <= self.len);
        Span { at: self.pointer + (first * size_of::<T>()) as u64, bytes: len * size_of::<T>() }
    }

    /// Copies values in, from `first` on, after everything that the device was told before, and waits until they are there.
    ///
    /// # Errors
    /// The card failed.
    pub fn write(&mut self, device: &Device, first: usize, values: &[T]) -> Result<()> {
        if let (Some(slice), Some(stream), [_, ..]) = (&mut self.slice, device.stream(), values) {
            let mut view = slice.slice_mut(first..first + values.len());
            stream.memcpy_htod(values, &mut view).map_err(|e| Error::failed(e, "copying to the card"))?;
        }
        device.wait()
    }

    /// Copies values out, from `first` on, and waits for them.
    ///
    /// # Errors
    /// The card failed.
    pub fn read(&self, device: &Device, first: usize, values: &mut [T]) -> Result<()> {
        if let (Some(slice), Some(stream), [_, ..]) = (&self.slice, device.stream(), &*values) {
            let view = slice.slice(first..first + values.len());
            stream.memcpy_dtoh(&view, values).map_err(|e| Error::failed(e, "copying from the card"))?;
        }
        device.wait()
    }

    /// Sets all bits of `len` values from `first` on to 0 while the host goes on.
    ///
    /// # Errors
    /// The card failed.
    pub fn clear_later(&self, device: &Device, first: usize, len: usize) -> Result<()> {
        assert!(first + len <= self.len);
        device.clear(self.pointer + (first * size_of::<T>()) as u64, len * size_of::<T>())
    }

    /// Copies values in while the host goes on; `from` must stay as it is until the device is through.
    ///
    /// # Errors
    /// The card failed.
    pub fn write_later(&mut self, device: &Device, from: &Pinned<T>) -> Result<()> {
        let (Some(slice), Some(stream)) = (&mut self.slice, device.stream()) else { return Ok(()) };
        stream.memcpy_htod(&from.0, slice).map_err(|e| Error::failed(e, "copying to the card"))
    }

    /// Copies values out while the host goes on.
    ///
    /// # Errors
    /// The card failed.
    pub fn read_later(&self, device: &Device, to: &mut Pinned<T>) -> Result<()> {
        let (Some(slice), Some(stream)) = (&self.slice, device.stream()) else { return Ok(()) };
        stream.memcpy_dtoh(slice, &mut to.0).map_err(|e| Error::failed(e, "copying from the card"))
    }
}

/// As it was asked for, so it is given back.
impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        let Some(slice) = self.slice.take() else { return };
        let context = Arc::clone(slice.context());
        let pointer = slice.leak();
        // Of a card that failed nothing can be given back.
        if context.bind_to_thread().is_ok() {
            // SAFETY: it came from `malloc_sync`, and nobody else has it.
            let _ = unsafe { free_sync(pointer) };
        }
    }
}

/// Values of the host that a card reaches by itself. Whoever has them written or read later waits for a [`Moment`](super::Moment) behind that
/// before they are looked at, changed or dropped.
#[derive(Debug)]
pub struct Pinned<T>(PinnedHostSlice<T>);

impl<T: bytemuck::Pod + cudarc::driver::DeviceRepr + cudarc::driver::ValidAsZeroBits> Pinned<T> {
    /// Room for `len` values, all bits 0.
    pub(super) fn new(context: &Arc<CudaContext>, len: usize) -> Result<Pinned<T>> {
        // SAFETY: every bit pattern is a `T`, and it is written before it is read.
        let slice = unsafe { context.alloc_pinned_with_flags::<T>(len, 0) };
        let mut pinned =
            Pinned(slice.map_err(|e| Error::failed(e, "asking for memory that the card reaches"))?);
        pinned.values()?.fill(T::zeroed());
        Ok(pinned)
    }

    /// The values; the card must be through with them.
    ///
    /// # Errors
    /// The card failed.
    pub fn values(&mut self) -> Result<&mut [T]> {
        self.0.as_mut_slice().map_err(|e| Error::failed(e, "waiting for the card"))
    }
}
