//! RMS norm, alone and before int8 codes or the head: the processor's bits forward, f64 backward.

use cpu::Kernels;
use half::f16;
use train_cuda::driver::{Arg, Shape};

use crate::harness::{Bench, Numbers, bench};
use crate::rows::*;

const EPS: f32 = 1e-5;
const SHAPES: [(usize, usize); 7] =
    [(1, 128), (33, 256), (7, 384), (10, 1152), (3, 3072), (2, 6912), (1, 12_288)];

/// Rows of every size, one of zeros, one too small to be quantised, one as large as squares can be summed.
fn rows(tokens: usize, width: usize) -> Vec<f32> {
    let mut n = Numbers::new(width as u64);
    let mut x = n.vec(tokens * width);
    for (t, row) in x.chunks_mut(width).enumerate() {
        let size = [1.0, 300.0, 0.0, 1e-42, 0.02, 1e16][t % 6];
        row.iter_mut().for_each(|v| *v *= size);
    }
    x
}

#[test]
fn norm_quantise_has_the_processors_bits() {
    let Some(b) = bench() else { return };
    let kn = Kernels::best();
    for (tokens, width) in SHAPES {
        let x = rows(tokens, width);
        let gain: Vec<f32> = Numbers::new(3).vec(width).iter().map(|v| 1.0 + v).collect();
        for normed in [true, false] {
            let (mut codes, mut scales, mut inv) = (vec![0i8; x.len()], vec![0.0; tokens], vec![0.5; tokens]);
            let mut row = vec![0.0; width];
            for (t, x) in x.chunks(width).enumerate() {
                row.copy_from_slice(x);
                if normed {
                    inv[t] = kn.rms_norm(x, Some(&gain), EPS, &mut row);
                }
                scales[t] = kn.quantise(&row, &mut codes[t * width..(t + 1) * width]);
            }
            for build in BUILDS {
                let what = format!("{build:?} {tokens} x {width}, norm: {normed}");
                let (q, a, d, r) = in_every_order(&b, &what, || {
                    let (from, g, q, a) =
                        (b.upload(&x), b.upload(&gain), b.room::<i8>(x.len()), b.room::<f32>(tokens));
                    let (d, r) = (build.room(&b, x.len()), b.upload(&vec![0.5f32; tokens]));
                    let g = if normed { g.arg() } else { Arg::NULL };
                    let args = [
                        from.arg(),
                        g,
                        q.arg(),
                        a.arg(),
                        d.arg(),
                        r.arg(),
                        tokens.into(),
                        width.into(),
                        EPS.into(),
                    ];
                    b.run(&build.module("norm"), "norm_quantise", warps(tokens, width), &args);
                    (b.download(&q), b.download(&a), d.download(&b), b.download(&r))
                });
                same_bits(&what, &a, &scales);
                same_bits(&what, &r, &inv);
                assert!(q == codes, "{what}");
                let want: Vec<f32> =
                    (0..x.len()).map(|i| build.stored(scales[i / width] * f32::from(codes[i]))).collect();
                same_bits(&what, &d, &want);
            }
        }
    }
}

#[test]
fn final_norm_has_the_processors_bits() {
    let Some(b) = bench() else { return };
    let kn = Kernels::best();
    for ((tokens, width), streams) in SHAPES.into_iter().zip([1, 2, 4].into_iter().cycle()) {
        let x = rows(tokens, streams * width);
        let gain: Vec<f32> = Numbers::new(4).vec(width).iter().map(|v| 1.0 + v).collect();
        for int8 in [false, true] {
            let (mut h, mut y, mut inv) = (Vec::new(), vec![0.0; tokens * width], vec![0.0; tokens]);
            for (t, x) in x.chunks(streams * width).enumerate() {
                let mut sum = x[..width].to_vec();
                x[width..].chunks(width).for_each(|stream| kn.add_scaled(1.0, stream, &mut sum));
                let y = &mut y[t * width..(t + 1) * width];
                inv[t] = kn.rms_norm(&sum, Some(&gain), EPS, y);
                if int8 {
                    let mut q = vec![0i8; width];
                    let a = kn.quantise(y, &mut q);
                    y.iter_mut().zip(q).for_each(|(y, q)| *y = a * f32::from(q));
                }
                h.extend(sum);
            }
            for with_operand in [true, false] {
                let what = format!("{tokens} x {width}, {streams} streams, int8: {int8}");
                let (got_h, got_y, operand, r) = in_every_order(&b, &what, || {
                    let (from, g) = (b.upload(&x), b.upload(&gain));
                    let (h, y, r) = (b.room::<f32>(h.len()), b.room::<f32>(y.len()), b.room::<f32>(tokens));
                    let half = b.upload(&vec![9u16; y.len()]);
                    let o = if with_operand { half.arg() } else { Arg::NULL };
                    let mut args = vec![from.arg(), g.arg(), h.arg(), y.arg(), o, r.arg()];
                    args.extend(values![tokens, width, streams, EPS, int8]);
                    b.run("norm.f32", "final_norm", warps(tokens, width), &args);
                    (b.download(&h), b.download(&y), b.download(&half), b.download(&r))
                });
                same_bits(&what, &got_h, &h);
                same_bits(&what, &got_y, &y);
                same_bits(&what, &r, &inv);
                let half = |v: f32| if with_operand { f16::from_f32(v).to_bits() } else { 9 };
                assert!(operand.iter().zip(&y).all(|(o, &y)| *o == half(y)), "{what}");
            }
        }
    }
}

