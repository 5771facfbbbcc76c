//! Dense f32 matrix product over strided slices, one thread per call.
//! Checks shapes and hands over to the `gemm` crates; splitting work over threads is the caller's business.
#![expect(
    unsafe_code,
    reason = "the gemm crates take raw pointers; this is the one place that vouches for them"
)]

use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;

/// `c = alpha * a b + beta * c` with `a` (m, k), `b` (k, n), `c` (m, n).
///
/// Strides are `(row, column)` in elements, so a transposed operand is the same slice with its strides swapped.
/// With `beta == 0` the old `c` is not read. The result depends on the shapes and on the processor (its instruction set
/// and the sizes of its caches): same inputs, same machine, same bits.
///
/// Panics if a slice is too short for its shape, or if `c`'s strides make two elements share a place.
pub fn gemm(
    m: usize,
    n: usize,
    k: usize,
    alpha: f32,
    a: &[f32],
    (a_row, a_col): (usize, usize),
    b: &[f32],
    (b_row, b_col): (usize, usize),
    beta: f32,
    c: &mut [f32],
    (c_row, c_col): (usize, usize),
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(k == 0 || extent(m, a_row, k, a_col) <= a.len(), "gemm: a is too short for {m} x {k}");
    assert!(k == 0 || extent(k, b_row, n, b_col) <= b.len(), "gemm: b is too short for {k} x {n}");
    assert!(extent(m, c_row, n, c_col) <= c.len(), "gemm: c is too short for {m} x {n}");
    let by_rows = c_col >= 1 && (m == 1 || c_row > (n - 1) * c_col);
    let by_cols = c_row >= 1 && (n == 1 || c_col > (m - 1) * c_row);
    assert!(by_rows || by_cols, "gemm: elements of c overlap");
    if k == 0 {
        for i in 0..m {
            for j in 0..n {
                let c = &mut c[i * c_row + j * c_col];
                *c = if beta == 0.0 { 0.0 } else { beta * *c };
            }
        }
        return;
    }
    // The crate likes columns: a `c` of rows is the transposed product of the transposed factors.
    let (a, b) = ((a.as_ptr(), a_row, a_col), (b.as_ptr(), b_row, b_col));
    let transposed = |(p, row, col)| (p, col, row);
    let (m, n, a, b, c_row, c_col) = if c_col < c_row {
        (n, m, transposed(b), transposed(a), c_col, c_row)
    } else {
        (m, n, a, b, c_row, c_col)
    };
    let step = |stride: usize| stride as isize;
    // SAFETY: the three extents above hold every element the call touches, `c` is borrowed mutably and
    // its elements are distinct; strides fit isize because extents fit slices.
    unsafe {
        get_gemm_fn()(
            m,
            n,
            k,
            c.as_mut_ptr(),
            step(c_col),
            step(c_row),
            beta != 0.0,
            a.0,
            step(a.2),
            step(a.1),
            b.0,
            step(b.2),
            step(b.1),
            beta,
            alpha,
            false,
            false,
            false,
            Parallelism::None,
        )
    }
}

/// Elements from the first to one past the last of a strided (rows, cols) view.
fn extent(rows: usize, row: usize, cols: usize, col: usize) -> usize {
    let last = (rows - 1).checked_mul(row).zip((cols - 1).checked_mul(col));
    last.and_then(|(r, c)| r.checked_add(c)?.checked_add(1)).expect("strides overflow")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::kernels::testing::Lcg;

    fn plain(
        m: usize,
        n: usize,
        k: usize,
        a: impl Fn(usize, usize) -> f32,
        b: impl Fn(usize, usize) -> f32,
    ) -> Vec<f64> {
        let mut c = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] = (0..k).map(|p| a(i, p) as f64 * b(p, j) as f64).sum();
            }
        }
        c
    }

    #[test]
    fn gemm_matches_plain_loops_for_every_transposition() {
        let mut rng = Lcg::new(1);
        for (m, n, k) in [(1, 1, 1), (5, 7, 3), (17, 33, 65), (64, 48, 300), (6, 16, 1), (130, 257, 70)] {
            let (a, b) = (rng.vec(m * k), rng.vec(k * n));
            for (ta, tb, tc) in
                [(false, false, false), (true, false, false), (false, true, true), (true, true, false)]
            {
                let sa = if ta { (1, m) } else { (k, 1) };
                let sb = if tb { (1, k) } else { (n, 1) };
                let sc = if tc { (1, m) } else { (n, 1) };
                let want = plain(m, n, k, |i, p| a[i * sa.0 + p * sa.1], |p, j| b[p * sb.0 + j * sb.1]);
                let old = rng.vec(m * n);
                for (alpha, beta) in [(1.0, 0.0), (1.0, 1.0), (0.5, -2.0)] {
                    let mut c = if beta == 0.0 { vec![f32::NAN; m * n] } else { old.clone() };
                    gemm(m, n, k, alpha, &a, sa, &b, sb, beta, &mut c, sc);
                    for i in 0..m {
                        for j in 0..n {
                            let at = i * sc.0 + j * sc.1;
                            let o = if beta == 0.0 { 0.0 } else { beta * old[at] };
                            let w = alpha as f64 * want[i * n + j] + o as f64;
                            assert!(
                                (c[at] as f64 - w).abs() < 1e-5 * (1.0 + (k as f64).sqrt()),
                                "{m}x{n}x{k} {i},{j}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn gemm_leaves_the_gaps_of_a_wider_row_alone() {
        let (a, b) = (vec![1.0; 6], vec![1.0; 6]);
        let mut c = vec![7.0; 2 * 5];
        gemm(2, 3, 2, 1.0, &a, (2, 1), &b, (3, 1), 0.0, &mut c, (5, 1));
        assert_eq!(c, [2.0, 2.0, 2.0, 7.0, 7.0, 2.0, 2.0, 2.0, 7.0, 7.0]);
    }

    #[test]
    #[should_panic(expected = "too short")]
    fn gemm_refuses_a_short_slice() {
        gemm(2, 2, 2, 1.0, &[0.0; 3], (2, 1), &[0.0; 4], (2, 1), 0.0, &mut [0.0; 4], (2, 1));
    }

    #[test]
    #[should_panic(expected = "overlap")]
    fn gemm_refuses_overlapping_rows() {
        gemm(2, 2, 2, 1.0, &[0.0; 4], (2, 1), &[0.0; 4], (2, 1), 0.0, &mut [0.0; 4], (1, 1));
    }
}
