//! Heads before attention: the processor's bits forward, f64 backward.

use cpu::Kernels;
use cpu::ops::RopeTable;
use model::config::RopeKind;
use model::rope::Frequencies;
use train_cuda::driver::{Arg, Shape};

use crate::harness::{Numbers, bench};
use crate::rows::*;

const EPS: f32 = 1e-6;
const KINDS: [RopeKind; 2] = [RopeKind::HalfSplit, RopeKind::Interleaved];
/// Tokens, heads, values of a head, tokens of a sequence.
const SHAPES: [(usize, usize, usize, usize); 7] = [
    (1, 1, 32, 1),
    (33, 6, 64, 11),
    (24, 3, 96, 24),
    (10, 5, 128, 5),
    (9, 2, 16, 3),
    (6, 3, 48, 6),
    (70, 4, 64, 35),
];

/// Angles of all positions, as the kernels read them.
fn angles(table: &RopeTable, seq: usize) -> (Vec<f32>, Vec<f32>) {
    let at = |p| table.at(p);
    ((0..seq).flat_map(|p| at(p).0.to_vec()).collect(), (0..seq).flat_map(|p| at(p).1.to_vec()).collect())
}

fn interleaved(kind: RopeKind) -> Arg {
    matches!(kind, RopeKind::Interleaved).into()
}

#[test]
fn norm_rope_has_the_processors_bits() {
    let Some(b) = bench() else { return };
    let kn = Kernels::best();
    for (tokens, heads, head_dim, seq) in SHAPES {
        let mut n = Numbers::new(head_dim as u64);
        let (x, gain) = (n.vec(tokens * heads * head_dim), n.vec(head_dim));
        let table = RopeTable::new(seq, &Frequencies::plain(head_dim, 1e4));
        let (cos, sin) = angles(&table, seq);
        for kind in KINDS {
            for (normed, stored) in [(true, false), (true, true), (false, true), (false, false)] {
                let (mut want, mut inv) = (x.clone(), vec![0.25; tokens * heads]);
                for (t, row) in want.chunks_mut(heads * head_dim).enumerate() {
                    for (h, head) in row.chunks_mut(head_dim).enumerate().filter(|_| normed) {
                        let x = head.to_vec();
                        inv[t * heads + h] = kn.rms_norm(&x, Some(&gain), EPS, head);
                    }
                    let (cos, sin) = table.at(t % seq);
                    kn.rope(row, head_dim, cos, sin, kind);
                }
                if stored {
                    kn.round_f16(&mut want);
                }
                for in_place in [false, true] {
                    let what =
                        format!("{tokens} x {heads} x {head_dim} {kind:?} norm: {normed}, f16: {stored}");
                    let (y, r) = in_every_order(&b, &what, || {
                        let (from, g, c, s) = (b.upload(&x), b.upload(&gain), b.upload(&cos), b.upload(&sin));
                        let (y, r) = (b.room::<f32>(x.len()), b.upload(&vec![0.25f32; tokens * heads]));
                        let to = if in_place { &from } else { &y };
                        let g = if normed { g.arg() } else { Arg::NULL };
                        let mut args = vec![from.arg(), g, c.arg(), s.arg(), to.arg(), r.arg()];
                        args.extend(values![tokens, heads, head_dim, seq, EPS]);
                        args.extend(values![interleaved(kind), stored]);
                        b.run(
                            "rope.f32",
                            "norm_rope",
                            Shape::line((tokens * heads).div_ceil(32), 256),
                            &args,
                        );
                        (b.download(to), b.download(&r))
                    });
                    same_bits(&what, &y, &want);
                    same_bits(&what, &r, &inv);
                }
            }
        }
    }
}