/// The gradients of x and of the gain.
fn backward(x: &[f32], gain: &[f32], inv: &[f32], d_y: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let width = gain.len();
    let (mut d_x, mut d_gain) = (Vec::new(), vec![0.0; width]);
    for ((x, d_y), &r) in x.chunks(width).zip(d_y.chunks(width)).zip(inv) {
        let (x, d_y, r) = (wide(x), wide(d_y), f64::from(r));
        let d: Vec<f64> = d_y.iter().zip(gain).map(|(d, g)| d * f64::from(*g)).collect();
        let c = d.iter().zip(&x).map(|(d, x)| d * x).sum::<f64>() * r.powi(3) / width as f64;
        for i in 0..width {
            d_gain[i] += d_y[i] * x[i] * r;
            d_x.push(d[i] * r - x[i] * c);
        }
    }
    (d_x, d_gain)
}

/// Runs a kernel that leaves parts of the gain's gradient, and the kernel that sums them.
fn run(
    b: &Bench,
    name: &str,
    arrays: [&[f32]; 4],
    copies: Option<usize>,
    blocks: usize,
) -> (Vec<f32>, Vec<f32>) {
    let [x, gain, inv, _] = arrays;
    let (width, tokens) = (gain.len(), inv.len());
    let from = arrays.map(|a| b.upload(a));
    let (d_x, parts) = (b.room::<f32>(x.len() * copies.unwrap_or(1)), b.room::<f32>(blocks * width));
    let mut args: Vec<Arg> = from.iter().map(|a| a.arg()).collect();
    args.extend(values![d_x.arg(), parts.arg(), tokens, width]);
    args.extend(copies.map(Arg::from));
    b.run("norm.bf16", name, Shape::line(blocks, (width / 4).min(1024)), &args);
    let d_gain = b.upload(&vec![1.0f32; width]);
    let args = [parts.arg(), d_gain.arg(), blocks.into(), width.into(), true.into()];
    b.run("sums", "sum_parts", Shape::line(width.div_ceil(32), 512), &args);
    (b.download(&d_x), b.download(&d_gain))
}

#[test]
fn norm_backward_is_the_gradient() {
    let Some(b) = bench() else { return };
    for (tokens, width) in SHAPES.into_iter().filter(|s| s.1 <= 8192) {
        let mut n = Numbers::new(6);
        let (x, d_y, gain) = (n.vec(tokens * width), n.vec(tokens * width), n.vec(width));
        let inv: Vec<f32> = (0..tokens).map(|_| n.uniform().abs() + 1.0).collect();
        let (d_x, mut d_gain) = backward(&x, &gain, &inv, &d_y);
        d_gain.iter_mut().for_each(|d| *d += 1.0);
        for blocks in [1, 5, 40] {
            let what = format!("{tokens} x {width}, {blocks} blocks");
            let arrays = [&x[..], &gain, &inv, &d_y];
            let (got, got_gain) =
                in_every_order(&b, &what, || run(&b, "norm_backward", arrays, None, blocks));
            near(&what, &got, &d_x, 2e-6);
            near(&what, &got_gain, &d_gain, 2e-6);
            for streams in [1, 2, 4] {
                let (all, same_gain) = run(&b, "final_norm_backward", arrays, Some(streams), blocks);
                same_bits(&what, &same_gain, &got_gain);
                for (all, one) in all.chunks(streams * width).zip(got.chunks(width)) {
                    all.chunks(width).for_each(|stream| same_bits(&what, stream, one));
                }
            }
        }
    }
}
