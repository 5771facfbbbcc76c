//! Input gradient of a ternary layer: `dX[n, i] = sum over o of dY[n, o] * s[o, i / 128] * t[o, i]`, in f32.
//! Quantising the weights and deciding which thread takes which tokens is done elsewhere.
//!
//! Three output rows have 27 possible signed sums, so for 16 tokens at a time a table of them is built and every
//! column takes its sum by one index: two vector additions do the work of six multiply-adds. The scales change
//! every 128 columns, and with them the table:
//!
//! ```text
//! for 16 tokens                      dY transposed: [rows][16]
//!   for a group of 128 columns       sums: [128][16], 8 KiB
//!     for a chunk of 24 rows         8 tables of 27 x [16], 16 KiB, filled from dY and the chunk's scales
//!       for a column                 8 indices in one u64, 16 additions
//! index  [rows / 24][cols][8]  u8    (t0 + 1) + 3 (t1 + 1) + 9 (t2 + 1) of three rows
//! scales [cols / 128][rows / 24][24] f32
//! ```
//!
//! A table entry is `(t2 s2 y2 + t1 s1 y1) + t0 s0 y0`, entries are added in row order, and both instances of the
//! body keep that order, so portable and AVX2 results are the same bits. Rows are padded to whole chunks with
//! scale zero. Overlapping the filling of one chunk's tables with the look-ups of another (two sets of four
//! tables) measured 5 % slower on Zen 3.

use cpu::{Compiled, Kernels, LANES, Vector};
use formats::ternary::GROUP;
use half::f16;

/// Tokens of a tile.
const TOKENS: usize = 16;
/// Tables of a chunk; their indices fill one u64.
const TABLES: usize = 8;
/// Output rows of a chunk.
const CHUNK: usize = 3 * TABLES;
/// Index of three zero codes.
const ZEROS: u8 = 1 + 3 + 9;

/// One value for each token of a tile.
type ByToken = [f32; TOKENS];
/// The sums of three rows; 27 of the 32 entries are used, 32 makes every masked index valid.
type Table = [ByToken; 32];

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Aligned<T>(T);

/// A ternary matrix laid out for [`dx_ternary`].
#[derive(Clone, Debug)]
pub struct DxMatrix {
    rows: usize,
    cols: usize,
    index: Vec<[u8; TABLES]>,  // (chunks, cols)
    scales: Vec<[f32; CHUNK]>, // (cols / GROUP, chunks)
}

impl DxMatrix {
    /// A matrix of zeros; `cols` is a multiple of [`GROUP`].
    pub fn new(rows: usize, cols: usize) -> Self {
        assert!(rows > 0 && cols > 0 && cols.is_multiple_of(GROUP), "{rows} x {cols}: not whole groups");
        let chunks = rows.div_ceil(CHUNK);
        let (index, scales) =
            (vec![[ZEROS; TABLES]; chunks * cols], vec![[0.0; CHUNK]; chunks * cols / GROUP]);
        DxMatrix { rows, cols, index, scales }
    }

    /// Output rows of the layer: the row length of dY.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input columns of the layer: the row length of dX.
    pub fn cols(&self) -> usize {
        self.cols
    }

    fn chunks(&self) -> usize {
        self.rows.div_ceil(CHUNK)
    }

