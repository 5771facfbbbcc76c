//! Every op of the CPU backend, on every row of the table of kernels, against the plain reference loops.

use crate::cases::Noise;
use cpu::ops::{
    HyperCoefficients, HyperWeights, PAGE_STEP, Pages, RopeTable, k_transposed_len, transpose_key,
};
use cpu::{Kernels, TernaryMatrix};
use formats::ternary::{GROUP, quantise_group};
use half::f16;
use model::config::{Activation, RopeKind};
use model::reference;
use model::rope::Frequencies;

/// Another order of summation in f32 over at most a thousand terms, relative to the largest output;
/// measured 6e-7 at worst.
const TOL_SUM: f32 = 2e-6;

/// `TOL_SUM`, then an exponential, a division and a second sum; measured 4e-7 at worst.
const TOL_SOFTMAX: f32 = 2e-6;

fn noise(seed: u64, n: usize) -> Vec<f32> {
    let mut noise = Noise::new(seed);
    (0..n).map(|_| noise.float()).collect()
}

#[track_caller]
fn assert_close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(0.0f32, |m, w| m.max(w.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * largest, "{what}: element {i} is {g}, expected {w}");
    }
}

#[test]
fn rms_norm_is_the_reference() {
    for n in [8, 100, 256, 1000] {
        let (x, gain) = (noise(1, n), noise(2, n));
        for kernels in Kernels::available() {
            for gain in [None, Some(gain.as_slice())] {
                let mut y = vec![0.0; n];
                kernels.rms_norm(&x, gain, 1e-5, &mut y);
                assert_close(&y, &reference::rms_norm(&x, gain, 1e-5), TOL_SUM, kernels.name);
            }
        }
    }
}

#[test]
fn quantise_is_the_reference_bit_for_bit() {
    let mut rows = vec![vec![0.0; 40], vec![1e-44; 40], vec![-3.0; 40], vec![f32::MAX; 8]];
    rows.extend((0..50).map(|i| noise(i, 1 + 13 * i as usize)));
    // Ties: a = 1, so halves must go to even.
    rows.push((0..128).map(|i| if i == 0 { 127.0 } else { i as f32 - 63.5 }).collect());
    for x in rows {
        for kernels in Kernels::available() {
            let mut q = vec![9; x.len()];
            let a = kernels.quantise(&x, &mut q);
            assert_eq!((a, q), reference::quantise(&x), "{}", kernels.name);
        }
    }
}

#[test]
fn bitlinear_is_the_reference() {
    for (rows, cols) in [(5, 128), (64, 256), (33, 640)] {
        let (w, x) = (noise(3, rows * cols), noise(4, cols));
        let mut codes = vec![0; rows * cols];
        let scales: Vec<f16> =
            w.chunks(GROUP).zip(codes.chunks_mut(GROUP)).map(|(w, t)| quantise_group(w, t)).collect();
        for kernels in Kernels::available() {
            let m = TernaryMatrix::from_codes(kernels, rows, cols, &codes, &scales);
            let (mut q, mut y) = (vec![0; cols], vec![0.0; rows]);
            let a = kernels.quantise(&x, &mut q);
            kernels.gemv_ternary(&m, 0..rows, &q, a, &mut y);
            assert_close(&y, &reference::bitlinear(&w, &x), TOL_SUM, kernels.name);
        }
    }
}

#[test]
fn rope_is_the_reference() {
    let (head_dim, heads) = (32, 3);
    let frequencies = [32, 12].map(|dims| Frequencies::plain(dims, 10_000.0));
    let tables = frequencies.each_ref().map(|frequencies| (frequencies, RopeTable::new(2000, frequencies)));
    for position in [0, 1, 77, 1999] {
        for kind in [RopeKind::HalfSplit, RopeKind::Interleaved] {
            for (frequencies, table) in &tables {
                let x = noise(5, heads * head_dim);
                let mut want = x.clone();
                reference::rope(&mut want, head_dim, position, frequencies, kind);
                for kernels in Kernels::available() {
                    let mut y = x.clone();
                    let (cos, sin) = table.at(position);
                    kernels.rope(&mut y, head_dim, cos, sin, kind);
                    assert_close(&y, &want, TOL_SUM, kernels.name);
                }
            }
        }
    }
}

