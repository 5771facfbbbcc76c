//! Matrices on the device, in the words that the shaders read, in as many parts as a binding's size calls for.
//!
//! ```text
//! ternary  codes [rows][cols/16] words, byte b of a word: columns b, b+4, b+8, b+12 as code + 1   scales [rows][cols/group] halves
//! 8 bits   codes [rows][cols/4] words                                                            scales [rows][cols/32] halves
//! halves   codes [rows][cols/2] words
//! blocks   as in their file, each row padded to whole words
//! ```

use std::ops::Range;

use half::f16;
use shaders::Table as Kind;
use wgpu::Buffer;

use super::device::Gpu;
use super::rows::{Rows, row_bytes, scales};
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
    /// What its products are multiplied by.
    pub factor: Option<Buffer>,
}

impl Matrix {
    /// Its buffers.
    pub fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        self.parts.iter().flat_map(|p| [Some(&p.codes), p.scales.as_ref(), p.factor.as_ref()]).flatten()
    }

    /// Bytes that a matrix will take.
    ///
    /// # Errors
    /// A row larger than the device allows.
    pub fn bytes(gpu: &Gpu, what: &str, m: &Rows<'_>) -> Result<u64> {
        let of_part = |(rows, factor): (Range<usize>, Option<f32>)| {
            let factor = 4 * usize::from(factor.is_some());
            let scales = 2 * scales_len(m.kind, rows.len(), m.cols);
            (rows.len() * row_bytes(m.kind, m.cols) + scales + factor) as u64
        };
        Ok(parts(gpu, what, m)?.into_iter().map(of_part).sum())
    }

    /// Whether a linear layer multiplies it by quantised rows.
    pub fn is_ternary(&self) -> bool {
        matches!(self.kind, Kind::Ternary | Kind::Ternary64)
    }

    /// Groups of a row, those that share a scale.
    ///
    /// # Panics
    /// If it has no scales apart from its codes.
    pub fn groups(&self) -> u32 {
        self.cols / self.kind.group().expect("a product with int8 activations has groups")
    }

    /// Rows that a workgroup of the one-token product takes: enough for a few groups an invocation.
    pub fn tile(&self) -> u32 {
        tile(self.groups())
    }

    /// A matrix, whose words all threads of `pool` make.
    ///
    /// # Errors
    /// Rows that cannot be had, or no memory on the device.
    pub fn new(gpu: &Gpu, pool: &Pool, what: &str, m: &Rows<'_>) -> Result<Self> {
        let mut made = Vec::new();
        for (rows, factor) in parts(gpu, what, m)? {
            let (first, count) = (rows.start, rows.len());
            let mut words = vec![0u32; count * row_bytes(m.kind, m.cols) / 4];
            let mut halves = vec![f16::ZERO; scales_len(m.kind, count, m.cols)];
            let of_rows = &mut halves[..scales(m.kind, count, m.cols)];
            by_rows(pool, count, &mut words, of_rows, |rows, words, scales| {
                m.write(first + rows.start..first + rows.end, words, scales)
            })?;
            let scales = m.kind.group().map(|_| gpu.filled(what, &halves)).transpose()?;
            let factor = factor.map(|factor| gpu.filled(what, &[factor])).transpose()?;
            let codes = gpu.filled(what, &words)?;
            made.push(Part { first_row: first as u32, rows: count as u32, codes, scales, factor });
        }
        Ok(Matrix { kind: m.kind, rows: m.rows as u32, cols: m.cols as u32, parts: made })
    }
}

fn tile(groups: u32) -> u32 {
    (256 / groups).clamp(1, 64)
}

/// The rows of each part, and their factor.
fn parts(gpu: &Gpu, what: &str, m: &Rows<'_>) -> Result<Vec<(Range<usize>, Option<f32>)>> {
    let row_bytes = row_bytes(m.kind, m.cols) as u64;
    gpu.fits(what, row_bytes)?;
    let tile = m.kind.group().map_or(shaders::PRODUCT_ROWS, |group| tile(m.cols as u32 / group));
    let dispatched = shaders::GROUPS_MAX * tile.min(shaders::PRODUCT_ROWS);
    let most = (gpu.binding_max() / row_bytes).min(u64::from(dispatched)) as usize;
    let mut parts = Vec::new();
    let mut first = 0;
    while first < m.rows {
        let factor = m.factors.iter().find(|(rows, _)| rows.contains(&first));
        let end = match factor {
            Some((rows, _)) => rows.end,
            None => m.factors.iter().map(|(rows, _)| rows.start).find(|&s| s > first).unwrap_or(m.rows),
        };
        let end = end.min(first + most);
        parts.push((first..end, factor.map(|(_, factor)| *factor)));
        first = end;
    }
    Ok(parts)
}

/// Halves that hold the scales of so many rows, whole words of them.
fn scales_len(kind: Kind, rows: usize, cols: usize) -> usize {
    scales(kind, rows, cols).next_multiple_of(2)
}
