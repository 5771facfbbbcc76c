//! Hyper-connections: the processor's bits forward, the formulas in f64 backward.

use cpu::Kernels;
use cpu::ops::{HyperCoefficients, HyperWeights, permutations};
use train_cuda::driver::{Arg, Buffer, Shape};

use crate::harness::{Bench, Numbers, bench};
use crate::rows::*;

const EPS: f32 = 1e-5;
/// Tokens, width, streams.
const SHAPES: [(usize, usize, usize); 6] =
    [(1, 128, 2), (33, 256, 2), (7, 384, 4), (19, 128, 4), (10, 1152, 2), (3, 1152, 4)];

/// Places in a record; see kernels/hyper.cuh.
const RECORD: usize = 128;
const PRE: usize = 4;
const POST: usize = 8;
const MIX: usize = 12;
const SHARE: usize = 28;
const PROJECTED: [usize; 3] = [52, 56, 60];
const D_LOGITS: usize = 84;
const COEF_GRADIENTS: usize = 20;

struct Case {
    tokens: usize,
    width: usize,
    n: usize,
    x: Vec<f32>,
    f: Vec<f32>,
    weight: [Vec<f32>; 3],
    bias: [Vec<f32>; 3],
    alpha: [f32; 3],
    coefs: Vec<HyperCoefficients>,
}

impl Case {
    fn new((tokens, width, n): (usize, usize, usize)) -> Case {
        let mut r = Numbers::new((width * n) as u64);
        let outputs = [n, n, permutations(n).len()];
        let mut case = Case {
            tokens,
            width,
            n,
            x: r.vec(tokens * n * width),
            f: r.vec(tokens * width),
            weight: outputs.map(|o| r.vec(o * n * width).iter().map(|v| v * 0.1).collect()),
            bias: outputs.map(|o| r.vec(o)),
            alpha: [0.7, -1.3, 0.9],
            coefs: vec![HyperCoefficients::default(); tokens],
        };
        case.decide();
        case
    }

    /// The coefficients that the processor decides.
    fn decide(&mut self) {
        let (width, n) = (self.width, self.n);
        let w = HyperWeights {
            streams: n,
            eps: EPS,
            alpha: self.alpha,
            weight: self.weight.each_ref().map(|w| &w[..]),
            bias: self.bias.each_ref().map(|b| &b[..]),
        };
        for (x, c) in self.x.chunks(n * width).zip(&mut self.coefs) {
            Kernels::best().hyper_coefficients(&w, x, c);
        }
    }

    fn name(&self) -> String {
        format!("{} x {}, {} streams", self.tokens, self.width, self.n)
    }

    fn outputs(&self) -> [usize; 3] {
        [self.n, self.n, permutations(self.n).len()]
    }

    /// The records as kernels keep them.
    fn records(&self) -> Vec<f32> {
        let mut all = vec![0.0; self.tokens * RECORD];
        for (record, c) in all.chunks_mut(RECORD).zip(&self.coefs) {
            let (n, order) = (self.n, permutations(self.n).len());
            record[0] = c.inv_rms;
            record[PRE..PRE + n].copy_from_slice(&c.pre[..n]);
            record[POST..POST + n].copy_from_slice(&c.post[..n]);
            record[MIX..MIX + n * n].copy_from_slice(&c.mix[..n * n]);
            record[SHARE..SHARE + order].copy_from_slice(&c.share[..order]);
            for part in 0..3 {
                let len = self.outputs()[part];
                record[PROJECTED[part]..PROJECTED[part] + len].copy_from_slice(&c.projected[part][..len]);
            }
        }
        all
    }

    /// Weights, biases, alphas on the device.
    fn parameters(&self, b: &Bench) -> Vec<Buffer<f32>> {
        let arrays = self.weight.iter().chain(&self.bias).map(|a| b.upload(a));
        arrays.chain(self.alpha.iter().map(|a| b.upload(&[*a]))).collect()
    }
}

fn args(buffers: &[Buffer<f32>]) -> Vec<Arg> {
    buffers.iter().map(|b| b.arg()).collect()
}