#[test]
fn attention_is_the_reference() {
    let (tokens, heads, kv_heads, hd) = (45, 6, 2, 16);
    let q = noise(6, tokens * heads * hd);
    let (k, v) = (noise(7, tokens * kv_heads * hd), noise(8, tokens * kv_heads * hd));
    let want = reference::attention(&q, &k, &v, heads, kv_heads, hd);
    for kernels in Kernels::available() {
        let mut out = vec![0.0; q.len()];
        for h in 0..heads {
            let kv = h / (heads / kv_heads);
            let (mut kt, mut vh) = (vec![0.0; k_transposed_len(tokens, hd)], Vec::new());
            for t in 0..tokens {
                let at = (t * kv_heads + kv) * hd;
                transpose_key(t, &k[at..at + hd], &mut kt);
                vh.extend_from_slice(&v[at..at + hd]);
            }
            let values = kt.len();
            kt.extend(vh);
            let pages = Pages { pages: &[&kt], positions: PAGE_STEP, keys: 0, values };
            let (stride, scale) = (heads * hd, 1.0 / (hd as f32).sqrt());
            kernels.attention(
                &q[h * hd..],
                stride,
                0,
                tokens,
                pages,
                hd,
                scale,
                &mut out[h * hd..],
                stride,
                None,
                &mut Vec::new(),
            );
        }
        assert_close(&out, &want, TOL_SOFTMAX, kernels.name);
    }
}

#[test]
fn activation_is_the_reference() {
    let (gate, up): (Vec<f32>, Vec<f32>) =
        (noise(9, 300).iter().map(|x| 20.0 * x).collect(), noise(10, 300).iter().map(|x| 3.0 * x).collect());
    for kind in [Activation::SwiGlu, Activation::Relu2, Activation::Relu2Gated] {
        for kernels in Kernels::available() {
            let mut y = vec![0.0; up.len()];
            kernels.activation(kind, &gate, &up, &mut y);
            assert_close(&y, &reference::activation(kind, &gate, &up), TOL_SUM, kernels.name);
        }
    }
}

#[test]
fn hyper_connections_are_the_reference() {
    for (n, permutations) in [(1, 1), (2, 2), (4, 24)] {
        let d = 48;
        let (x, f) = (noise(11, n * d), noise(12, d));
        let weight = [noise(13, n * n * d), noise(14, n * n * d), noise(15, permutations * n * d)];
        let bias = [noise(16, n), noise(17, n), noise(18, permutations)];
        let (alpha, eps) = ([0.3, -0.2, 0.4], 1e-6);
        let weight = [weight[0].as_slice(), &weight[1], &weight[2]];
        let bias = [bias[0].as_slice(), &bias[1], &bias[2]];
        let want = reference::hyper_coefficients(&reference::Hyper { alpha, weight, bias, eps }, &x, n);
        for kernels in Kernels::available() {
            let mut c = HyperCoefficients::default();
            kernels.hyper_coefficients(&HyperWeights { streams: n, eps, alpha, weight, bias }, &x, &mut c);
            assert_close(&c.pre[..n], &want.pre, TOL_SOFTMAX, "pre");
            assert_close(&c.post[..n], &want.post, TOL_SOFTMAX, "post");
            assert_close(&c.mix[..n * n], &want.mix, TOL_SOFTMAX, "mix");
            let (mut read, mut write) = (vec![0.0; d], vec![0.0; n * d]);
            kernels.hyper_read(&c, &x, &mut read);
            kernels.hyper_write(&c, &x, &f, &mut write);
            assert_close(&read, &reference::hyper_read(&want, &x, d), TOL_SOFTMAX, "read");
            assert_close(&write, &reference::hyper_write(&want, &x, &f), TOL_SOFTMAX, "write");
        }
    }
}
