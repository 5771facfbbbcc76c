//! Speed of the ternary products on one thread, best of many repetitions, as CSV.
//! `cargo run --release -p runtime --example kernel_speed`

use std::hint::black_box;
use std::time::{Duration, Instant};

use half::f16;
use runtime::cpu::{Kernels, VecLutMatrix};

/// Best time of one call, over at least 0.3 s.
fn seconds_best(mut f: impl FnMut()) -> f64 {
    let (mut best, start) = (f64::MAX, Instant::now());
    while start.elapsed() < Duration::from_millis(300) {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed().as_secs_f64());
    }
    best
}

fn main() {
    println!("kernels,op,rows,cols,tokens,us,gops");
    let kernels = Kernels::best();
    let report = |op: &str, rows: usize, cols: usize, n: usize, s: f64| {
        let gops = 2.0 * (rows * cols * n) as f64 / s / 1e9;
        println!("{},{op},{rows},{cols},{n},{:.2},{gops:.1}", kernels.name, s * 1e6);
    };
    for (rows, cols) in [(256, 256), (768, 256), (256, 768), (1152, 384), (1024, 1024), (4096, 4096)] {
        let codes: Vec<i8> =
            (0..rows * cols).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as i8 % 2).collect();
        let scales = vec![f16::from_f32(0.01); rows * cols / 128];
        let mut m = VecLutMatrix::new(rows, cols);
        let s = seconds_best(|| m.repack_from_codes(kernels, black_box(&codes), &scales));
        report("repack_veclut", rows, cols, 1, s);
        for n in [16, 64, 512] {
            let q: Vec<i8> =
                (0..n * cols).map(|i| (i as f32 * 0.37).sin().mul_add(127.0, 0.0) as i8).collect();
            let a = vec![0.02; n];
            let mut y = vec![0.0; n * rows];
            let s = seconds_best(|| kernels.gemm_veclut(&m, black_box(&q), &a, &mut y));
            report("gemm_veclut", rows, cols, n, s);
        }
    }
}
