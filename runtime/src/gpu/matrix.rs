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
use crate::cpu::TernaryMatrix;
use crate::error::Result;
use crate::weights::Table;

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
    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|p| p.codes.size() + p.scales.as_ref().map_or(0, Buffer::size)).sum()
    }

    /// Columns that share a scale.
    pub fn group(&self) -> u32 {
        group(self.kind)
    }

    /// Rows that a workgroup of the one-token product takes: enough for a few groups an invocation.
    pub fn tile(&self) -> u32 {
        tile(self.cols / self.group())
    }

    /// A ternary matrix.
    ///
    /// # Errors
    /// No memory on the device.
    pub fn ternary(gpu: &Gpu, what: &str, m: &TernaryMatrix) -> Result<Self> {
        let mut codes = vec![0i8; m.cols()];
        upload(gpu, what, Kind::Ternary, m.rows(), m.cols(), &mut |r, words, scales| {
            m.unpack_row(r, &mut codes);
            words.extend(codes.as_chunks().0.iter().map(ternary_word));
            scales.extend((0..m.cols() / group(Kind::Ternary) as usize).map(|g| m.scale(r, g)));
        })
    }

    /// An embedding or a head.
    ///
    /// # Errors
    /// No memory on the device.
    pub fn table(gpu: &Gpu, what: &str, table: &Table, rows: usize, cols: usize) -> Result<Self> {
        match table {
            Table::Ternary(m) => Self::ternary(gpu, what, m),
            Table::F16(halves) => upload(gpu, what, Kind::F16, rows, cols, &mut |r, words, _| {
                let row = halves[r * cols..][..cols].as_chunks::<2>().0;
                words.extend(row.iter().map(|h| pair(h[0], h[1])));
            }),
            Table::Scaled { codes, scales, group } => {
                let kind = if *group == 32 { Kind::Q8 } else { Kind::Ternary };
                upload(gpu, what, kind, rows, cols, &mut |r, words, out| {
                    let row = &codes[r * cols..][..cols];
                    match kind {
                        Kind::Ternary => words.extend(row.as_chunks().0.iter().map(ternary_word)),
                        _ => words.extend(
                            row.as_chunks::<4>().0.iter().map(|c| u32::from_le_bytes(c.map(|c| c as u8))),
                        ),
                    }
                    out.extend(scales[r * cols / group..][..cols / group].iter().map(|&s| f16::from_f32(s)));
                })
            }
        }
    }
}

/// Columns that share a scale; a table of halves has none.
fn group(kind: Kind) -> u32 {
    if kind == Kind::Q8 { 32 } else { 128 }
}

fn tile(groups: u32) -> u32 {
    (256 / groups).clamp(1, 64)
}

/// Rows of a part, given the bytes of a row.
fn part_rows(gpu: &Gpu, what: &str, row_bytes: u64, tile: u32) -> Result<usize> {
    gpu.fits(what, row_bytes)?;
    let dispatched = shaders::GROUPS_MAX * tile.min(shaders::HEAD_ROWS);
    Ok((gpu.binding_max() / row_bytes).min(u64::from(dispatched)) as usize)
}

/// Appends the words and scales of a row.
type WriteRow<'a> = dyn FnMut(usize, &mut Vec<u32>, &mut Vec<f16>) + 'a;

/// A matrix whose rows are asked for one by one, in order.
fn upload(
    gpu: &Gpu,
    what: &str,
    kind: Kind,
    rows: usize,
    cols: usize,
    row: &mut WriteRow<'_>,
) -> Result<Matrix> {
    let bits = match kind {
        Kind::Ternary => 2,
        Kind::Q8 => 8,
        Kind::F16 => 16,
    };
    let row_bytes = (cols * bits / 8) as u64;
    let most = part_rows(gpu, what, row_bytes, tile(cols as u32 / group(kind)))?;
    let mut parts = Vec::new();
    for first in (0..rows).step_by(most) {
        let count = most.min(rows - first);
        let mut words = Vec::with_capacity(count * row_bytes as usize / 4);
        let mut scales = Vec::new();
        (first..first + count).for_each(|r| row(r, &mut words, &mut scales));
        scales.resize(scales.len().next_multiple_of(2), f16::ZERO);
        let scales = match kind {
            Kind::F16 => None,
            _ => Some(gpu.filled(what, &scales)?),
        };
        let codes = gpu.filled(what, &words)?;
        parts.push(Part { first_row: first as u32, rows: count as u32, codes, scales });
    }
    Ok(Matrix { kind, rows: rows as u32, cols: cols as u32, parts })
}

/// Sixteen codes as the shaders have them.
fn ternary_word(codes: &[i8; 16]) -> u32 {
    let byte = |b: usize| (0..4).fold(0u8, |byte, k| byte | ((codes[b + 4 * k] + 1) as u8) << (2 * k));
    u32::from_le_bytes(std::array::from_fn(byte))
}

fn pair(low: f16, high: f16) -> u32 {
    u32::from(low.to_bits()) | u32::from(high.to_bits()) << 16
}
