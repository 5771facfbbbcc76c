//! Ternary codes and their counts, bit for bit as `formats::ternary` has them.

use formats::ternary::{GROUP, quantise_group};
use half::f16;
use train_cuda::driver::Shape;

use crate::harness::{Numbers, bench};
use crate::rows::*;

/// Weights of every size, exact halves of a scale, zeros, and a group too small for its scale.
fn latent(groups: usize, seed: u64) -> Vec<f32> {
    let mut n = Numbers::new(seed);
    let mut w: Vec<f32> = Vec::new();
    for g in 0..groups {
        let size = 2f32.powi(g as i32 % 23 - 18);
        w.extend((0..GROUP).map(|_| n.uniform() * size));
    }
    for (group, value) in [(1, 0.0), (2, 1e-9)] {
        if group < groups {
            w[group * GROUP..(group + 1) * GROUP].fill(value);
        }
    }
    if groups > 4 {
        // The mean lies between two halves if the small weights are added to the 1 one by one, and above the middle if they are added up first.
        let tie = &mut w[4 * GROUP..5 * GROUP];
        tie.fill(0.0);
        tie.iter_mut().step_by(8).for_each(|w| *w = 2f32.powi(-25));
        (tie[0], tie[1]) = (1.0, 1.0 + 2f32.powi(-10));
    }
    if groups > 3 {
        w[3 * GROUP..4 * GROUP].fill(1.0);
        w[3 * GROUP..3 * GROUP + 4].copy_from_slice(&[0.5, 1.5, -0.5, -1.5]);
    }
    w
}

#[test]
fn quantise_weights_has_the_processors_bits() {
    let Some(b) = bench() else { return };
    for groups in [1, 3, 32, 37, 130] {
        let w = latent(groups, groups as u64);
        let mut codes = vec![0i8; w.len()];
        let scales: Vec<f16> =
            w.chunks(GROUP).zip(codes.chunks_mut(GROUP)).map(|(w, t)| quantise_group(w, t)).collect();
        for build in BUILDS {
            let what = format!("{build:?} {groups} groups");
            let (got, got_scales, values) = in_every_order(&b, &what, || {
                let (latent, out, s) = (b.upload(&w), b.room::<i8>(w.len()), b.room::<u16>(groups));
                let d = build.room(&b, w.len());
                let args = [latent.arg(), out.arg(), s.arg(), d.arg(), (groups as u64).into()];
                b.run(
                    &build.module("quantise"),
                    "quantise_weights",
                    Shape::line(groups.div_ceil(32), 256),
                    &args,
                );
                (b.download(&out), b.download(&s), d.download(&b))
            });
            assert!(got == codes, "{what}");
            assert!(got_scales.iter().zip(&scales).all(|(g, w)| *g == w.to_bits()), "{what}");
            let want: Vec<f32> = (0..w.len())
                .map(|i| build.stored(scales[i / GROUP].to_f32() * f32::from(codes[i])))
                .collect();
            same_bits(&what, &values, &want);
        }
    }
}

#[test]
fn look_counts_as_the_processor_does() {
    let Some(b) = bench() else { return };
    let sizes = [1usize, 5, 70, 131];
    let mut first = vec![0u64];
    sizes.iter().for_each(|s| first.push(first.last().unwrap() + *s as u64));
    let groups = sizes.iter().sum::<usize>();
    let w = latent(groups, 8);
    let mut n = Numbers::new(5);
    let remembered: Vec<i8> = (0..w.len()).map(|_| n.below(3) as i8 - 1).collect();
    let (codes, sums, zeros, flips) = in_every_order(&b, "look", || {
        let (latent, old, first) = (b.upload(&w), b.upload(&remembered), b.upload(&first));
        let (sums, zeros, flips) = (b.room::<f64>(4), b.room::<u64>(4), b.room::<u64>(4));
        let args = [latent.arg(), old.arg(), first.arg(), sums.arg(), zeros.arg(), flips.arg()];
        b.run("quantise.f32", "look", Shape::line(sizes.len(), 512), &args);
        (b.download(&old), b.download(&sums), b.download(&zeros), b.download(&flips))
    });
    for m in 0..sizes.len() {
        let (mut sum, mut zero, mut flip) = (0.0, 0, 0);
        for g in first[m] as usize..first[m + 1] as usize {
            let mut t = [0i8; GROUP];
            let at = g * GROUP..(g + 1) * GROUP;
            sum += quantise_group(&w[at.clone()], &mut t).to_f64();
            zero += t.iter().filter(|&&t| t == 0).count() as u64;
            flip += t.iter().zip(&remembered[at.clone()]).filter(|(a, b)| a != b).count() as u64;
            assert!(codes[at] == t, "matrix {m} group {g}");
        }
        assert_eq!((sums[m], zeros[m], flips[m]), (sum, zero, flip), "matrix {m}");
    }
}
