//! Speed of the ternary products on one thread, best of many repetitions, as CSV: every row of the table of
//! kernels but scalar, or the one that `TERCET_KERNELS` names.
//! `cargo run --release -p cpu --example kernel_speed`

use std::hint::black_box;
use std::time::{Duration, Instant};

use cpu::{Kernels, TernaryMatrix, VecLutMatrix};
use half::f16;

const SHAPES: [(usize, usize); 9] = [
    (256, 256),
    (768, 256),
    (256, 768),
    (1152, 384),
    (1024, 1024),
    (2048, 2048),
    (2560, 6912),
    (4096, 4096),
    (50_304, 256),
];

/// Seconds of the best call, over at least 0.2 s.
fn seconds_best(mut f: impl FnMut()) -> f64 {
    let (mut best, start) = (f64::MAX, Instant::now());
    while start.elapsed() < Duration::from_millis(200) {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
    }
    best
}

fn main() -> Result<(), String> {
    let table = match std::env::var_os("TERCET_KERNELS") {
        Some(_) => vec![Kernels::chosen()?],
        None => Kernels::available().split_off(1),
    };
    println!("kernels,op,rows,cols,tokens,us,gops");
    let report = |kernels: &Kernels, op: &str, rows: usize, cols: usize, n: usize, s: f64| {
        let gops = 2.0 * (rows * cols * n) as f64 / s / 1e9;
        println!("{},{op},{rows},{cols},{n},{:.2},{gops:.1}", kernels.name, s * 1e6);
    };
    for (rows, cols) in SHAPES {
        let codes: Vec<i8> =
            (0..rows * cols).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as i8 % 2).collect();
        let scales = vec![f16::from_f32(0.01); rows * cols / 128];
        let activations = |n: usize| {
            let q: Vec<i8> = (0..n * cols).map(|i| ((i as f32 * 0.37).sin() * 127.0) as i8).collect();
            (q, vec![0.02f32; n], vec![0.0f32; n * rows])
        };
        for &kernels in &table {
            let m = TernaryMatrix::from_codes(kernels, rows, cols, &codes, &scales);
            for n in [1, 2, 4, 8, 10, 12, 16, 128] {
                let (q, a, mut y) = activations(n);
                let s = seconds_best(|| kernels.gemm_ternary(&m, 0..rows, black_box(&q), &a, &mut y, rows));
                report(kernels, "gemm_ternary", rows, cols, n, s);
            }
        }
        let kernels = table[table.len() - 1];
        let mut m = VecLutMatrix::new(rows, cols);
        let s = seconds_best(|| m.repack_from_codes(kernels, black_box(&codes), &scales));
        report(kernels, "repack_veclut", rows, cols, 1, s);
        for n in [16, 64, 512] {
            let (q, a, mut y) = activations(n);
            let s = seconds_best(|| kernels.gemm_veclut(&m, black_box(&q), &a, &mut y));
            report(kernels, "gemm_veclut", rows, cols, n, s);
        }
    }
    Ok(())
}