#[test]
fn hyper_read_has_the_processors_bits() {
    let Some(b) = bench() else { return };
    for case in SHAPES.map(Case::new) {
        let (tokens, width, n) = (case.tokens, case.width, case.n);
        let parameters = case.parameters(&b);
        let (coefs, y) = in_every_order(&b, &case.name(), || {
            // What a record does not say stays what it was.
            let (x, coefs) = (b.upload(&case.x), b.upload(&vec![0.0f32; tokens * RECORD]));
            let y = b.room::<f32>(tokens * width);
            let mut list = vec![x.arg()];
            list.extend(args(&parameters));
            list.extend(values![coefs.arg(), y.arg(), tokens, width, n, EPS]);
            let shared = if n == 2 { 17_408 } else { 43_520 };
            b.run("hyper", "hyper_read", Shape::line(tokens.div_ceil(8), 256).shared(shared), &list);
            (b.download(&coefs), b.download(&y))
        });
        same_bits(&case.name(), &coefs, &case.records());
        let mut want = vec![0.0; tokens * width];
        let rows = case.x.chunks(n * width).zip(want.chunks_mut(width)).zip(&case.coefs);
        rows.for_each(|((x, y), c)| Kernels::best().hyper_read(c, x, y));
        same_bits(&case.name(), &y, &want);
    }
}

#[test]
fn hyper_write_has_the_processors_bits() {
    let Some(b) = bench() else { return };
    for case in SHAPES.map(Case::new) {
        let (tokens, width, n) = (case.tokens, case.width, case.n);
        let (x, f, coefs) = (b.upload(&case.x), b.upload(&case.f), b.upload(&case.records()));
        for dropout in DROPOUTS {
            let mut dropped = case.f.clone();
            dropout.apply(width, &mut dropped);
            let mut want = vec![0.0; case.x.len()];
            let rows = case.x.chunks(n * width).zip(want.chunks_mut(n * width));
            for (((x, out), f), c) in rows.zip(dropped.chunks(width)).zip(&case.coefs) {
                Kernels::best().hyper_write(c, x, f, out);
            }
            let (words, out) = (dropout.words(&b), b.room::<f32>(want.len()));
            let mut list = vec![x.arg(), coefs.arg(), f.arg(), words.arg(), out.arg()];
            list.extend(values![tokens, width, n]);
            list.extend(dropout.args());
            b.run("hyper", "hyper_write", line(tokens * width), &list);
            same_bits(&format!("{} {dropout:?}", case.name()), &b.download(&out), &want);
        }
    }
}

/// `train::cpu::ops::hyper::write_backward` in f64: d_f, the gradients of post and R, d_x before the write.
fn write_backward(case: &Case, dropout: Dropout, d_x: &[f32]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (width, n) = (case.width, case.n);
    let factors = dropout.factors(width, case.tokens);
    let (mut d_f, mut gradients, mut before) = (Vec::new(), Vec::new(), Vec::new());
    for t in 0..case.tokens {
        let d = |i: usize, c: usize| f64::from(d_x[(t * n + i) * width + c]);
        let x = |i: usize, c: usize| f64::from(case.x[(t * n + i) * width + c]);
        let factor = |c: usize| factors[t * width + c];
        let f = |c: usize| f64::from(case.f[t * width + c]) * factor(c);
        let k = &case.coefs[t];
        d_f.extend(
            (0..width).map(|c| factor(c) * (0..n).map(|i| f64::from(k.post[i]) * d(i, c)).sum::<f64>()),
        );
        let mut g = vec![0.0; COEF_GRADIENTS];
        for i in 0..n {
            g[i] = (0..width).map(|c| d(i, c) * f(c)).sum();
            for j in 0..n {
                g[4 + i * n + j] = (0..width).map(|c| d(i, c) * x(j, c)).sum();
            }
        }
        gradients.extend(g);
        for j in 0..n {
            before.extend(
                (0..width).map(|c| (0..n).map(|i| f64::from(k.mix[i * n + j]) * d(i, c)).sum::<f64>()),
            );
        }
    }
    (d_f, gradients, before)
}