#[test]
fn norm_rope_backward_is_the_gradient() {
    let Some(b) = bench() else { return };
    for (tokens, heads, head_dim, seq) in SHAPES {
        let mut n = Numbers::new(head_dim as u64);
        let len = tokens * heads * head_dim;
        let (x, gain) = (n.vec(len), n.vec(head_dim));
        let inv: Vec<f32> = (0..tokens * heads).map(|_| n.uniform().abs() + 0.5).collect();
        let table = RopeTable::new(seq, &Frequencies::plain(head_dim, 1e4));
        let (cos, sin) = angles(&table, seq);
        for (build, kind, normed) in BUILDS
            .into_iter()
            .flat_map(|build| KINDS.map(|kind| (build, kind)))
            .flat_map(|(build, kind)| [(build, kind, true), (build, kind, false)])
        {
            let d_y: Vec<f32> = Numbers::new(9).vec(len).into_iter().map(|v| build.stored(v)).collect();
            let (mut want, mut want_gain) = (wide(&d_y), vec![0.0; head_dim]);
            for (row, d) in want.chunks_mut(head_dim).enumerate() {
                let (cos, sin) = table.at(row / heads % seq);
                for (i, (&c, &s)) in cos.iter().zip(sin).enumerate() {
                    let (c, s) = (f64::from(c), f64::from(s));
                    let (i, j) = if kind == RopeKind::Interleaved {
                        (2 * i, 2 * i + 1)
                    } else {
                        (i, i + head_dim / 2)
                    };
                    (d[i], d[j]) = (d[i] * c + d[j] * s, d[j] * c - d[i] * s);
                }
                if normed {
                    let (x, r) = (wide(&x[row * head_dim..][..head_dim]), f64::from(inv[row]));
                    for i in 0..head_dim {
                        want_gain[i] += d[i] * x[i] * r;
                        d[i] *= f64::from(gain[i]);
                    }
                    let c = d.iter().zip(&x).map(|(d, x)| d * x).sum::<f64>() * r.powi(3) / head_dim as f64;
                    d.iter_mut().zip(&x).for_each(|(d, x)| *d = *d * r - x * c);
                }
            }
            for blocks in [1, 3, 12] {
                let what = format!(
                    "{build:?} {tokens} x {heads} x {head_dim} {kind:?} norm: {normed}, {blocks} blocks"
                );
                let (d_x, parts) = in_every_order(&b, &what, || {
                    let (from, g, c, s) = (b.upload(&x), b.upload(&gain), b.upload(&cos), b.upload(&sin));
                    let (r, d, parts) =
                        (b.upload(&inv), build.upload(&b, &d_y), b.room::<f32>(blocks * head_dim));
                    let (g, p) = if normed { (g.arg(), parts.arg()) } else { (Arg::NULL, Arg::NULL) };
                    let mut args = vec![from.arg(), g, c.arg(), s.arg(), r.arg(), d.arg(), p];
                    args.extend(values![tokens, heads, head_dim, seq, interleaved(kind)]);
                    b.run(&build.module("rope"), "norm_rope_backward", Shape::line(blocks, 256), &args);
                    (d.download(&b), bits(&b.download(&parts)))
                });
                near(&what, &d_x, &want, 2e-6 + build.rounding());
                if normed {
                    let mut sum = vec![0.0f64; head_dim];
                    parts
                        .iter()
                        .enumerate()
                        .for_each(|(i, v)| sum[i % head_dim] += f64::from(f32::from_bits(*v)));
                    let sum: Vec<f32> = sum.into_iter().map(|v| v as f32).collect();
                    near(&what, &sum, &want_gain, 2e-6);
                }
            }
        }
    }
}

#[test]
fn store_f16_rounds_as_the_cache_stores() {
    let Some(b) = bench() else { return };
    let mut n = Numbers::new(1);
    let mut x: Vec<f32> = (0..5004).map(|i| n.uniform() * 2f32.powi(i % 50 - 30)).collect();
    x[..8].copy_from_slice(&[0.0, -0.0, 1e6, -1e6, 65_519.0, 65_520.0, f32::INFINITY, 1e-45]);
    let mut want = x.clone();
    Kernels::best().round_f16(&mut want);
    let (device, values) = (b.upload(&x), x.len() as u64);
    b.run("rope.f32", "store_f16", line(x.len()), &[device.arg(), values.into()]);
    same_bits("store_f16", &b.download(&device), &want);
    let nan = b.upload(&[f32::NAN, 1.0, -f32::NAN, 2.0]);
    b.run("rope.f32", "store_f16", line(4), &[nan.arg(), 4u64.into()]);
    let got = b.download(&nan);
    assert!(got[0].is_nan() && got[1] == 1.0 && got[2].is_nan() && got[3] == 2.0);
}
