//! The runtime's row ops, which training calls, against the oracle's formulas: when a whole model's loss
//! disagrees, this says which op it is not.

use super::oracle::hyper::{self, Projection};
use super::oracle::random::Random;
use super::oracle::{ops, rounding};
use cpu::Kernels;
use cpu::ops::{
    HyperCoefficients, HyperWeights, PAGE_STEP, Pages, RopeTable, k_transposed_len, permutations,
    transpose_key,
};
use model::config::{Activation, RopeKind};
use model::rope::Frequencies;

/// f32 sums of at most 512 terms of order one.
const TOL_F32: f64 = 3e-6;

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|v| *v as f32).collect()
}

fn assert_close(op: &str, got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{op}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*g) - w).abs();
        assert!(error <= TOL_F32 * (1.0 + w.abs()), "{op}[{i}]: {g}, expected {w}");
    }
}

#[test]
fn rms_norm_matches_the_oracle() {
    for kernels in Kernels::available() {
        for n in [32, 128, 200] {
            let mut random = Random::new(n as u64);
            let (x, gain) = (random.values(n, 3.0), random.values(n, 2.0));
            let mut y = vec![0.0; n];
            kernels.rms_norm(&narrow(&x), Some(&narrow(&gain)), 1e-2, &mut y);
            assert_close("rms_norm", &y, &ops::rms_norm(&x, n, Some(&gain), f64::from(1e-2f32)));
            kernels.rms_norm(&narrow(&x), None, 1e-2, &mut y);
            assert_close("rms_norm without gain", &y, &ops::rms_norm(&x, n, None, f64::from(1e-2f32)));
        }
    }
}

#[test]
fn quantise_matches_the_oracle_exactly() {
    for kernels in Kernels::available() {
        let x = Random::new(1).values(200, 3.0);
        let mut q = vec![0; 200];
        let a = f64::from(kernels.quantise(&narrow(&x), &mut q));
        let back: Vec<f64> = q.iter().map(|q| a * f64::from(*q)).collect();
        assert_eq!(back, rounding::int8(&x, 200), "{}", kernels.name);
    }
}

#[test]
fn rope_matches_the_oracle() {
    let table = RopeTable::new(300, &Frequencies::plain(32, 10_000.0));
    for kernels in Kernels::available() {
        for position in [0, 1, 7, 299] {
            let mut want = Random::new(position as u64).values(3 * 32, 1.0);
            let mut got = narrow(&want);
            let (cos, sin) = table.at(position);
            kernels.rope(&mut got, 32, cos, sin, RopeKind::HalfSplit);
            want.chunks_exact_mut(32).for_each(|head| ops::rope(head, position, 10_000.0));
            assert_close("rope", &got, &want);
        }
    }
}

#[test]
fn attention_matches_the_oracle() {
    let (seq, hd) = (21, 32);
    let mut random = Random::new(2);
    let [q, k, v] = [0; 3].map(|_| random.values(seq * hd, 1.5));
    let want = ops::attention(&q, &k, &v, 1, 1, hd);
    let mut k_transposed = vec![0.0; k_transposed_len(seq, hd)];
    for (position, key) in narrow(&k).chunks_exact(hd).enumerate() {
        transpose_key(position, key, &mut k_transposed);
    }
    let scale = 1.0 / (hd as f32).sqrt();
    for kernels in Kernels::available() {
        let (mut out, mut scratch) = (vec![0.0; seq * hd], Vec::new());
        let (q, v) = (narrow(&q), narrow(&v));
        let page = [&k_transposed[..], &v].concat();
        let positions = seq.next_multiple_of(PAGE_STEP);
        let pages = Pages { pages: &[&page], positions, keys: 0, values: k_transposed.len() };
        kernels.attention(&q, hd, 0, seq, pages, hd, scale, &mut out, hd, None, &mut scratch);
        assert_close("attention", &out, &want);
    }
}

#[test]
fn activation_matches_the_oracle() {
    let mut random = Random::new(3);
    let (gate, up) = (random.values(100, 8.0), random.values(100, 3.0));
    for kernels in Kernels::available() {
        for kind in [Activation::SwiGlu, Activation::Relu2, Activation::Relu2Gated] {
            let mut y = vec![0.0; 100];
            kernels.activation(kind, &narrow(&gate), &narrow(&up), &mut y);
            assert_close("activation", &y, &ops::activate(kind, &gate, &up));
        }
    }
}

#[test]
fn hyper_connection_matches_the_oracle() {
    for n in [2usize, 4] {
        let d = 64;
        let orders = permutations(n).len();
        let mut random = Random::new(n as u64);
        let outputs = [n, n, orders];
        let weight = outputs.map(|o| random.values(o * n * d, 0.3));
        let bias = outputs.map(|o| random.values(o, 2.0));
        let alpha = [0.5, -0.75, 1.25];
        let (x, f) = (random.values(n * d, 2.0), random.values(d, 2.0));
        let eps = 1e-2f32;

        let projection = |i: usize| Projection { weight: &weight[i], bias: &bias[i], alpha: alpha[i] };
        let want = &hyper::coefficients(&x, n, d, [0, 1, 2].map(projection), f64::from(eps))[0];

        let (weight, bias) = (weight.each_ref().map(|w| narrow(w)), bias.each_ref().map(|b| narrow(b)));
        let weights = HyperWeights {
            streams: n,
            eps,
            alpha: alpha.map(|a| a as f32),
            weight: weight.each_ref().map(|w| w.as_slice()),
            bias: bias.each_ref().map(|b| b.as_slice()),
        };
        for kernels in Kernels::available() {
            let mut c = HyperCoefficients::default();
            kernels.hyper_coefficients(&weights, &narrow(&x), &mut c);
            assert_close("pre", &c.pre[..n], &want.pre);
            assert_close("post", &c.post[..n], &want.post);
            assert_close("mix", &c.mix[..n * n], &want.mix);
            let (mut input, mut after) = (vec![0.0; d], vec![0.0; n * d]);
            kernels.hyper_read(&c, &narrow(&x), &mut input);
            kernels.hyper_write(&c, &narrow(&x), &narrow(&f), &mut after);
            assert_close("read", &input, &hyper::gather(&x, &want.pre));
            assert_close("write", &after, &hyper::scatter(&x, want, &f));
        }
    }
}
