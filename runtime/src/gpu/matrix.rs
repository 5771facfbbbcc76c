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
use crate::error::Result;
use crate::weights::Table;
use cpu::TernaryMatrix;

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

    /// Bytes that a ternary matrix will take.
    ///
    /// # Errors
    /// A row larger than the device allows.
    pub fn ternary_bytes(gpu: &Gpu, what: &str, m: &TernaryMatrix) -> Result<u64> {
        bytes(gpu, what, Kind::Ternary, m.rows(), m.cols())
    }

    /// Bytes that an embedding or a head will take.
    ///
    /// # Errors
    /// A row larger than the device allows.
    pub fn table_bytes(gpu: &Gpu, what: &str, table: &Table, rows: usize, cols: usize) -> Result<u64> {
        bytes(gpu, what, kind(table), rows, cols)
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
        // The shaders know no other.
        assert_eq!(m.group(), group(Kind::Ternary) as usize);
        assert!((0..m.rows()).all(|r| m.factor(r).is_none()));
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
                let kind = kind(table);
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

fn kind(table: &Table) -> Kind {
    match table {
        Table::F16(_) => Kind::F16,
        Table::Scaled { group: 32, .. } => Kind::Q8,
        Table::Ternary(_) | Table::Scaled { .. } => Kind::Ternary,
    }
}

/// Columns that share a scale; a table of halves has none.
fn group(kind: Kind) -> u32 {
    if kind == Kind::Q8 { 32 } else { 128 }
}

fn tile(groups: u32) -> u32 {
    (256 / groups).clamp(1, 64)
}

/// Bytes of a row's codes.
fn row_bytes(kind: Kind, cols: usize) -> usize {
    let bits = match kind {
        Kind::Ternary => 2,
        Kind::Q8 => 8,
        Kind::F16 => 16,
    };
    cols * bits / 8
}

/// First row of each part, and how many.
fn parts(
    gpu: &Gpu,
    what: &str,
    kind: Kind,
    rows: usize,
    cols: usize,
) -> Result<impl Iterator<Item = (usize, usize)>> {
    let row_bytes = row_bytes(kind, cols) as u64;
    gpu.fits(what, row_bytes)?;
    let tile = tile(cols as u32 / group(kind));
    let dispatched = shaders::GROUPS_MAX * tile.min(shaders::HEAD_ROWS);
    let most = (gpu.binding_max() / row_bytes).min(u64::from(dispatched)) as usize;
    Ok((0..rows).step_by(most).map(move |first| (first, most.min(rows - first))))
}

/// Halves that hold the scales of so many rows, whole words of them.
fn scales_len(kind: Kind, rows: usize, cols: usize) -> usize {
    if kind == Kind::F16 { 0 } else { (rows * cols / group(kind) as usize).next_multiple_of(2) }
}

/// Bytes of all parts.
fn bytes(gpu: &Gpu, what: &str, kind: Kind, rows: usize, cols: usize) -> Result<u64> {
    let of_part = |(_, rows)| (rows * row_bytes(kind, cols) + 2 * scales_len(kind, rows, cols)) as u64;
    Ok(parts(gpu, what, kind, rows, cols)?.map(of_part).sum())
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
    let mut made = Vec::new();
    for (first, count) in parts(gpu, what, kind, rows, cols)? {
        let mut words = Vec::with_capacity(count * row_bytes(kind, cols) / 4);
        let mut scales = Vec::new();
        (first..first + count).for_each(|r| row(r, &mut words, &mut scales));
        scales.resize(scales_len(kind, count, cols), f16::ZERO);
        let scales = match kind {
            Kind::F16 => None,
            _ => Some(gpu.filled(what, &scales)?),
        };
        let codes = gpu.filled(what, &words)?;
        made.push(Part { first_row: first as u32, rows: count as u32, codes, scales });
    }
    Ok(Matrix { kind, rows: rows as u32, cols: cols as u32, parts: made })
}

/// Sixteen codes as the shaders have them.
fn ternary_word(codes: &[i8; 16]) -> u32 {
    let byte = |b: usize| (0..4).fold(0u8, |byte, k| byte | ((codes[b + 4 * k] + 1) as u8) << (2 * k));
    u32::from_le_bytes(std::array::from_fn(byte))
}

fn pair(low: f16, high: f16) -> u32 {
    u32::from(low.to_bits()) | u32::from(high.to_bits()) << 16
}