#[test]
fn hyper_write_backward_is_the_gradient() {
    let Some(b) = bench() else { return };
    for case in SHAPES.map(Case::new) {
        let (tokens, width, n) = (case.tokens, case.width, case.n);
        let d_x = Numbers::new(4).vec(case.x.len());
        for (build, dropout) in BUILDS.into_iter().flat_map(|build| DROPOUTS.map(|d| (build, d))) {
            let what = format!("{build:?} {} {dropout:?}", case.name());
            let (d_f, gradients, before) = in_every_order(&b, &what, || {
                let (x, coefs, f) = (b.upload(&case.x), b.upload(&case.records()), b.upload(&case.f));
                let (words, d, d_f) = (dropout.words(&b), b.upload(&d_x), build.room(&b, tokens * width));
                let gradients = b.upload(&vec![0.0f32; tokens * COEF_GRADIENTS]);
                let mut list =
                    vec![x.arg(), coefs.arg(), f.arg(), words.arg(), d.arg(), d_f.arg(), gradients.arg()];
                list.extend(values![tokens, width]);
                list.extend(dropout.args());
                let name = format!("hyper_write_backward_{n}");
                b.run(&build.module("hyper_backward"), &name, Shape::line(tokens.div_ceil(8), 256), &list);
                (d_f.download(&b), b.download(&gradients), b.download(&d))
            });
            let want = write_backward(&case, dropout, &d_x);
            near(&what, &d_f, &want.0, 1e-6 + build.rounding());
            near(&what, &gradients, &want.1, 1e-6);
            near(&what, &before, &want.2, 1e-6);
        }
    }
}

/// Training starts with nearly all the share on the identity: what is left for the other permutations must keep its digits.
#[test]
fn hyper_logits_backward_keeps_the_digits_of_small_shares() {
    let Some(b) = bench() else { return };
    for shape in [(9, 128, 2), (9, 128, 4)] {
        let mut case = Case::new(shape);
        case.bias[2][0] += 14.0;
        case.decide();
        let (tokens, width, n) = shape;
        let mut r = Numbers::new(7);
        let (d_y, mut gradients) = (r.vec(tokens * width), r.vec(tokens * COEF_GRADIENTS));
        gradients.iter_mut().for_each(|g| *g += 100.0);
        let (x, coefs) = (b.upload(&case.x), b.upload(&case.records()));
        let (g, dy, parameters) = (b.upload(&gradients), b.upload(&d_y), case.parameters(&b));
        let mut list = vec![x.arg(), coefs.arg(), g.arg(), dy.arg()];
        list.extend(args(&parameters[6..]));
        list.extend(values![tokens, width, n]);
        b.run("hyper_backward.f32", "hyper_logits_backward", Shape::line(tokens.div_ceil(8), 256), &list);
        let order = permutations(n);
        for (t, record) in b.download(&coefs).chunks(RECORD).enumerate() {
            let g = &gradients[t * COEF_GRADIENTS + 4..];
            let along =
                |k: usize| (0..n).map(|i| f64::from(g[i * n + usize::from(order[k][i])])).sum::<f64>();
            let share = |k: usize| f64::from(case.coefs[t].share[k]);
            let mean: f64 = (0..order.len()).map(|k| share(k) * (along(k) - along(0))).sum();
            for k in 0..order.len() {
                let (got, want) =
                    (f64::from(record[D_LOGITS + 2 * n + k]), share(k) * (along(k) - along(0) - mean));
                // Differences of about 1 between sums of about 400, times the share that is moved.
                let moved: f64 = if k == 0 { (1..order.len()).map(share).sum() } else { share(k) };
                let error = (got - want).abs() / moved;
                assert!(error < 4e-4, "{n} streams, token {t}, {k}: {got:e}, expected {want:e}, {error:e}");
            }
        }
    }
}

