//! A ternary matrix in two bits a weight, laid out for the kernel that will read it.
//! Multiplying by it is the kernels' business, reading it from a file that of whoever has its [`TernaryRows`].

use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use formats::rows::TernaryRows;
use formats::ternary::GROUP;
use half::f16;

use super::memory::Lines;
use super::{Kernels, Pool};

/// Products may be split between threads at multiples of this many rows; storage is padded to it.
pub const ROW_BLOCK: usize = 32;

/// Most columns that share a scale. A group's sum is at most 128 times as large, and i32 holds it.
pub const GROUP_MAX: usize = (1 << 24) - SPAN;

/// Row blocks that a thread lays out at a time.
const BLOCKS_A_TASK: usize = 4;

/// How the two-bit codes lie in memory.
///
/// In each, a byte holds four codes of one row, columns `j`, `j + 4`, `j + 8` and `j + 12` (j % 16 < 4), each as
/// `code + 1` in two bits, lowest first; and one f16 scale serves a group of columns of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLayout {
    /// Rows in words of 32 bits, for multiply-add: a broadcast of four neighbouring activations meets eight rows.
    ///
    /// ```text
    /// codes  [rows/16][cols/16][16 rows][4 bytes]     byte k of row r: columns k, k+4, k+8, k+12 of the 16
    /// scales [rows/16][cols/group][16 rows]
    /// ```
    Words,
    /// Rows in bytes, for table lookup: one table of activation sums meets 32 rows.
    ///
    /// ```text
    /// codes  [rows/32][cols/16][4 bytes][32 rows]     byte k of row r: columns k, k+4, k+8, k+12 of the 16
    /// scales [rows/32][cols/group][32 rows]
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

/// A ternary matrix, rows x cols, one f16 scale for each group of columns of a row.
#[derive(Clone, Debug)]
pub struct TernaryMatrix {
    layout: RowLayout,
    rows: usize,
    cols: usize,
    group: usize,
    codes: Lines,
    scales: Vec<f16>,
    /// Rows whose products are multiplied by something.
    factors: Vec<(Range<usize>, f32)>,
}

impl TernaryMatrix {
    /// A matrix of zeros, in the layout of `kernels`, `group` columns sharing a scale.
    ///
    /// # Panics
    /// Unless `group` is a multiple of 16 up to [`GROUP_MAX`], and `cols` one of `group`.
    fn new(kernels: &Kernels, rows: usize, cols: usize, group: usize) -> Self {
        assert!(group > 0 && group.is_multiple_of(SPAN) && group <= GROUP_MAX, "groups of {group} columns");
        assert!(cols.is_multiple_of(group), "{cols} columns are not whole groups of {group}");
        let padded = rows.next_multiple_of(ROW_BLOCK);
        TernaryMatrix {
            layout: kernels.layout(),
            rows,
            cols,
            group,
            codes: Lines::filled(padded * cols / 4, ZERO_CODES as u8),
            scales: vec![f16::ZERO; padded * (cols / group)],
            factors: Vec::new(),
        }
    }

    /// A matrix of the given `codes` (rows x cols, each -1, 0 or 1) and `scales` (rows x cols/128).
    ///
    /// The two low bits of `code + 1` are kept; the pattern 3, which no such code gives, multiplies by an
    /// unspecified number in groups of 128, and by 2 in groups of 64.
    ///
    /// # Panics
    /// Unless `cols` is a multiple of 128 and there are as many codes and scales.
    pub fn from_codes(kernels: &Kernels, rows: usize, cols: usize, codes: &[i8], scales: &[f16]) -> Self {
        let mut m = Self::new(kernels, rows, cols, GROUP);
        let groups = cols / GROUP;
        assert_eq!((codes.len(), scales.len()), (rows * cols, rows * groups));
        for mut block in m.row_blocks() {
            let rows = block.rows.clone();
            let scales = &scales[rows.start * groups..rows.end * groups];
            block.set_rows(rows.clone(), &codes[rows.start * cols..rows.end * cols], scales);
        }
        m
    }

