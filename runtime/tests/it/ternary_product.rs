//! Every ternary product of every row of the table of kernels gives the defined bits.

use crate::cases;
use cpu::{Kernels, Pool, ROW_BLOCK, TernaryMatrix, VecLutMatrix};

#[track_caller]
fn assert_same_bits(got: &[f32], expected: &[f32], what: &str) {
    assert_eq!(got.len(), expected.len());
    if let Some(i) = (0..got.len()).find(|&i| got[i].to_bits() != expected[i].to_bits()) {
        panic!("{what}: element {i} is {}, expected {}", got[i], expected[i]);
    }
}

#[test]
fn gemm_veclut_has_the_defined_bits_on_every_row() {
    for case in cases::all() {
        let expected = case.expected();
        for kernels in Kernels::available() {
            // Left-over values must not survive a repack.
            let mut m = VecLutMatrix::new(case.rows, case.cols);
            let ones = vec![1i8; case.codes.len()];
            m.repack_from_codes(kernels, &ones, &case.scales);
            m.repack_from_codes(kernels, &case.codes, &case.scales);
            let mut y = vec![f32::NAN; case.tokens * case.rows];
            kernels.gemm_veclut(&m, &case.q, &case.a, &mut y);
            assert_same_bits(&y, &expected, &format!("{}, {}", kernels.name, case.name));
        }
    }
}

#[test]
fn gemm_veclut_reads_any_codes_without_leaving_its_tables() {
    let (rows, cols) = (9, 128);
    let codes: Vec<i8> = (0..rows * cols).map(|i| (i * 37) as i8).collect();
    let scales = vec![half::f16::ONE; rows];
    for kernels in Kernels::available() {
        let mut m = VecLutMatrix::new(rows, cols);
        m.repack_from_codes(kernels, &codes, &scales);
        let mut y = vec![0.0; rows];
        kernels.gemm_veclut(&m, &vec![127; cols], &[1.0], &mut y);
        assert!(y.iter().all(|y| y.is_finite()));
    }
}

#[test]
fn gemm_ternary_has_the_defined_bits_on_every_row() {
    for case in cases::all() {
        let expected = case.expected();
        for kernels in Kernels::available() {
            let m = TernaryMatrix::from_codes(kernels, case.rows, case.cols, &case.codes, &case.scales);
            let what = format!("{}, {}", kernels.name, case.name);
            let mut y = vec![f32::NAN; case.tokens * case.rows];
            kernels.gemm_ternary(&m, 0..case.rows, &case.q, &case.a, &mut y, case.rows);
            assert_same_bits(&y, &expected, &what);
            // A token at a time.
            for t in 0..case.tokens {
                let mut y = vec![f32::NAN; case.rows];
                kernels.gemv_ternary(
                    &m,
                    0..case.rows,
                    &case.q[t * case.cols..][..case.cols],
                    case.a[t],
                    &mut y,
                );
                assert_same_bits(&y, &expected[t * case.rows..][..case.rows], &format!("{what}, token {t}"));
            }
        }
    }
}

#[test]
fn gemm_ternary_of_row_ranges_fits_together_and_touches_nothing_else() {
    for case in cases::all().iter().filter(|case| case.rows > ROW_BLOCK) {
        let expected = case.expected();
        for kernels in Kernels::available() {
            let m = TernaryMatrix::from_codes(kernels, case.rows, case.cols, &case.codes, &case.scales);
            let stride = case.rows + 3;
            let mut y = vec![7.0; case.tokens * stride];
            for first in (0..case.rows).step_by(ROW_BLOCK).rev() {
                let rows = first..case.rows.min(first + ROW_BLOCK);
                kernels.gemm_ternary(&m, rows, &case.q, &case.a, &mut y[first..], stride);
            }
            for (y, expected) in y.chunks_exact(stride).zip(expected.chunks_exact(case.rows)) {
                assert_same_bits(&y[..case.rows], expected, &format!("{}, {}", kernels.name, case.name));
                assert_eq!(y[case.rows..], [7.0; 3]);
            }
        }
    }
}

#[test]
fn scalar_kernels_read_every_layout() {
    let case = &cases::all()[5];
    for kernels in Kernels::available() {
        let m = TernaryMatrix::from_codes(kernels, case.rows, case.cols, &case.codes, &case.scales);
        let mut y = vec![0.0; case.tokens * case.rows];
        let scalar = Kernels::named("scalar").unwrap();
        scalar.gemm_ternary(&m, 0..case.rows, &case.q, &case.a, &mut y, case.rows);
        assert_same_bits(&y, &case.expected(), kernels.name);
    }
}

#[test]
fn gemv_ternary_has_the_same_bits_for_any_number_of_threads() {
    let pools: Vec<Pool> = (1..=5).map(|n| Pool::new(n).unwrap()).collect();
    for case in cases::all().iter().filter(|case| case.tokens == 1) {
        let expected = case.expected();
        for kernels in Kernels::available() {
            let m = TernaryMatrix::from_codes(kernels, case.rows, case.cols, &case.codes, &case.scales);
            for pool in &pools {
                let mut y = vec![f32::NAN; case.rows];
                pool.split_mut(&mut y, ROW_BLOCK, |first, y| {
                    kernels.gemv_ternary(&m, first..first + y.len(), &case.q, case.a[0], y);
                });
                let what = format!("{}, {}, {} threads", kernels.name, case.name, pool.threads());
                assert_same_bits(&y, &expected, &what);
            }
        }
    }
}