/// `train::cpu::ops::hyper::read_backward` in f64: what is added to d_x, and the gradients of weights, biases, alphas.
fn read_backward(case: &Case, gradients: &[f32], d_y: &[f32]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (width, n) = (case.width, case.n);
    let (wide_row, order) = (n * width, permutations(n));
    let mut d_x = vec![0.0; case.x.len()];
    let outputs = case.outputs();
    let mut p: Vec<Vec<f64>> = outputs.iter().map(|o| vec![0.0; o * wide_row]).collect();
    p.extend(outputs.iter().map(|o| vec![0.0; *o]));
    p.extend((0..3).map(|_| vec![0.0]));
    for t in 0..case.tokens {
        let (x, d_y) = (wide(&case.x[t * wide_row..][..wide_row]), wide(&d_y[t * width..][..width]));
        let (c, g) = (&case.coefs[t], wide(&gradients[t * COEF_GRADIENTS..][..COEF_GRADIENTS]));
        let d_x = &mut d_x[t * wide_row..][..wide_row];
        let mut d_logit = [[0.0f64; 24]; 3];
        for i in 0..n {
            let (pre, post) = (f64::from(c.pre[i]), f64::from(c.post[i]));
            let d_pre: f64 = (0..width).map(|k| d_y[k] * x[i * width + k]).sum();
            d_logit[0][i] = d_pre * pre * (1.0 - pre);
            d_logit[1][i] = g[i] * post * (1.0 - 0.5 * post);
            (0..width).for_each(|k| d_x[i * width + k] += pre * d_y[k]);
        }
        let along = |k: usize| (0..n).map(|i| g[4 + i * n + usize::from(order[k][i])]).sum::<f64>();
        // Shares are rounded and do not quite add up to 1, so it matters what is measured from.
        let along = |k: usize| along(k) - along(0);
        let mean: f64 = (0..order.len()).map(|k| f64::from(c.share[k]) * along(k)).sum();
        (0..order.len()).for_each(|k| d_logit[2][k] = f64::from(c.share[k]) * (along(k) - mean));
        let (r, mut d_u) = (f64::from(c.inv_rms), vec![0.0; wide_row]);
        for part in 0..3 {
            let alpha = f64::from(case.alpha[part]);
            for j in 0..outputs[part] {
                let d = d_logit[part][j];
                p[3 + part][j] += d;
                p[6 + part][0] += d * f64::from(c.projected[part][j]);
                for k in 0..wide_row {
                    d_u[k] += alpha * d * f64::from(case.weight[part][j * wide_row + k]);
                    p[part][j * wide_row + k] += alpha * d * r * x[k];
                }
            }
        }
        let s = d_u.iter().zip(&x).map(|(d, x)| d * x).sum::<f64>() * r.powi(3) / wide_row as f64;
        (0..wide_row).for_each(|k| d_x[k] += d_u[k] * r - x[k] * s);
    }
    (d_x, p)
}

#[test]
fn hyper_read_backward_is_the_gradient() {
    let Some(b) = bench() else { return };
    for case in SHAPES.map(Case::new) {
        let (tokens, width, n) = (case.tokens, case.width, case.n);
        let mut r = Numbers::new(6);
        let (d_y, before, gradients) =
            (r.vec(tokens * width), r.vec(case.x.len()), r.vec(tokens * COEF_GRADIENTS));
        let (mut want_x, want) = read_backward(&case, &gradients, &d_y);
        want_x.iter_mut().zip(&before).for_each(|(w, b)| *w += f64::from(*b));
        let parameters = case.parameters(&b);
        let outputs: usize = case.outputs().iter().sum();
        let part = outputs * n * width + (outputs + 3).next_multiple_of(4);
        for (blocks, accumulate) in [(1, false), (3, true), (20, false)] {
            let what = format!("{}, {blocks} ranges", case.name());
            let (d_x, got) = in_every_order(&b, &what, || {
                let (x, coefs, d) = (b.upload(&case.x), b.upload(&case.records()), b.upload(&before));
                let (dy, g) = (b.upload(&d_y), b.upload(&gradients));
                let parts = b.room::<f32>(blocks * part);
                let mut list = vec![x.arg(), coefs.arg(), g.arg(), dy.arg()];
                list.extend(args(&parameters[6..]));
                list.extend(values![tokens, width, n]);
                let module = "hyper_backward.f32";
                b.run(module, "hyper_logits_backward", Shape::line(tokens.div_ceil(8), 256), &list);
                let mut list = vec![x.arg(), coefs.arg(), dy.arg()];
                list.extend(args(&parameters[..3]));
                list.extend(args(&parameters[6..]));
                list.extend(values![d.arg(), parts.arg(), tokens, width]);
                let shape = Shape { blocks: [n * width / 256, blocks, 1], threads: 128, shared: 0 };
                b.run(module, &format!("hyper_read_backward_{n}"), shape, &list);
                let sums: Vec<Buffer<f32>> = want.iter().map(|w| b.upload(&vec![0.5f32; w.len()])).collect();
                let mut list = vec![parts.arg()];
                list.extend(args(&sums));
                list.extend(values![blocks, width, n, accumulate]);
                let floats = outputs * (n * width + 1) + 3;
                b.run(module, "hyper_parts", Shape::line(floats.div_ceil(32), 512), &list);
                (b.download(&d), sums.iter().map(|s| b.download(s)).collect::<Vec<_>>())
            });
            near(&what, &d_x, &want_x, 2e-6);
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                let start = if accumulate { 0.5 } else { 0.0 };
                let want: Vec<f64> = want.iter().map(|w| w + start).collect();
                near(&format!("{what}, parameter {i}"), got, &want, 1e-5);
            }
        }
    }
}
