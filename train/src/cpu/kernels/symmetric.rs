//! Products that are known to be symmetric: the lower block triangle is computed, the upper one copied.
//! Whether a product is symmetric is the caller's knowledge; here it is not checked.

use super::gemm::gemm;

/// Rows of a block. With 64 a 256 x 256 product does 10/16 of the work of a dense one.
const BLOCK: usize = 64;
/// Side of the squares that are mirrored at a time, so that both sides stay in cache lines.
const MIRROR: usize = 16;

/// `c = alpha * a b + beta * c` where the result is symmetric: `a` (m, k), `b` (k, m), `c` (m, m) row-major.
///
/// Strides as in [`gemm`]. Rounding differences between the two triangles vanish: the upper one is a copy.
pub fn gemm_symmetric(
    m: usize,
    k: usize,
    alpha: f32,
    a: &[f32],
    (a_row, a_col): (usize, usize),
    b: &[f32],
    b_strides: (usize, usize),
    beta: f32,
    c: &mut [f32],
) {
    assert_eq!(c.len(), m * m);
    for first in (0..m).step_by(BLOCK) {
        let end = (first + BLOCK).min(m);
        let a = &a[first * a_row..];
        let c = &mut c[first * m..end * m];
        gemm(end - first, end, k, alpha, a, (a_row, a_col), b, b_strides, beta, c, (m, 1));
    }
    for i in (0..m).step_by(MIRROR) {
        for j in (0..=i).step_by(MIRROR) {
            for row in i..(i + MIRROR).min(m) {
                for col in j..(j + MIRROR).min(row) {
                    c[col * m + row] = c[row * m + col];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::kernels::testing::Lcg;

    #[test]
    fn gemm_symmetric_matches_the_dense_product_and_is_symmetric() {
        let mut rng = Lcg::new(3);
        for (m, k) in [(1, 1), (5, 9), (64, 32), (65, 130), (200, 100)] {
            for transposed in [false, true] {
                let x = rng.vec(m * k);
                let (a, b) = if transposed { ((1, m), (m, 1)) } else { ((k, 1), (1, k)) };
                // The old value is symmetric too.
                let old: Vec<f32> = (0..m * m).map(|i| (i / m + i % m) as f32 * 0.01).collect();
                let (mut want, mut got) = (old.clone(), old);
                gemm(m, m, k, 0.5, &x, a, &x, b, -1.0, &mut want, (m, 1));
                gemm_symmetric(m, k, 0.5, &x, a, &x, b, -1.0, &mut got);
                for i in 0..m {
                    for j in 0..m {
                        assert!((got[i * m + j] - want[i * m + j]).abs() < 1e-5 * (1.0 + (k as f32).sqrt()));
                        assert_eq!(got[i * m + j].to_bits(), got[j * m + i].to_bits());
                    }
                }
            }
        }
    }
}
