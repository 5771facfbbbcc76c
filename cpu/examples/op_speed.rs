//! Speed of the ops on token rows on one thread, best of many repetitions, as CSV: every row of the table of kernels that an instruction set
//! of its own has. `cargo run --release -p cpu --example op_speed`, and a word after `--` for the ops with that word in their name.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cpu::Kernels;
use cpu::ops::{HeadRows, HyperCoefficients, HyperWeights, PAGE_STEP, Pages, RopeTable};
use half::f16;
use model::config::{Activation, RopeKind};
use model::rope::Frequencies;

/// Microseconds of the best call, over at least 0.2 s.
fn us_best(mut f: impl FnMut()) -> f64 {
    let (mut best, start) = (f64::MAX, Instant::now());
    while start.elapsed() < Duration::from_millis(200) {
        // Many at a time: the clock knows no better than some tens of nanoseconds.
        let t = Instant::now();
        (0..16).for_each(|_| f());
        best = best.min(t.elapsed().as_secs_f64());
    }
    best * 1e6 / 16.0
}

/// From the first cache line on: where a buffer starts within one changes times by a quarter.
fn aligned(x: &mut [f32]) -> &mut [f32] {
    let start = x.as_ptr().align_offset(64);
    &mut x[start..]
}

fn noise(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919) as f32 * 0.37).sin()).collect()
}

fn halves(n: usize) -> Vec<f16> {
    noise(n).into_iter().map(f16::from_f32).collect()
}

fn integers(n: usize) -> Vec<i8> {
    noise(n).iter().map(|x| (x * 127.0) as i8).collect()
}

fn main() {
    println!("kernels,op,size,us");
    let all = Kernels::available();
    for kn in [all[0], all[all.len() - 1]] {
        for d in [256, 2048] {
            rows(kn, d);
        }
        for (head_dim, keys) in [(64, 256), (128, 1024)] {
            attention(kn, head_dim, keys);
        }
    }
}

fn report(kn: &Kernels, op: &str, size: impl std::fmt::Display, f: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|word| !op.contains(&word)) {
        return;
    }
    let us = us_best(f);
    println!("{},{op},{size},{us:.3}", kn.name);
}

fn rows(kn: &Kernels, d: usize) {
    let (mut x, mut gain, mut y) = (noise(4 * d + 16), noise(d + 16), vec![0.0; 4 * d + 16]);
    let (x, gain, y) = (&aligned(&mut x)[..4 * d], &aligned(&mut gain)[..d], &mut aligned(&mut y)[..4 * d]);
    let mut q = vec![0i8; d];
    let row = &x[..d];
    report(kn, "rms_norm", d, || _ = kn.rms_norm(black_box(row), Some(gain), 1e-6, &mut y[..d]));
    report(kn, "quantise", d, || _ = kn.quantise(black_box(row), &mut q));
    report(kn, "dot_f32", d, || _ = black_box(kn.dot_f32(black_box(row), gain)));
    report(kn, "add_scaled", d, || kn.add_scaled(0.5, black_box(row), &mut y[..d]));
    let swiglu = || kn.activation(Activation::SwiGlu, black_box(row), gain, &mut y[..d]);
    report(kn, "activation", d, swiglu);
    let table = RopeTable::new(9, &Frequencies::plain(64, 1e4));
    let (cos, sin) = table.at(8);
    report(kn, "rope", d, || kn.rope(black_box(&mut y[..d]), 64, cos, sin, RopeKind::HalfSplit));
    let mut h = halves(d);
    report(kn, "widen_f16", d, || kn.widen_f16(black_box(&h), &mut y[..d]));
    report(kn, "narrow_f16", d, || kn.narrow_f16(black_box(row), &mut h));

    let w = [noise(4 * 4 * d), noise(4 * 4 * d), noise(24 * 4 * d)];
    let b = [noise(4), noise(4), noise(24)];
    let weights = HyperWeights {
        streams: 4,
        eps: 1e-6,
        // So little that no coefficient saturates: products with subnormals take a hundred times as long.
        alpha: [1e-4; 3],
        weight: [&w[0], &w[1], &w[2]],
        bias: [&b[0], &b[1], &b[2]],
    };
    let mut c = HyperCoefficients::default();
    report(kn, "hyper_coefficients", d, || kn.hyper_coefficients(&weights, black_box(x), &mut c));
    report(kn, "hyper_read", d, || kn.hyper_read(&c, black_box(x), &mut y[..d]));
    report(kn, "hyper_write", d, || kn.hyper_write(&c, black_box(x), gain, y));

    let rows = 64;
    let (f16s, codes) = (halves(rows * d), integers(rows * d));
    let scales = noise(rows * d / 32);
    let scaled = HeadRows::Scaled { codes: &codes, scales: &scales, group: 32 };
    let (mut out, mut scratch) = (vec![0.0; 4 * rows], Vec::new());
    for (name, w) in [("head_products f16", HeadRows::F16(&f16s)), ("head_products scaled", scaled)] {
        for tokens in [1, 4] {
            let x = &x[..tokens * d];
            let product = || kn.head_products(w, d, black_box(x), &mut out, rows, &mut scratch);
            report(kn, name, format_args!("{rows}x{d}x{tokens}"), product);
        }
    }
    let product = || kn.head_products_int8(&codes, &scales, 32, black_box(&q), 0.5, &mut out[..rows]);
    report(kn, "head_products_int8", format_args!("{rows}x{d}"), product);
}

fn attention(kn: &Kernels, head_dim: usize, keys: usize) {
    // Halves in pages as the server has them, floats in one as the trainer has them.
    let small: Vec<_> = (0..keys / PAGE_STEP).map(|_| halves(2 * PAGE_STEP * head_dim)).collect();
    let small: Vec<_> = small.iter().map(|page| &page[..]).collect();
    let served = Pages { pages: &small, positions: PAGE_STEP, keys: 0, values: PAGE_STEP * head_dim };
    let large = noise(2 * keys * head_dim);
    let trained = Pages { pages: &[&large], positions: keys, keys: 0, values: keys * head_dim };
    let (hd, mut scratch) = (head_dim, Vec::new());
    for count in [1, 32] {
        let (q, mut out, first) = (noise(count * hd), vec![0.0; count * hd], keys - count);
        let size = format!("{hd}x{keys}x{count}");
        let one = || {
            kn.attention_f16(
                black_box(&q),
                hd,
                first,
                count,
                served,
                hd,
                0.1,
                &mut out,
                hd,
                None,
                &mut scratch,
            );
        };
        report(kn, "attention_f16", &size, one);
        let one = || {
            kn.attention(black_box(&q), hd, first, count, trained, hd, 0.1, &mut out, hd, None, &mut scratch);
        };
        report(kn, "attention", &size, one);
    }
}
