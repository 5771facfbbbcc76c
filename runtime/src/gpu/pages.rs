//! Pages of keys and values in a device's memory: for each block a buffer of keys and one of values, page after page. It has room for so many
//! pages and is given more when texts are opened, never while they are read.

use wgpu::{Buffer, BufferUsages, CommandEncoder};

use super::device::Gpu;
use super::memory::Taken;
use crate::error::Result;
use crate::kv::{PAGE_TOKENS, PageId, PageStore};
use model::config::ModelConfig;

const _: () = assert!(shaders::PAGE_TOKENS as usize == PAGE_TOKENS);

const WHAT: &str = "the keys or values of a block";

/// Room for pages.
#[derive(Debug)]
pub struct DevicePages {
    /// Bytes of the keys of one block in a page, and of its values.
    part: u64,
    blocks: usize,
    /// Pages that there is room for.
    room: usize,
    /// Keys and values of each block.
    buffers: Vec<(Buffer, Buffer)>,
    /// A part on its way from one page to another: a buffer cannot be copied to itself.
    between: Option<Buffer>,
    /// What the next submission has to copy first, in this order.
    copies: Vec<(PageId, PageId)>,
    /// The memory of all of it.
    taken: Vec<Taken>,
}

impl DevicePages {
    /// No room yet for pages of a model.
    pub fn new(c: &ModelConfig) -> Self {
        DevicePages {
            part: (PAGE_TOKENS * c.kv_width() * 2) as u64,
            blocks: c.blocks,
            room: 0,
            buffers: Vec::new(),
            between: None,
            copies: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Keys and values of a block.
    pub fn of_block(&self, block: usize) -> &(Buffer, Buffer) {
        &self.buffers[block]
    }

    /// Bytes of it on the device.
    pub fn bytes(&self) -> u64 {
        self.taken.iter().map(Taken::bytes).sum()
    }

    /// For how many pages there may be room: `wished` if a binding and the memory that is left allow it, and not less than `least`.
    pub fn allowed(&self, gpu: &Gpu, least: usize, wished: usize) -> usize {
        let bound = gpu.binding_max() / self.part;
        let left = gpu.memory_left().saturating_sub(self.spare()) / self.page_bytes() as u64;
        let most = bound.min(left.saturating_add(self.room as u64));
        wished.min(usize::try_from(most).unwrap_or(usize::MAX)).max(least)
    }

    /// Makes room for `pages` pages; those there are keep what they hold. The buffers are others then, those before are to be
    /// forgotten by all.
    ///
    /// # Errors
    /// More than the device allows or has left, before anything is allocated; or a device that fails. All pages there are stay.
    pub fn grow(&mut self, gpu: &Gpu, pages: usize) -> Result<()> {
        gpu.fits(WHAT, self.part * pages as u64)?;
        let what = format!("room for {} tokens", (pages - self.room) * PAGE_TOKENS);
        let more = (pages - self.room) as u64 * self.page_bytes() as u64;
        let first = self.between.is_none();
        let taken = gpu.take(&what, more + if first { self.spare() } else { 0 })?;
        if first {
            let copied = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
            self.between = Some(gpu.buffer("a page being copied", self.part, copied)?);
        }
        // Block by block, so that only one is there twice.
        let _twice = if first { None } else { Some(gpu.take(&what, self.spare())?) };
        for block in 0..self.blocks {
            let new = || {
                let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
                gpu.buffer(WHAT, self.part * pages as u64, usage)
            };
            let (keys, values) = (new()?, new()?);
            match self.buffers.get_mut(block) {
                None => self.buffers.push((keys, values)),
                Some(old) => {
                    let mut encoder = gpu.device.create_command_encoder(&Default::default());
                    let held = self.part * self.room as u64;
                    encoder.copy_buffer_to_buffer(&old.0, 0, &keys, 0, held);
                    encoder.copy_buffer_to_buffer(&old.1, 0, &values, 0, held);
                    gpu.queue.submit([encoder.finish()]);
                    *old = (keys, values);
                    gpu.wait()?;
                }
            }
        }
        self.room = pages;
        self.taken.push(taken);
        Ok(())
    }

    /// Memory that growing takes beside that of the pages: at first for copies, later for the block that is there twice.
    fn spare(&self) -> u64 {
        if self.between.is_none() { self.part } else { 2 * self.part * self.room as u64 }
    }

    /// Records the copies that are due.
    pub fn record_copies(&mut self, encoder: &mut CommandEncoder) {
        for (from, to) in self.copies.drain(..) {
            let between = self.between.as_ref().expect("there are pages");
            let [from, to] = [from, to].map(|page| page.index() as u64 * self.part);
            for buffer in self.buffers.iter().flat_map(|(keys, values)| [keys, values]) {
                encoder.copy_buffer_to_buffer(buffer, from, between, 0, self.part);
                encoder.copy_buffer_to_buffer(between, 0, buffer, to, self.part);
            }
        }
    }
}

impl PageStore for DevicePages {
    fn page_bytes(&self) -> usize {
        2 * self.blocks * self.part as usize
    }

    fn room(&self) -> Option<usize> {
        Some(self.room)
    }

    fn take(&mut self, page: PageId) {
        assert!(page.index() < self.room, "whoever takes a page asks first whether there is room");
    }

    fn release(&mut self, _: PageId) {}

    /// With the next submission, before it writes anything.
    fn copy(&mut self, from: PageId, to: PageId, _: usize) {
        self.copies.push((from, to));
    }
}
