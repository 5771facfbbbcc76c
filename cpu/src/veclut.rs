//! A ternary matrix laid out for products with many tokens: every byte is an index into a table of the 81
//! possible sums of four activations. Multiplying by it is the kernels' business.

use std::ops::Range;

use formats::ternary::GROUP;
use half::f16;

use super::Kernels;

/// Columns that one index word covers.
pub(super) const CHUNK: usize = 32;

/// Rows are padded to a multiple of this; padding rows multiply by zero.
pub(super) const ROW_PAD: usize = 8;

/// The index of four zero codes.
const ZERO_INDEX: u64 = 40;

/// The index word of 32 zero codes.
pub(super) const ZERO_WORD: u64 = ZERO_INDEX * 0x0101_0101_0101_0101;

/// A ternary matrix (rows x cols, one scale per 128 columns of a row) as table indices.
///
/// ```text
/// indices [cols/32][rows padded to 8] words of 8 bytes; byte g = 4h + k of a word, h in 0..2, k in 0..4:
///
///   index = u[16h+k] + 3 u[16h+k+4] + 9 u[16h+k+8] + 27 u[16h+k+12]      u = code + 1, in 0..=2
///
/// scales  [cols/128][rows padded to 8] f32
/// ```
///
/// A byte takes columns four apart, not neighbours, because that is how
/// [`TernaryMatrix`](super::TernaryMatrix) packs its bytes: its rows become these words without a bit moving
/// between bytes.
#[derive(Clone, Debug)]
pub struct VecLutMatrix {
    rows: usize,
    cols: usize,
    padded: usize,
    indices: Vec<u64>,
    scales: Vec<f32>,
}

/// The part of a matrix one product reads; what the kernels take.
#[derive(Clone, Copy, Debug)]
pub(super) struct VecLutView<'a> {
    /// `indices[chunk * stride + row]`.
    pub indices: &'a [u64],
    /// `scales[group * stride + row]`.
    pub scales: &'a [f32],
    /// Words from one chunk, and scales from one group, to the next.
    pub stride: usize,
    /// Rows to multiply; at most `stride` when rounded up to [`ROW_PAD`].
    pub rows: usize,
    /// A multiple of 128.
    pub cols: usize,
}

impl VecLutView<'_> {
    /// Asserts what the kernels rely on to stay within the slices.
    #[cfg_attr(not(x86_kernels), expect(dead_code, reason = "vector kernels rely on it"))]
    pub fn check(&self) {
        assert!(self.cols.is_multiple_of(GROUP));
        assert!(self.rows.next_multiple_of(ROW_PAD) <= self.stride);
        assert_eq!(self.indices.len(), self.cols / CHUNK * self.stride);
        assert_eq!(self.scales.len(), self.cols / GROUP * self.stride);
    }
}

impl VecLutMatrix {
    /// A matrix of zeros.
    ///
    /// # Panics
    /// Unless `cols` is a multiple of 128.
    pub fn new(rows: usize, cols: usize) -> Self {
        assert!(cols.is_multiple_of(GROUP), "{cols} columns are not whole groups of {GROUP}");
        let padded = rows.next_multiple_of(ROW_PAD);
        VecLutMatrix {
            rows,
            cols,
            padded,
            indices: vec![ZERO_WORD; cols / CHUNK * padded],
            scales: vec![0.0; cols / GROUP * padded],
        }
    }

    /// Rows: outputs of a product.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: inputs of a product.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Replaces the values: `codes` (rows x cols, each -1, 0 or 1) and `scales` (rows x cols/128).
    ///
    /// Any other code gives unspecified products, nothing worse. One pass, about 20 instructions per 128 codes
    /// with AVX2, since a trainer does this for every matrix in every step.
    pub fn repack_from_codes(&mut self, kernels: &Kernels, codes: &[i8], scales: &[f16]) {
        self.repack_rows(kernels, 0..self.rows, codes, scales);
    }

    /// Replaces the values of some rows: `codes` (rows.len() x cols) and `scales` (rows.len() x cols/128).
    pub fn repack_rows(&mut self, kernels: &Kernels, rows: Range<usize>, codes: &[i8], scales: &[f16]) {
        assert!(rows.start <= rows.end && rows.end <= self.rows);
        let groups = self.cols / GROUP;
        assert_eq!(codes.len(), rows.len() * self.cols);
        assert_eq!(scales.len(), rows.len() * groups);
        for (r, scales) in rows.clone().zip(scales.chunks_exact(groups.max(1))) {
            for (g, s) in scales.iter().enumerate() {
                self.scales[g * self.padded + r] = s.to_f32();
            }
        }
        kernels.index_codes(codes, self.cols, rows.start, self.padded, &mut self.indices);
    }

    pub(super) fn view(&self) -> VecLutView<'_> {
        VecLutView {
            indices: &self.indices,
            scales: &self.scales,
            stride: self.padded,
            rows: self.rows,
            cols: self.cols,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn veclut_index_word_of_known_codes() {
        // One row of one group; column 16h + k + 4f holds digit f of byte 4h + k.
        let mut codes = vec![0i8; GROUP];
        codes[0] = 1; // chunk 0, byte 0, digit 0: +1
        codes[5] = -1; // byte 1, digit 1: -3
        codes[16 + 2 + 8] = 1; // byte 6, digit 2: +9
        codes[32 + 16 + 3 + 12] = -1; // chunk 1, byte 7, digit 3: -27
        for kernels in Kernels::available() {
            let mut m = VecLutMatrix::new(1, GROUP);
            m.repack_from_codes(kernels, &codes, &[f16::from_f32(0.5)]);
            let word = |c: usize| m.indices[c * m.padded].to_le_bytes();
            assert_eq!(word(0), [41, 37, 40, 40, 40, 40, 49, 40], "{}", kernels.name);
            assert_eq!(word(1), [40, 40, 40, 40, 40, 40, 40, 13], "{}", kernels.name);
            assert_eq!(word(2), [40; 8], "{}", kernels.name);
            assert_eq!(m.scales[0], 0.5);
            assert_eq!(m.indices[1], ZERO_WORD, "padding stays zero");
        }
    }
}
