//! How far texts may reach: the rotary angles of their positions, and room for the numbers of their pages.

use wgpu::{Buffer, BufferUsages};

use super::device::Gpu;
use super::memory::Taken;
use super::told::Told;
use crate::error::Result;
use model::rope::Frequencies;

const USAGE: BufferUsages = BufferUsages::STORAGE.union(BufferUsages::COPY_DST);

/// What depends on how long texts may be, and how many there are.
#[derive(Debug)]
pub struct Reach {
    positions: usize,
    pages: usize,
    /// Cosine and sine, (positions, pairs that turn).
    pub angles: Buffer,
    /// Numbers of pages, of one text after another.
    pub tables: Told<u32>,
    taken: Vec<Taken>,
}

impl Reach {
    /// Of texts with up to `positions` tokens each and `pages` pages together, those that several hold counted for each.
    ///
    /// # Errors
    /// More than the device allows or has left, before anything is allocated; or no memory.
    pub fn new(gpu: &Gpu, rope: &Frequencies, positions: usize, pages: usize) -> Result<Self> {
        let taken = take(gpu, rope, positions, positions, pages)?;
        let (angles, tables) = (angles(gpu, rope, positions)?, tables(gpu, pages)?);
        Ok(Reach { positions, pages, angles, tables, taken: vec![taken] })
    }

    /// Whether texts may reach as far as that.
    pub fn covers(&self, positions: usize, pages: usize) -> bool {
        positions <= self.positions && pages <= self.pages
    }

    /// Reaches at least so far. Some buffers are others then.
    ///
    /// # Errors
    /// As [`new`](Self::new); it reaches as far as before then.
    pub fn grow(&mut self, gpu: &Gpu, rope: &Frequencies, positions: usize, pages: usize) -> Result<()> {
        let (positions, pages) = (positions.max(self.positions), pages.max(self.pages));
        let taken = take(gpu, rope, positions, positions - self.positions, pages - self.pages)?;
        if positions > self.positions {
            self.angles = angles(gpu, rope, positions)?;
        }
        self.tables = tables(gpu, pages)?;
        (self.positions, self.pages) = (positions, pages);
        self.taken.push(taken);
        Ok(())
    }

    /// Bytes of it on the device.
    pub fn bytes(&self) -> u64 {
        self.taken.iter().map(Taken::bytes).sum()
    }
}

/// Memory for so many more positions, to reach `context`, and so many more pages.
fn take(gpu: &Gpu, rope: &Frequencies, context: usize, positions: usize, pages: usize) -> Result<Taken> {
    let bytes = 4 * (positions * 2 * rope.pairs() + pages) as u64;
    gpu.take(&format!("a context of {context} tokens"), bytes)
}

fn angles(gpu: &Gpu, rope: &Frequencies, positions: usize) -> Result<Buffer> {
    let angles = gpu.buffer("rotary angles", 4 * (positions * 2 * rope.pairs()) as u64, USAGE)?;
    let turns = (0..positions).flat_map(|p| (0..rope.pairs()).map(move |i| rope.turn(p, i)));
    let turns: Vec<[f32; 2]> = turns.map(<[f32; 2]>::from).collect();
    gpu.queue.write_buffer(&angles, 0, bytemuck::cast_slice(&turns));
    Ok(angles)
}

fn tables(gpu: &Gpu, pages: usize) -> Result<Told<u32>> {
    Ok(Told::new(gpu.buffer("tables of pages", 4 * pages as u64, USAGE)?))
}