    /// Takes new weights: `codes` (rows, cols) in -1..=1, `scales` (rows, cols / GROUP).
    pub fn repack(&mut self, codes: &[i8], scales: &[f16]) {
        let (rows, cols, groups, chunks) = (self.rows, self.cols, self.cols / GROUP, self.chunks());
        assert_eq!(codes.len(), rows * cols);
        assert_eq!(scales.len(), rows * groups);
        let zeros = [0i8; GROUP];
        for (c, index) in self.index.chunks_exact_mut(cols).enumerate() {
            for (g, index) in index.chunks_exact_mut(GROUP).enumerate() {
                let row: [&[i8; GROUP]; CHUNK] = std::array::from_fn(|r| {
                    let o = c * CHUNK + r;
                    if o < rows { codes[o * cols + g * GROUP..].first_chunk().unwrap() } else { &zeros }
                });
                for (k, index) in index.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                    // Eight columns: eight indices of one table are the bytes of a u64.
                    let plus_one = |r: usize| plus_one_bytes(row[r].as_chunks::<8>().0[k]);
                    let sums: [u64; TABLES] = std::array::from_fn(|t| {
                        plus_one(3 * t) + 3 * plus_one(3 * t + 1) + 9 * plus_one(3 * t + 2)
                    });
                    *index = transpose_bytes(sums).map(u64::to_le_bytes);
                }
            }
        }
        for (o, scales) in scales.chunks_exact(groups).enumerate() {
            for (g, s) in scales.iter().enumerate() {
                self.scales[g * chunks + o / CHUNK][o % CHUNK] = s.to_f32();
            }
        }
    }
}

/// Adds one to each of eight codes in -1..=1, without carries.
#[inline(always)]
fn plus_one_bytes(codes: [i8; 8]) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let x = u64::from_le_bytes(codes.map(|t| t as u8));
    ((x & !HIGH) + 0x0101_0101_0101_0101) ^ (x & HIGH)
}

/// Byte `i` of word `t` becomes byte `t` of word `i`: swaps of 4, 2 and 1 bytes across the diagonal.
#[inline(always)]
fn transpose_bytes(mut w: [u64; 8]) -> [u64; 8] {
    for (step, mask) in
        [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ffu64)]
    {
        for i in (0..8).filter(|i| i & step == 0) {
            let swap = ((w[i] >> (8 * step)) ^ w[i + step]) & mask;
            w[i] ^= swap << (8 * step);
            w[i + step] ^= swap;
        }
    }
    w
}

/// `dx = dy W`, or `dx += dy W` if `accumulate`: `dy` (tokens, rows), `dx` (tokens, cols), both row-major.
///
/// Tokens are independent: any split of them over calls gives the same bits. Works in tiles of 16 tokens, so a
/// call with fewer costs as much as one with 16.
pub fn dx_ternary(kernels: &Kernels, w: &DxMatrix, dy: &[f32], dx: &mut [f32], accumulate: bool) {
    kernels.run(Dx { w, dy, dx, accumulate });
}

/// The arguments of [`dx_ternary`].
struct Dx<'a> {
    w: &'a DxMatrix,
    dy: &'a [f32],
    dx: &'a mut [f32],
    accumulate: bool,
}

impl Compiled for Dx<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        body::<V>(self.w, self.dy, self.dx, self.accumulate);
    }
}

#[inline(always)]
fn body<V: Vector>(w: &DxMatrix, dy: &[f32], dx: &mut [f32], accumulate: bool) {
    let (rows, cols, chunks) = (w.rows, w.cols, w.chunks());
    let tokens = dy.len() / rows;
    assert_eq!(dy.len(), tokens * rows);
    assert_eq!(dx.len(), tokens * cols);
    let mut tile = vec![Aligned([[0.0; TOKENS]; CHUNK]); chunks];
    let mut tables = [Aligned([[0.0; TOKENS]; 32]); TABLES];
    let mut sums = Aligned([[0.0; TOKENS]; GROUP]);
    for (dy, dx) in dy.chunks(TOKENS * rows).zip(dx.chunks_mut(TOKENS * cols)) {
        load::<V>(dy, rows, &mut tile);
        for g in 0..cols / GROUP {
            sums.0.fill([0.0; TOKENS]);
            for c in 0..chunks {
                fill(&mut tables, &tile[c].0, &w.scales[g * chunks + c]);
                look_up(&tables, &w.index[c * cols + g * GROUP..][..GROUP], &mut sums.0);
            }
            store::<V>(&sums.0, dx, cols, g * GROUP, accumulate);
        }
    }
}

