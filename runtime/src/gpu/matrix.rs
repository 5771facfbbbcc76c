//! Matrices on the device, in the words that the shaders read, in as many parts as a binding's size calls for.
//!
//! ```text
//! ternary  codes [rows][cols/16] words, byte b of a word: columns b, b+4, b+8, b+12 as code + 1   scales [rows][cols/128] halves
//! 8 bits   codes [rows][cols/4] words                                                            scales [rows][cols/32] halves
//! halves   codes [rows][cols/2] words
//! ```

use half::f16;
use shaders::Table as Kind;
use wgpu::Buffer;

use super::device::Gpu;
use super::rows::{Rows, group, row_bytes, scales};
use crate::error::Result;
use crate::weights::by_rows;
use cpu::Pool;

/// A matrix on the device.
#[derive(Debug)]
pub struct Matrix {
    pub kind: Kind,
    pub rows: u32,
    pub cols: u32,
    pub parts: Vec<Part>,
}

/// Some of its rows.
#[derive(Debug)]
pub struct Part {
    pub first_row: u32,
    pub rows: u32,
    pub codes: Buffer,
    pub scales: Option<Buffer>,
}

impl Matrix {
    /// Its buffers.
    pub fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        self.parts.iter().flat_map(|p| [Some(&p.codes), p.scales.as_ref()]).flatten()
    }

    /// Bytes that a matrix will take.
    ///
    /// # Errors
    /// A row larger than the device allows.
    pub fn bytes(gpu: &Gpu, what: &str, m: &Rows<'_>) -> Result<u64> {
        let of_part =
            |(_, rows)| (rows * row_bytes(m.kind, m.cols) + 2 * scales_len(m.kind, rows, m.cols)) as u64;
        Ok(parts(gpu, what, m)?.map(of_part).sum())
    }

    /// Columns that share a scale.
    pub fn group(&self) -> u32 {
        group(self.kind)
    }

    /// Rows that a workgroup of the one-token product takes: enough for a few groups an invocation.
    pub fn tile(&self) -> u32 {
        tile(self.cols / self.group())
    }

    /// A matrix, whose words all threads of `pool` make.
    ///
    /// # Errors
    /// Rows that cannot be had, or no memory on the device.
    pub fn new(gpu: &Gpu, pool: &Pool, what: &str, m: &Rows<'_>) -> Result<Self> {
        let mut made = Vec::new();
        for (first, count) in parts(gpu, what, m)? {
            let mut words = vec![0u32; count * row_bytes(m.kind, m.cols) / 4];
            let mut halves = vec![f16::ZERO; scales_len(m.kind, count, m.cols)];
            let of_rows = &mut halves[..scales(m.kind, count, m.cols)];
            by_rows(pool, count, &mut words, of_rows, |rows, words, scales| {
                m.write(first + rows.start..first + rows.end, words, scales)
            })?;
            let scales = match m.kind {
                Kind::F16 => None,
                _ => Some(gpu.filled(what, &halves)?),
            };
            let codes = gpu.filled(what, &words)?;
            made.push(Part { first_row: first as u32, rows: count as u32, codes, scales });
        }
        Ok(Matrix { kind: m.kind, rows: m.rows as u32, cols: m.cols as u32, parts: made })
    }
}

fn tile(groups: u32) -> u32 {
    (256 / groups).clamp(1, 64)
}

/// First row of each part, and how many.
fn parts(gpu: &Gpu, what: &str, m: &Rows<'_>) -> Result<impl Iterator<Item = (usize, usize)> + use<>> {
    let (rows, row_bytes) = (m.rows, row_bytes(m.kind, m.cols) as u64);
    gpu.fits(what, row_bytes)?;
    let tile = tile(m.cols as u32 / group(m.kind));
    let dispatched = shaders::GROUPS_MAX * tile.min(shaders::HEAD_ROWS);
    let most = (gpu.binding_max() / row_bytes).min(u64::from(dispatched)) as usize;
    Ok((0..rows).step_by(most).map(move |first| (first, most.min(rows - first))))
}

/// Halves that hold the scales of so many rows, whole words of them.
fn scales_len(kind: Kind, rows: usize, cols: usize) -> usize {
    scales(kind, rows, cols).next_multiple_of(2)
}
