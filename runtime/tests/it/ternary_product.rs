//! Every ternary product of every row of the table of kernels gives the defined bits.

use crate::cases::{self, Case};
use cpu::{GROUP_MAX, Kernels, Pool, ROW_BLOCK, TernaryMatrix, VecLutMatrix};

/// The cases of groups of 128 and those of all others, factors among them.
fn all_groups() -> impl Iterator<Item = Case> {
    cases::all().into_iter().chain(cases::of_groups())
}

fn matrix(kernels: &Kernels, case: &Case) -> TernaryMatrix {
    let pool = Pool::new(1).unwrap();
    TernaryMatrix::from_rows(kernels, &pool, std::slice::from_ref(case)).unwrap_or_else(|e| match e {})
}

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
    for case in all_groups() {
        let expected = case.expected();
        for kernels in Kernels::available() {
            let m = matrix(kernels, &case);
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
    for case in all_groups().filter(|case| case.rows > ROW_BLOCK) {
        let expected = case.expected();
        for kernels in Kernels::available() {
            let m = matrix(kernels, &case);
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
        let m = matrix(kernels, case);
        let mut y = vec![0.0; case.tokens * case.rows];
        let scalar = Kernels::named("scalar").unwrap();
        scalar.gemm_ternary(&m, 0..case.rows, &case.q, &case.a, &mut y, case.rows);
        assert_same_bits(&y, &case.expected(), kernels.name);
    }
}

#[test]
fn gemv_ternary_has_the_same_bits_for_any_number_of_threads() {
    let pools: Vec<Pool> = (1..=5).map(|n| Pool::new(n).unwrap()).collect();
    for case in all_groups().filter(|case| case.tokens == 1) {
        let expected = case.expected();
        for kernels in Kernels::available() {
            let m = matrix(kernels, &case);
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

#[test]
fn gemm_ternary_of_parts_multiplies_each_by_its_own_factor() {
    // q, k and v as one matrix: the second part begins within a block of rows and has no factor.
    let parts: Vec<Case> =
        cases::of_groups().into_iter().filter(|c| c.cols == 256 && c.group == 128).collect();
    let tokens = 11;
    let parts: Vec<&Case> = parts.iter().filter(|c| c.tokens == tokens).take(3).collect();
    let plain = Case { factor: None, ..parts[1].clone() };
    let parts = [parts[0].clone(), plain, parts[2].clone()];
    assert!(parts[0].factor != parts[2].factor && parts.iter().all(|p| p.rows == 67));
    let (q, a) = (&parts[0].q, &parts[0].a);
    let expected =
        parts.each_ref().map(|part| Case { q: q.clone(), a: a.clone(), ..part.clone() }.expected());
    for kernels in Kernels::available() {
        let pool = Pool::new(2).unwrap();
        let m = TernaryMatrix::from_rows(kernels, &pool, &parts).unwrap_or_else(|e| match e {});
        let mut y = vec![f32::NAN; tokens * m.rows()];
        // By blocks, so that parts end within and between calls.
        let rows = m.rows();
        for first in (0..rows).step_by(ROW_BLOCK) {
            let block = first..rows.min(first + ROW_BLOCK);
            kernels.gemm_ternary(&m, block, q, a, &mut y[first..], rows);
        }
        for (t, y) in y.chunks_exact(rows).enumerate() {
            for (part, expected) in expected.iter().enumerate() {
                let what = format!("{}, token {t}, part {part}", kernels.name);
                assert_same_bits(&y[67 * part..][..67], &expected[67 * t..][..67], &what);
            }
        }
    }
}

/// The product of one row that has one scale, 1, with one token.
fn whole_row(kernels: &Kernels, codes: Vec<i8>, q: Vec<i8>) -> f32 {
    let (cols, scales, a) = (codes.len(), vec![half::f16::ONE], vec![1.0]);
    let (name, factor) = (String::new(), None);
    let case = Case { name, rows: 1, cols, group: cols, factor, tokens: 1, codes, scales, q, a };
    let mut y = [f32::NAN];
    kernels.gemv_ternary(&matrix(kernels, &case), 0..1, &case.q, 1.0, &mut y);
    y[0]
}

#[test]
fn gemm_ternary_sums_the_widest_group_exactly() {
    // Sixteen columns more, and i32 would not hold it.
    let most = 128 * GROUP_MAX as i64;
    assert!(i32::try_from(most).is_ok() && i32::try_from(most + 16 * 128).is_err());
    for kernels in Kernels::available() {
        for (code, sum) in [(-1, most), (1, -most)] {
            let y = whole_row(kernels, vec![code; GROUP_MAX], vec![-128; GROUP_MAX]);
            assert_eq!(f64::from(y), sum as f64, "{}", kernels.name);
        }
    }
}

#[test]
fn gemm_ternary_rounds_a_sum_that_f32_lacks_once_and_to_even() {
    // 131,072 columns of 128 are 2^24, up to where f32 has every integer.
    for kernels in Kernels::available() {
        let of = |cols: usize, first: i8| {
            let mut q = vec![-128; cols];
            q[0] = first;
            f64::from(whole_row(kernels, vec![-1; cols], q))
        };
        assert_eq!(of(131_072, -128), 16_777_216.0);
        assert_eq!(of(131_072, -127), 16_777_215.0);
        // 2^24 + 2,048 less 1 and less 3, which lie between two numbers of f32.
        assert_eq!(of(131_088, -127), 16_779_264.0, "{}", kernels.name);
        assert_eq!(of(131_088, -125), 16_779_260.0, "{}", kernels.name);
    }
}
