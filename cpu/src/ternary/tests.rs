//! Matrices give back what they were made of, in every layout and group, and refuse what no kernel could multiply.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Rows in memory. Rows from `bad` on cannot be had.
struct Rows {
    rows: usize,
    cols: usize,
    group: usize,
    factor: Option<f32>,
    bad: usize,
    unpacked: AtomicUsize,
}

impl Rows {
    fn new(rows: usize, cols: usize, group: usize) -> Rows {
        Rows { rows, cols, group, factor: None, bad: rows, unpacked: AtomicUsize::new(0) }
    }

    fn code(&self, r: usize, c: usize) -> i8 {
        let i = r * self.cols + c;
        (i * i / 7 % 3) as i8 - 1
    }

    fn scale(&self, r: usize, g: usize) -> f16 {
        f16::from_f32((r * 8 + g) as f32 / 16.0)
    }
}

impl TernaryRows for Rows {
    type Error = usize;

    fn rows(&self) -> usize {
        self.rows
    }

    fn cols(&self) -> usize {
        self.cols
    }

    fn group(&self) -> usize {
        self.group
    }

    fn factor(&self) -> Option<f32> {
        self.factor
    }

    fn unpack(&self, rows: Range<usize>, codes: &mut [i8], scales: &mut [f16]) -> Result<(), usize> {
        self.unpacked.fetch_add(rows.len(), Ordering::Relaxed);
        let groups = self.cols / self.group;
        for (i, r) in rows.enumerate() {
            if r >= self.bad {
                return Err(r);
            }
            (0..self.cols).for_each(|c| codes[i * self.cols + c] = self.code(r, c));
            (0..groups).for_each(|g| scales[i * groups + g] = self.scale(r, g));
        }
        Ok(())
    }
}

#[test]
fn ternary_matrix_gives_back_its_rows_in_every_layout_and_group() {
    for pool in [1, 3].map(|threads| Pool::new(threads).unwrap()) {
        for kernels in Kernels::available() {
            // Parts that begin and end within blocks of rows, and one of none.
            for (cols, group) in [(256, 32), (192, 64), (256, 128), (512, 256), (48, 48), (16, 16)] {
                let mut parts = [37, 0, 5, 130].map(|rows| Rows::new(rows, cols, group));
                parts[2].factor = Some(0.75);
                let m = TernaryMatrix::from_rows(kernels, &pool, &parts).unwrap();
                assert_eq!((m.rows(), m.cols(), m.group()), (172, cols, group));
                let mut row = vec![9; cols];
                let of_parts = parts.iter().flat_map(|part| (0..part.rows).map(move |r| (part, r)));
                for (at, (part, r)) in of_parts.enumerate() {
                    m.unpack_row(at, &mut row);
                    assert!((0..cols).all(|c| row[c] == part.code(r, c)), "{} row {at}", kernels.name);
                    assert!((0..cols / group).all(|g| m.scale(at, g) == part.scale(r, g)));
                    assert_eq!(m.factor(at), part.factor);
                }
                assert!(parts.iter().all(|part| part.unpacked.load(Ordering::Relaxed) == part.rows));
            }
        }
    }
}

#[test]
fn ternary_matrix_that_is_laid_out_is_rows_for_any_other_layout() {
    let pool = Pool::new(2).unwrap();
    let factors = [[None, None, None], [Some(0.5), None, Some(3.0)], [None, Some(0.75), Some(0.75)]];
    for factors in factors {
        let mut parts = [37, 5, 70].map(|rows| Rows::new(rows, 256, 64));
        parts.iter_mut().zip(factors).for_each(|(part, factor)| part.factor = factor);
        for from in Kernels::available() {
            let m = TernaryMatrix::from_rows(from, &pool, &parts).unwrap();
            for to in Kernels::available() {
                let expected = TernaryMatrix::from_rows(to, &pool, &parts).unwrap();
                let Ok(again) = TernaryMatrix::from_rows(to, &pool, &m.parts());
                assert_eq!((again.codes(), again.scales()), (expected.codes(), expected.scales()));
                let factor = |m: &TernaryMatrix| (0..m.rows()).map(|r| m.factor(r)).collect::<Vec<_>>();
                assert_eq!(factor(&again), factor(&expected), "{} to {}", from.name, to.name);
            }
        }
    }
}

#[test]
fn ternary_matrix_of_codes_is_that_of_rows() {
    let (rows, cols) = (37, 256);
    let part = Rows::new(rows, cols, GROUP);
    let (mut codes, mut scales) = (vec![0; rows * cols], vec![f16::ZERO; rows * 2]);
    part.unpack(0..rows, &mut codes, &mut scales).unwrap();
    for kernels in Kernels::available() {
        let m = TernaryMatrix::from_codes(kernels, rows, cols, &codes, &scales);
        let same = TernaryMatrix::from_rows(kernels, &Pool::new(1).unwrap(), &[Rows::new(rows, cols, GROUP)]);
        let same = same.unwrap();
        assert_eq!((m.codes(), m.scales()), (same.codes(), same.scales()), "{}", kernels.name);
    }
}

#[test]
fn ternary_matrix_names_the_lowest_row_that_is_refused() {
    let mut parts = [100, 300].map(|rows| Rows::new(rows, 128, 128));
    parts[1].bad = 30;
    for threads in [1, 4] {
        let pool = Pool::new(threads).unwrap();
        let error = TernaryMatrix::from_rows(Kernels::best(), &pool, &parts).map(|m| m.rows());
        assert_eq!(error, Err(30));
    }
}

#[test]
fn ternary_matrix_counts_its_bytes() {
    let m = TernaryMatrix::new(Kernels::best(), 64, 256, 128);
    assert_eq!(m.bytes(), 64 * 2 * 34);
    assert_eq!(TernaryMatrix::new(Kernels::best(), 64, 256, 256).bytes(), 64 * 66);
}

#[test]
#[should_panic(expected = "groups of 16777216 columns")]
fn ternary_matrix_refuses_groups_whose_sums_i32_cannot_hold() {
    TernaryMatrix::new(Kernels::best(), 1, 1 << 24, 1 << 24);
}

#[test]
#[should_panic(expected = "not whole groups of 256")]
fn ternary_matrix_refuses_a_part_of_a_group() {
    TernaryMatrix::new(Kernels::best(), 1, 128, 256);
}
