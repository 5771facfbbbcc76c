//! The plain loop that speed-ups are counted from: what somebody would write first, compiled for any machine of this
//! architecture. No tables, no packing, no blocking; the compiler may vectorise the inner loop, and does.

use std::ops::Range;

use formats::ternary::GROUP;
use half::f16;

/// Its name among the kernels.
pub const NAME: &str = "plain";

/// A matrix as it comes: a byte a weight, row by row.
#[derive(Debug)]
pub struct PlainMatrix {
    /// Inputs.
    pub cols: usize,
    /// -1, 0 or 1, rows x cols.
    pub codes: Vec<i8>,
    /// Rows x cols / 128.
    pub scales: Vec<f16>,
}

/// For each token, for each row, for each column: multiply and add. `q` (tokens x cols), `a` (tokens),
/// `y[t * y_stride + r - rows.start]`.
pub fn gemm(m: &PlainMatrix, rows: Range<usize>, q: &[i8], a: &[f32], y: &mut [f32], y_stride: usize) {
    for (t, q) in q.chunks_exact(m.cols).enumerate() {
        for r in rows.clone() {
            let mut acc = 0.0;
            for g in 0..m.cols / GROUP {
                let mut sum = 0i32;
                for k in g * GROUP..(g + 1) * GROUP {
                    sum += i32::from(m.codes[r * m.cols + k]) * i32::from(q[k]);
                }
                acc += m.scales[r * (m.cols / GROUP) + g].to_f32() * sum as f32;
            }
            y[t * y_stride + r - rows.start] = a[t] * acc;
        }
    }
}