/// Transposes up to 16 token rows into `tile`; absent tokens and padding rows become zero.
#[inline(always)]
fn load<V: Vector>(dy: &[f32], rows: usize, tile: &mut [Aligned<[ByToken; CHUNK]>]) {
    let tokens = dy.len() / rows;
    for (c, tile) in tile.iter_mut().enumerate() {
        for (part, lanes) in tile.0.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let o = c * CHUNK + 8 * part;
            for half in 0..2 {
                let n = 8 * half;
                let mut block = [[0.0; LANES]; LANES];
                if n + 8 <= tokens && o + 8 <= rows {
                    for t in 0..8 {
                        block[t] = *dy[(n + t) * rows + o..].first_chunk().unwrap();
                    }
                } else {
                    for t in 0..tokens.saturating_sub(n).min(8) {
                        for k in 0..rows.saturating_sub(o).min(8) {
                            block[t][k] = dy[(n + t) * rows + o + k];
                        }
                    }
                }
                let block = V::transpose(std::array::from_fn(|t| V::load(&block[t])));
                for k in 0..8 {
                    block[k].store(lanes[k][n..].first_chunk_mut().unwrap());
                }
            }
        }
    }
}

/// Fills the eight tables of a chunk. Plain counted loops: they unroll into whole vectors, iterators did not.
#[inline(always)]
fn fill(tables: &mut [Aligned<Table>; TABLES], dy: &[ByToken; CHUNK], scales: &[f32; CHUNK]) {
    for t in 0..TABLES {
        let table = &mut tables[t].0;
        for half in 0..2 {
            let n = 8 * half;
            let y =
                |r: usize| -> [f32; 8] { std::array::from_fn(|l| dy[3 * t + r][n + l] * scales[3 * t + r]) };
            let negative = |x: [f32; 8]| -> [f32; 8] { std::array::from_fn(|l| 0.0 - x[l]) };
            let (y0, y1, y2) = (y(0), y(1), y(2));
            let signed1 = [negative(y1), [0.0; 8], y1];
            let signed2 = [negative(y2), [0.0; 8], y2];
            for i in 0..3 {
                for j in 0..3 {
                    let entry = 9 * i + 3 * j;
                    for l in 0..8 {
                        let sum = signed2[i][l] + signed1[j][l];
                        table[entry][n + l] = sum - y0[l];
                        table[entry + 1][n + l] = sum;
                        table[entry + 2][n + l] = sum + y0[l];
                    }
                }
            }
        }
    }
}

/// Adds the eight entries of every column to its sums.
#[inline(always)]
fn look_up(tables: &[Aligned<Table>; TABLES], index: &[[u8; TABLES]], sums: &mut [ByToken; GROUP]) {
    for (index, sum) in index.iter().zip(sums) {
        let x = u64::from_le_bytes(*index);
        let mut p = *sum;
        for t in 0..TABLES {
            // 16 times the index byte: the entry's offset in floats by one shift and one mask.
            let at = (if t == 0 { x << 4 } else { x >> (8 * t - 4) }) as usize & 0x1f0;
            let entry = &tables[t].0.as_flattened()[at..at + TOKENS];
            for l in 0..TOKENS {
                p[l] += entry[l];
            }
        }
        *sum = p;
    }
}

