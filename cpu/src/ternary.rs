//! A ternary matrix in two bits a weight, laid out for the kernel that will read it.
//! Multiplying by it is the kernels' business, reading it from a file the loader's.

use std::ops::Range;

use formats::ternary::GROUP;
use half::f16;

use super::Kernels;
use super::memory::Lines;

/// Products may be split between threads at multiples of this many rows; storage is padded to it.
pub const ROW_BLOCK: usize = 32;

/// How the two-bit codes lie in memory.
///
/// In both, a byte holds four codes of one row, columns `j`, `j + 4`, `j + 8` and `j + 12` (j % 16 < 4), each as
/// `code + 1` in two bits, lowest first; and one f16 scale serves 128 columns of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLayout {
    /// Rows in words of 32 bits, for multiply-add: a broadcast of four neighbouring activations meets eight rows.
    ///
    /// ```text
    /// codes  [rows/16][cols/16][16 rows][4 bytes]     byte k of row r: columns k, k+4, k+8, k+12 of the 16
    /// scales [rows/16][cols/128][16 rows]
    /// ```
    Words,
    /// Rows in bytes, for table lookup: one table of activation sums meets 32 rows.
    ///
    /// ```text
    /// codes  [rows/32][cols/16][4 bytes][32 rows]     byte k of row r: columns k, k+4, k+8, k+12 of the 16
    /// scales [rows/32][cols/128][32 rows]
    /// ```
    Bytes,
}

impl RowLayout {
    /// All of them.
    pub const ALL: [RowLayout; 2] = [RowLayout::Words, RowLayout::Bytes];

    /// Rows of one block.
    pub(super) const fn block(self) -> usize {
        match self {
            RowLayout::Words => 16,
            RowLayout::Bytes => 32,
        }
    }
}

/// Bytes per row of 16 columns.
const SPAN: usize = 16;

/// Four zero codes in each byte of a word.
const ZERO_CODES: u32 = 0x5555_5555;

/// A ternary matrix, rows x cols, one f16 scale for each 128 columns of a row.
#[derive(Clone, Debug)]
pub struct TernaryMatrix {
    layout: RowLayout,
    rows: usize,
    cols: usize,
    codes: Lines,
    scales: Vec<f16>,
}

impl TernaryMatrix {
    /// A matrix of zeros, in the layout of `kernels`.
    ///
    /// # Panics
    /// Unless `cols` is a multiple of 128.
    pub fn new(kernels: &Kernels, rows: usize, cols: usize) -> Self {
        assert!(cols.is_multiple_of(GROUP), "{cols} columns are not whole groups of {GROUP}");
        let padded = rows.next_multiple_of(ROW_BLOCK);
        TernaryMatrix {
            layout: kernels.layout(),
            rows,
            cols,
            codes: Lines::filled(padded * cols / 4, ZERO_CODES as u8),
            scales: vec![f16::ZERO; padded * cols / GROUP],
        }
    }

    /// A matrix of the given `codes` (rows x cols, each -1, 0 or 1) and `scales` (rows x cols/128).
    pub fn from_codes(kernels: &Kernels, rows: usize, cols: usize, codes: &[i8], scales: &[f16]) -> Self {
        let mut m = Self::new(kernels, rows, cols);
        m.repack_rows(0..rows, codes, scales);
        m
    }

    /// Replaces some rows: `codes` (rows.len() x cols, each -1, 0 or 1) and `scales` (rows.len() x cols/128).
    ///
    /// The two low bits of `code + 1` are kept; the pattern 3, which no code gives, multiplies by an
    /// unspecified number.
    pub fn repack_rows(&mut self, rows: Range<usize>, codes: &[i8], scales: &[f16]) {
        assert!(rows.start <= rows.end && rows.end <= self.rows);
        let (cols, groups) = (self.cols, self.cols / GROUP);
        assert_eq!(codes.len(), rows.len() * cols);
        assert_eq!(scales.len(), rows.len() * groups);
        for mut block in self.row_blocks() {
            let part = block.rows.start.max(rows.start)..block.rows.end.min(rows.end);
            if !part.is_empty() {
                let at = part.start - rows.start..part.end - rows.start;
                let codes = &codes[at.start * cols..at.end * cols];
                block.set_rows(part, codes, &scales[at.start * groups..at.end * groups]);
            }
        }
    }

