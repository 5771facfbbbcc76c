//! The ternary products, bit for bit.

use cpu::{Kernels, VecLutMatrix};
use half::f16;
use train_cuda::driver::Shape;

use crate::harness::{Bench, Numbers, ORDERS, Order, bench};

const GROUP: usize = 128;
/// Kernel, side of its tile, threads, bytes of shared memory.
const KERNELS: [(&str, usize, usize, usize); 2] =
    [("linear_64", 64, 128, 50_176), ("linear_128", 128, 256, 100_352)];
/// Tokens, rows, columns: less than a tile, edges on both sides, more slabs than stages, more groups than a window of scales.
const SHAPES: [(usize, usize, usize); 5] =
    [(1, 8, 128), (33, 72, 256), (64, 64, 512), (7, 200, 1152), (130, 136, 2176)];

struct Case {
    tokens: usize,
    rows: usize,
    cols: usize,
    q: Vec<i8>,
    a: Vec<f32>,
    codes: Vec<i8>,
    scales: Vec<f16>,
}

impl Case {
    fn new((tokens, rows, cols): (usize, usize, usize), seed: u64) -> Case {
        let mut n = Numbers::new(seed);
        let mut q: Vec<i8> =
            (0..tokens * cols).map(|_| n.below(255) as i8 as i32).map(|v| v.max(-127) as i8).collect();
        let mut codes: Vec<i8> = (0..rows * cols).map(|_| n.below(3) as i8 - 1).collect();
        // The largest sums of a group, of both signs, where the first and the last row meet the first token.
        q[..cols].fill(127);
        codes[..cols].fill(1);
        codes[(rows - 1) * cols..].fill(-1);
        let mut a: Vec<f32> = n.vec(tokens).iter().map(|v| v.abs() * 0.05).collect();
        a[tokens - 1] = 0.0;
        let scales = (0..rows * cols / GROUP)
            .map(|i| f16::from_f32(if i % 7 == 3 { -0.3 } else { n.uniform().abs() * 0.1 + 6.2e-5 }))
            .collect();
        Case { tokens, rows, cols, q, a, codes, scales }
    }

    /// As docs/numerics.md says it.
    fn expected(&self) -> Vec<f32> {
        let groups = self.cols / GROUP;
        let mut y = Vec::with_capacity(self.tokens * self.rows);
        for (q, a) in self.q.chunks(self.cols).zip(&self.a) {
            for (codes, scales) in self.codes.chunks(self.cols).zip(self.scales.chunks(groups)) {
                let mut sum = 0.0f32;
                for ((q, t), s) in q.chunks(GROUP).zip(codes.chunks(GROUP)).zip(scales) {
                    let dot: i32 = q.iter().zip(t).map(|(q, t)| i32::from(*q) * i32::from(*t)).sum();
                    sum += s.to_f32() * dot as f32;
                }
                y.push(a * sum);
            }
        }
        y
    }

    fn run(&self, b: &Bench, (kernel, side, threads, shared): (&str, usize, usize, usize)) -> Vec<f32> {
        let scales: Vec<u16> = self.scales.iter().map(|s| s.to_bits()).collect();
        let (q, a, codes, scales) =
            (b.upload(&self.q), b.upload(&self.a), b.upload(&self.codes), b.upload(&scales));
        let y = b.room::<f32>(self.tokens * self.rows);
        let blocks = [self.rows.div_ceil(side), self.tokens.div_ceil(side), 1];
        let args = [
            q.arg(),
            a.arg(),
            codes.arg(),
            scales.arg(),
            y.arg(),
            self.tokens.into(),
            self.rows.into(),
            self.cols.into(),
        ];
        b.run("linear", kernel, Shape { blocks, threads, shared }, &args);
        b.download(&y)
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn linear_has_the_bits_of_the_plain_loops() {
    let Some(b) = bench() else { return };
    for (i, shape) in SHAPES.into_iter().enumerate() {
        let case = Case::new(shape, i as u64);
        let expected = bits(&case.expected());
        for kernel in KERNELS {
            assert_eq!(bits(&case.run(&b, kernel)), expected, "{} {shape:?}", kernel.0);
        }
    }
}

#[test]
fn linear_has_the_bits_of_the_processor() {
    let Some(b) = bench() else { return };
    let case = Case::new((40, 96, 1280), 9);
    let mut matrix = VecLutMatrix::new(case.rows, case.cols);
    matrix.repack_from_codes(Kernels::best(), &case.codes, &case.scales);
    let mut expected = vec![0.0; case.tokens * case.rows];
    Kernels::best().gemm_veclut(&matrix, &case.q, &case.a, &mut expected);
    for kernel in KERNELS {
        assert_eq!(bits(&case.run(&b, kernel)), bits(&expected), "{}", kernel.0);
    }
}

#[test]
fn linear_has_no_race() {
    let Some(b) = bench() else { return };
    let case = Case::new((70, 72, 1152), 4);
    let expected = bits(&case.expected());
    for kernel in KERNELS {
        for order in ORDERS {
            b.order(order);
            assert_eq!(bits(&case.run(&b, kernel)), expected, "{} {order:?}", kernel.0);
        }
    }
    b.order(Order::Forward);
}