/// Transposes the sums of 128 columns into the token rows of `dx`.
#[inline(always)]
fn store<V: Vector>(
    sums: &[ByToken; GROUP],
    dx: &mut [f32],
    cols: usize,
    first_col: usize,
    accumulate: bool,
) {
    let tokens = dx.len() / cols;
    for half in 0..2 {
        let n = 8 * half;
        for (k, sums) in sums.as_chunks::<8>().0.iter().enumerate() {
            let block = V::transpose(std::array::from_fn(|i| V::load(sums[i][n..].first_chunk().unwrap())));
            for t in 0..tokens.saturating_sub(n).min(8) {
                let out = dx[(n + t) * cols + first_col + 8 * k..].first_chunk_mut().unwrap();
                let sums = if accumulate { V::load(out).add(block[t]) } else { block[t] };
                sums.store(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::kernels::testing::Lcg;

    /// Rows, columns, tokens: whole chunks, odd rows, a row too many, token tails, several groups.
    const CASES: [(usize, usize, usize); 8] = [
        (24, 128, 16),
        (48, 256, 32),
        (1, 128, 1),
        (7, 128, 3),
        (25, 384, 17),
        (47, 256, 9),
        (100, 128, 31),
        (256, 256, 40),
    ];

    struct Case {
        codes: Vec<i8>,
        scales: Vec<f16>,
        dy: Vec<f32>,
        matrix: DxMatrix,
    }

    fn case(rows: usize, cols: usize, tokens: usize) -> Case {
        let mut rng = Lcg::new((rows * cols + tokens) as u64);
        let codes = rng.codes(rows * cols);
        let scales: Vec<f16> =
            rng.vec(rows * cols / GROUP).iter().map(|s| f16::from_f32(s.abs() + 0.01)).collect();
        let dy = rng.vec(rows * tokens);
        let mut matrix = DxMatrix::new(rows, cols);
        // Repacking twice: nothing of the first weights may remain.
        matrix.repack(&vec![1; rows * cols], &vec![f16::ONE; rows * cols / GROUP]);
        matrix.repack(&codes, &scales);
        Case { codes, scales, dy, matrix }
    }

    #[test]
    fn dx_ternary_matches_plain_loops_on_every_row() {
        for (rows, cols, tokens) in CASES {
            let c = case(rows, cols, tokens);
            let groups = cols / GROUP;
            for kernels in Kernels::available() {
                for accumulate in [false, true] {
                    let mut dx = vec![if accumulate { 0.5 } else { f32::NAN }; tokens * cols];
                    dx_ternary(kernels, &c.matrix, &c.dy, &mut dx, accumulate);
                    for n in 0..tokens {
                        for i in 0..cols {
                            let (mut want, mut size) = (if accumulate { 0.5 } else { 0.0 }, 0.5);
                            for o in 0..rows {
                                let w =
                                    c.scales[o * groups + i / GROUP].to_f64() * c.codes[o * cols + i] as f64;
                                want += c.dy[n * rows + o] as f64 * w;
                                size += (c.dy[n * rows + o] as f64 * w).abs();
                            }
                            let got = dx[n * cols + i] as f64;
                            // A rounding an addition; measured 4e-7 of the absolute sum at worst.
                            let name = kernels.name;
                            assert!(
                                (got - want).abs() < 2e-6 * size,
                                "{name} {rows}x{cols} n={n} i={i}: {got} {want}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn dx_ternary_has_the_same_bits_on_every_row_and_for_every_split_of_tokens() {
        for (rows, cols, tokens) in CASES {
            let c = case(rows, cols, tokens);
            let mut first: Option<Vec<u32>> = None;
            for kernels in Kernels::available() {
                for split in [tokens, 1, 16, 5] {
                    let mut dx = vec![0.25; tokens * cols];
                    for (dy, dx) in c.dy.chunks(split * rows).zip(dx.chunks_mut(split * cols)) {
                        dx_ternary(kernels, &c.matrix, dy, dx, true);
                    }
                    let bits: Vec<u32> = dx.iter().map(|x| x.to_bits()).collect();
                    assert_eq!(
                        first.get_or_insert_with(|| bits.clone()),
                        &bits,
                        "{} split {split}",
                        kernels.name
                    );
                }
            }
        }
    }

    #[test]
    fn dx_ternary_repack_places_every_code() {
        for (rows, cols) in [(1, 128), (26, 256), (72, 128)] {
            let c = case(rows, cols, 1);
            for chunk in 0..rows.div_ceil(CHUNK) {
                for i in 0..cols {
                    for t in 0..TABLES {
                        let mut index = c.matrix.index[chunk * cols + i][t];
                        for r in 0..3 {
                            let o = chunk * CHUNK + 3 * t + r;
                            let want = if o < rows { c.codes[o * cols + i] } else { 0 };
                            assert_eq!(index as i8 % 3 - 1, want, "row {o} column {i}");
                            index /= 3;
                        }
                    }
                }
            }
        }
    }
}
