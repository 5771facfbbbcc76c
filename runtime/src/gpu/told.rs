//! A buffer that the processor writes and knows the contents of, so that nothing is sent that is there already.

use bytemuck::Pod;
use wgpu::Buffer;

use super::device::Gpu;

/// A buffer and what it is known to begin with.
#[derive(Debug)]
pub struct Told<T> {
    pub buffer: Buffer,
    known: Vec<T>,
}

impl<T: Pod + PartialEq> Told<T> {
    /// A buffer of which nothing is known.
    pub fn new(buffer: Buffer) -> Self {
        Told { buffer, known: Vec::new() }
    }

    /// Has the buffer begin with `data` for what is submitted from now on; returns the bytes that had to be sent.
    pub fn tell(&mut self, gpu: &Gpu, data: &[T]) -> u64 {
        if self.known.starts_with(data) {
            return 0;
        }
        gpu.queue.write_buffer(&self.buffer, 0, bytemuck::cast_slice(data));
        self.known.splice(..data.len().min(self.known.len()), data.iter().copied());
        size_of_val(data) as u64
    }

    /// Takes note of what the device itself wrote at a place that it had been told before.
    pub fn wrote(&mut self, at: usize, value: T) {
        self.known[at] = value;
    }

    /// Takes note that nobody knows any more.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}
