//! What the kernels reach on this machine, one thread, best of 0.3 s; print it on a quiet machine:
//! `cargo test --release -p train kernels_speed -- --ignored --nocapture --test-threads 1`.

use super::dx_ternary::{DxMatrix, dx_ternary};
use super::gemm::gemm;
use super::testing::Lcg;
use crate::optim::{adamw, muon};
use cpu::Kernels;
use formats::ternary::GROUP;
use half::f16;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Best time of one call over about 0.3 s of calls.
fn best_seconds(mut run: impl FnMut()) -> f64 {
    run();
    let (start, mut best) = (Instant::now(), f64::MAX);
    while start.elapsed() < Duration::from_millis(300) {
        let t = Instant::now();
        run();
        best = best.min(t.elapsed().as_secs_f64());
    }
    best
}

/// Name, (m, n, k), strides of a, strides of b.
type Shape = (&'static str, (usize, usize, usize), (usize, usize), (usize, usize));

/// The dense products of a step of a small model.
fn dense_shapes() -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    // dW = dY^T X: both operands are token rows.
    for (o, i, tokens) in [
        (256, 256, 512),
        (768, 256, 512),
        (256, 768, 512),
        (256, 256, 1024),
        (768, 256, 1024),
        (384, 384, 1024),
        (1152, 384, 1024),
        (384, 1152, 2048),
    ] {
        shapes.push(("dW = dY^T X", (o, i, tokens), (1, o), (i, 1)));
    }
    for d in [256, 384] {
        shapes.push(("head x E^T", (512, 2048, d), (d, 1), (1, d)));
        shapes.push(("head x E^T", (512, 1024, d), (d, 1), (1, d)));
        shapes.push(("head dE = dL^T x", (1024, d, 512), (1, 1024), (d, 1)));
        shapes.push(("head dx = dL E", (512, d, 1024), (1024, 1), (d, 1)));
    }
    shapes.push(("attention q k^T", (256, 256, 64), (64, 1), (1, 64)));
    shapes.push(("attention p v", (256, 64, 256), (256, 1), (64, 1)));
    shapes.push(("Muon X X^T", (256, 256, 256), (256, 1), (1, 256)));
    shapes.push(("Muon A X", (384, 1152, 384), (384, 1), (1152, 1)));
    shapes
}

#[test]
#[ignore = "a measurement: prints GFLOP/s"]
fn kernels_speed_gemm() {
    let mut rng = Lcg::new(7);
    for (name, (m, n, k), sa, sb) in dense_shapes() {
        let (a, b, mut c) = (rng.vec(m * k), rng.vec(k * n), vec![0.0; m * n]);
        let t = best_seconds(|| {
            gemm(m, n, k, 1.0, &a, sa, &b, sb, 0.0, &mut c, (n, 1));
            black_box(&c);
        });
        println!("{name:18} m={m:5} n={n:5} k={k:5} {:6.1} GFLOP/s", 2e-9 * (m * n * k) as f64 / t);
    }
}

#[test]
#[ignore = "a measurement: prints GFLOP/s"]
fn kernels_speed_dx_ternary() {
    let mut rng = Lcg::new(7);
    for (rows, cols) in
        [(256, 256), (768, 256), (256, 768), (384, 384), (1152, 384), (384, 1152), (2064, 2048)]
    {
        let tokens = 512;
        let (codes, dy) = (rng.codes(rows * cols), rng.vec(tokens * rows));
        let scales = vec![f16::from_f32(0.02); rows * cols / GROUP];
        let (mut matrix, mut dx) = (DxMatrix::new(rows, cols), vec![0.0; tokens * cols]);
        let repack = best_seconds(|| {
            matrix.repack(&codes, &scales);
            black_box(&matrix);
        });
        print!("dX = dY W rows={rows:5} cols={cols:5}, {tokens} tokens:");
        for kernels in Kernels::available() {
            let t = best_seconds(|| {
                dx_ternary(kernels, &matrix, &dy, &mut dx, false);
                black_box(&dx);
            });
            print!(" {} {:6.1} GFLOP/s", kernels.name, 2e-9 * (rows * cols * tokens) as f64 / t);
        }
        println!(", repack {:.2} Gweights/s", 1e-9 * (rows * cols) as f64 / repack);
    }
}

#[test]
#[ignore = "a measurement: prints ms"]
fn kernels_speed_muon() {
    let mut rng = Lcg::new(7);
    let settings = muon::Settings { momentum: 0.95, ns_steps: 5, weight_decay: 0.0 };
    for (rows, cols) in [(256, 256), (128, 256), (768, 256), (256, 768), (384, 384), (1152, 384), (384, 1152)]
    {
        let (grad, mut w) = (rng.vec(rows * cols), rng.vec(rows * cols));
        let mut momentum = vec![0.0; rows * cols];
        let t = best_seconds(|| {
            muon::update(Kernels::best(), &mut w, &grad, &mut momentum, rows, cols, 0.0, &settings);
            black_box(&w);
        });
        let (m, n) = (rows.min(cols) as f64, rows.max(cols) as f64);
        let dense = 5.0 * (4.0 * m * m * n + 2.0 * m * m * m);
        println!(
            "Muon {rows:4} x {cols:4}: {:5.2} ms, as the textbook iteration {:5.1} GFLOP/s",
            1e3 * t,
            1e-9 * dense / t
        );
    }
}

#[test]
#[ignore = "a measurement: prints ms"]
fn kernels_speed_adamw() {
    let (mut rng, len) = (Lcg::new(7), 1 << 20);
    let (grad, mut w, mut m, mut v) = (rng.vec(len), rng.vec(len), vec![0.0; len], vec![0.0; len]);
    let settings = adamw::Settings { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
    for kernels in Kernels::available() {
        let t = best_seconds(|| {
            adamw::update(kernels, &mut w, &grad, &mut m, &mut v, 1, 0.0, 1.0, &settings);
            black_box(&w);
        });
        println!(
            "AdamW {len} values, {}: {:.2} ms, {:.1} GB/s",
            kernels.name,
            1e3 * t,
            28e-9 * len as f64 / t
        );
    }
}