    /// All rows in blocks of [`ROW_BLOCK`], which threads may write side by side.
    pub fn row_blocks(&mut self) -> Vec<RowBlock<'_>> {
        let (layout, rows, cols) = (self.layout, self.rows, self.cols);
        let codes = self.codes.bytes_mut().chunks_exact_mut((ROW_BLOCK * cols / 4).max(1));
        let scales = self.scales.chunks_exact_mut((ROW_BLOCK * cols / GROUP).max(1));
        let block = |(i, (codes, scales))| {
            let first: usize = i * ROW_BLOCK;
            RowBlock { layout, rows: first..rows.min(first + ROW_BLOCK), cols, codes, scales }
        };
        codes.zip(scales).enumerate().map(block).collect()
    }

    /// Rows: outputs of a product.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: inputs of a product.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// How the codes lie in memory.
    pub fn layout(&self) -> RowLayout {
        self.layout
    }

    /// Bytes that a product of all rows reads.
    pub fn bytes(&self) -> usize {
        self.codes.bytes().len() + 2 * self.scales.len()
    }

    /// Writes the codes of row `r` to `codes` (cols).
    pub fn unpack_row(&self, r: usize, codes: &mut [i8]) {
        assert!(r < self.rows);
        assert_eq!(codes.len(), self.cols);
        for (span, codes) in codes.as_chunks_mut::<SPAN>().0.iter_mut().enumerate() {
            let at = self.code_offset(r, span);
            let step = if self.layout == RowLayout::Words { 1 } else { 32 };
            for (j, code) in codes.iter_mut().enumerate() {
                let byte = self.codes.bytes()[at + step * (j % 4)];
                *code = (byte >> (2 * (j / 4)) & 3) as i8 - 1;
            }
        }
    }

    /// The scale of group `g` of row `r`.
    pub fn scale(&self, r: usize, g: usize) -> f16 {
        self.scales[self.scale_offset(r, g)]
    }

    /// The codes as stored, padding included.
    #[cfg_attr(not(x86_kernels), expect(dead_code, reason = "vector kernels read them"))]
    pub(super) fn codes(&self) -> &[u8] {
        self.codes.bytes()
    }

    /// The scales as stored, padding included.
    #[cfg_attr(not(x86_kernels), expect(dead_code, reason = "vector kernels read them"))]
    pub(super) fn scales(&self) -> &[f16] {
        &self.scales
    }

    fn code_offset(&self, r: usize, span: usize) -> usize {
        code_offset(self.layout, self.cols, r, span)
    }

    fn scale_offset(&self, r: usize, g: usize) -> usize {
        scale_offset(self.layout, self.cols, r, g)
    }
}

/// [`ROW_BLOCK`] rows of a matrix, or what is left of it.
#[derive(Debug)]
pub struct RowBlock<'m> {
    layout: RowLayout,
    rows: Range<usize>,
    cols: usize,
    codes: &'m mut [u8],
    scales: &'m mut [f16],
}

impl RowBlock<'_> {
    /// Which rows of the matrix these are.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Replaces some of them, `rows` counted from the matrix's first: `codes` (rows.len() x cols, each -1, 0 or 1) and
    /// `scales` (rows.len() x cols/128).
    pub fn set_rows(&mut self, rows: Range<usize>, codes: &[i8], scales: &[f16]) {
        assert!(self.rows.start <= rows.start && rows.end <= self.rows.end);
        let (cols, groups) = (self.cols, self.cols / GROUP);
        assert_eq!(codes.len(), rows.len() * cols);
        assert_eq!(scales.len(), rows.len() * groups);
        for (i, r) in rows.enumerate() {
            let r = r - self.rows.start;
            for (span, codes) in codes[i * cols..][..cols].as_chunks::<SPAN>().0.iter().enumerate() {
                let at = code_offset(self.layout, cols, r, span);
                let packed = pack(codes).to_le_bytes();
                match self.layout {
                    RowLayout::Words => self.codes[at..at + 4].copy_from_slice(&packed),
                    RowLayout::Bytes => {
                        for (k, byte) in packed.into_iter().enumerate() {
                            self.codes[at + 32 * k] = byte;
                        }
                    }
                }
            }
            for g in 0..groups {
                self.scales[scale_offset(self.layout, cols, r, g)] = scales[i * groups + g];
            }
        }
    }
}

/// Where the four bytes of 16 columns of row `r` begin.
fn code_offset(layout: RowLayout, cols: usize, r: usize, span: usize) -> usize {
    let block = layout.block();
    let start = (r / block * (cols / SPAN) + span) * 4 * block;
    match layout {
        RowLayout::Words => start + r % block * 4,
        RowLayout::Bytes => start + r % block,
    }
}

/// Where the scale of group `g` of row `r` is.
fn scale_offset(layout: RowLayout, cols: usize, r: usize, g: usize) -> usize {
    let block = layout.block();
    (r / block * (cols / GROUP) + g) * block + r % block
}

/// Sixteen codes of a row as four bytes: byte k has columns k, k + 4, k + 8 and k + 12, lowest bits first.
#[inline]
fn pack(codes: &[i8; SPAN]) -> u32 {
    let mut word = 0;
    for (f, four) in codes.as_chunks::<4>().0.iter().enumerate() {
        let bytes = u32::from_le_bytes(four.map(|t| t as u8));
        // code + 1 in the two low bits of each byte; masking first keeps carries inside a byte.
        let digits = ((bytes & 0x0303_0303) + 0x0101_0101) & 0x0303_0303;
        word |= digits << (2 * f);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ternary_matrix_gives_back_its_codes_and_scales() {
        let (rows, cols) = (37, 256);
        let codes: Vec<i8> = (0..rows * cols).map(|i| (i * i / 7 % 3) as i8 - 1).collect();
        let scales: Vec<f16> = (0..rows * 2).map(|i| f16::from_f32(i as f32)).collect();
        for kernels in Kernels::available() {
            let mut m = TernaryMatrix::from_codes(kernels, rows, cols, &codes, &scales);
            // A part of the rows again, from the same values, changes nothing.
            m.repack_rows(5..9, &codes[5 * cols..9 * cols], &scales[10..18]);
            let mut row = vec![9; cols];
            for r in 0..rows {
                m.unpack_row(r, &mut row);
                assert_eq!(row, codes[r * cols..][..cols], "{} row {r}", kernels.name);
                assert_eq!([m.scale(r, 0), m.scale(r, 1)], scales[2 * r..2 * r + 2]);
            }
        }
    }

    #[test]
    fn ternary_matrix_counts_its_bytes() {
        let m = TernaryMatrix::new(Kernels::best(), 64, 256);
        assert_eq!(m.bytes(), 64 * 2 * 34);
    }
}