    /// The rows of all `parts` on top of each other, laid out by all threads of `pool`. A part's factor stays with its rows.
    ///
    /// # Errors
    /// What the lowest row that cannot be had is refused with.
    ///
    /// # Panics
    /// If there is no part, or they differ in columns or group; unless the group is a multiple of 16 up to [`GROUP_MAX`].
    pub fn from_rows<R: TernaryRows>(kernels: &Kernels, pool: &Pool, parts: &[R]) -> Result<Self, R::Error> {
        let (cols, group) = (parts[0].cols(), parts[0].group());
        assert!(parts.iter().all(|part| (part.cols(), part.group()) == (cols, group)));
        let mut total = 0;
        let placed: Vec<(Range<usize>, &R)> = parts
            .iter()
            .map(|part| {
                let first = total;
                total += part.rows();
                (first..total, part)
            })
            .collect();
        let mut m = Self::new(kernels, total, cols, group);
        m.factors = placed.iter().filter_map(|(rows, part)| Some((rows.clone(), part.factor()?))).collect();
        let failed: Mutex<Option<(usize, R::Error)>> = Mutex::new(None);
        pool.chunks_mut(&mut m.row_blocks(), BLOCKS_A_TASK, |_, blocks| {
            let (mut codes, mut scales) =
                (vec![0i8; ROW_BLOCK * cols], vec![f16::ZERO; ROW_BLOCK * (cols / group)]);
            for block in blocks {
                for (rows, part) in &placed {
                    let shared = overlap(rows, &block.rows);
                    let codes = &mut codes[..shared.len() * cols];
                    let scales = &mut scales[..shared.len() * (cols / group)];
                    if shared.is_empty() {
                        continue;
                    }
                    match part.unpack(shared.start - rows.start..shared.end - rows.start, codes, scales) {
                        Ok(()) => block.set_rows(shared, codes, scales),
                        Err(e) => keep_lowest(&failed, shared.start, e),
                    }
                }
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => Ok(m),
        }
    }

    /// All rows in blocks of [`ROW_BLOCK`], which threads may write side by side.
    fn row_blocks(&mut self) -> Vec<RowBlock<'_>> {
        let (layout, rows, cols, group) = (self.layout, self.rows, self.cols, self.group);
        let codes = self.codes.bytes_mut().chunks_exact_mut((ROW_BLOCK * cols / 4).max(1));
        let scales = self.scales.chunks_exact_mut((ROW_BLOCK * (cols / group)).max(1));
        let block = |(i, (codes, scales))| {
            let first: usize = i * ROW_BLOCK;
            RowBlock { layout, rows: first..rows.min(first + ROW_BLOCK), cols, group, codes, scales }
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

    /// Columns that share a scale; all of them where a row has one.
    pub fn group(&self) -> usize {
        self.group
    }

    /// What products of row `r` are multiplied by, if anything.
    pub fn factor(&self, r: usize) -> Option<f32> {
        self.factors.iter().find(|(rows, _)| rows.contains(&r)).map(|(_, factor)| *factor)
    }

    /// The rows again as they were laid out, in parts of one factor: what another layout is made from.
    pub fn parts(&self) -> Vec<LaidOutRows<'_>> {
        let mut parts = Vec::new();
        let mut first = 0;
        while first < self.rows {
            let at = self.factors.iter().find(|(rows, _)| rows.end > first);
            let (rows, factor) = match at {
                Some((rows, factor)) if rows.start <= first => (first..rows.end, Some(*factor)),
                Some((rows, _)) => (first..rows.start, None),
                None => (first..self.rows, None),
            };
            first = rows.end;
            parts.push(LaidOutRows { matrix: self, rows, factor });
        }
        parts
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
            let step = if self.layout == RowLayout::Words { 1 } else { RowLayout::Bytes.block() };
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
    #[cfg_attr(not(any(x86_kernels, test)), expect(dead_code, reason = "vector kernels read them"))]
    pub(super) fn codes(&self) -> &[u8] {
        self.codes.bytes()
    }

    /// The scales as stored, padding included.
    #[cfg_attr(not(any(x86_kernels, test)), expect(dead_code, reason = "vector kernels read them"))]
    pub(super) fn scales(&self) -> &[f16] {
        &self.scales
    }

    /// Multiplies the products of `rows` with some tokens, `y[t * y_stride + r - rows.start]`, by the factors of those rows that have one.
    pub(super) fn apply_factors(&self, rows: Range<usize>, tokens: usize, y: &mut [f32], y_stride: usize) {
        for (of, factor) in &self.factors {
            let shared = overlap(of, &rows);
            for t in 0..tokens {
                let y = &mut y[t * y_stride + shared.start - rows.start..][..shared.len()];
                y.iter_mut().for_each(|y| *y *= factor);
            }
        }
    }

    fn code_offset(&self, r: usize, span: usize) -> usize {
        code_offset(self.layout, self.cols, r, span)
    }

    fn scale_offset(&self, r: usize, g: usize) -> usize {
        scale_offset(self.layout, self.cols / self.group, r, g)
    }
}

/// Rows of a matrix that is laid out, all of one factor.
#[derive(Clone, Debug)]
pub struct LaidOutRows<'m> {
    matrix: &'m TernaryMatrix,
    rows: Range<usize>,
    factor: Option<f32>,
}

impl TernaryRows for LaidOutRows<'_> {
    type Error = Infallible;

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn cols(&self) -> usize {
        self.matrix.cols
    }

    fn group(&self) -> usize {
        self.matrix.group
    }

    fn factor(&self) -> Option<f32> {
        self.factor
    }

    fn unpack(&self, rows: Range<usize>, codes: &mut [i8], scales: &mut [f16]) -> Result<(), Infallible> {
        let (m, groups) = (self.matrix, self.matrix.cols / self.matrix.group);
        assert!(rows.end <= self.rows.len());
        assert_eq!((codes.len(), scales.len()), (rows.len() * m.cols, rows.len() * groups));
        for (i, r) in rows.enumerate() {
            let r = self.rows.start + r;
            m.unpack_row(r, &mut codes[i * m.cols..][..m.cols]);
            (0..groups).for_each(|g| scales[i * groups + g] = m.scale(r, g));
        }
        Ok(())
    }
}

/// [`ROW_BLOCK`] rows of a matrix, or what is left of it.
#[derive(Debug)]
struct RowBlock<'m> {
    layout: RowLayout,
    rows: Range<usize>,
    cols: usize,
    group: usize,
    codes: &'m mut [u8],
    scales: &'m mut [f16],
}

impl RowBlock<'_> {
    /// Replaces some of them, `rows` counted from the matrix's first: `codes` (rows.len() x cols, each -1, 0 or 1) and
    /// `scales` (rows.len() x cols/group).
    fn set_rows(&mut self, rows: Range<usize>, codes: &[i8], scales: &[f16]) {
        assert!(self.rows.start <= rows.start && rows.end <= self.rows.end);
        let (cols, groups) = (self.cols, self.cols / self.group);
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
                self.scales[scale_offset(self.layout, groups, r, g)] = scales[i * groups + g];
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

/// Where the scale of group `g` of row `r` is, `groups` a row.
fn scale_offset(layout: RowLayout, groups: usize, r: usize, g: usize) -> usize {
    let block = layout.block();
    (r / block * groups + g) * block + r % block
}

/// What two ranges share; nothing lies within the second.
fn overlap(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.clamp(b.start, b.end);
    start..a.end.clamp(start, b.end)
}

/// Keeps the error of the lowest row, whichever thread met it.
fn keep_lowest<E>(failed: &Mutex<Option<(usize, E)>>, row: usize, error: E) {
    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.as_ref().is_none_or(|(first, _)| row < *first) {
        *failed = Some((row, error));
    }
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
mod tests;
