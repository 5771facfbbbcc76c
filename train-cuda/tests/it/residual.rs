//! The connection of one stream, bit for bit.

use crate::harness::{Numbers, bench};
use crate::rows::*;

const SHAPES: [(usize, usize); 4] = [(1, 128), (33, 256), (7, 384), (10, 1152)];

#[test]
fn residuals_have_the_processors_bits() {
    let Some(b) = bench() else { return };
    for (tokens, width) in SHAPES {
        let len = tokens * width;
        let mut n = Numbers::new(3);
        let (x, f) = (n.vec(len), n.vec(len));
        let (from, inner) = (b.upload(&x), b.upload(&f));
        for dropout in DROPOUTS {
            let what = format!("{tokens} x {width}, {dropout:?}");
            let words = dropout.words(&b);
            let mut dropped = f.clone();
            dropout.apply(width, &mut dropped);
            let out = b.room::<f32>(len);
            let mut args = vec![from.arg(), inner.arg(), words.arg(), out.arg(), tokens.into(), width.into()];
            args.extend(dropout.args());
            b.run("residual.f32", "residual_write", line(len), &args);
            let want: Vec<f32> = x.iter().zip(&dropped).map(|(x, f)| x + f).collect();
            same_bits(&what, &b.download(&out), &want);
            for build in BUILDS {
                let d_f = build.room(&b, len);
                let mut args = vec![words.arg(), inner.arg(), d_f.arg(), tokens.into(), width.into()];
                args.extend(dropout.args());
                b.run(&build.module("residual"), "residual_write_backward", line(len), &args);
                let want: Vec<f32> = dropped.iter().map(|v| build.stored(*v)).collect();
                same_bits(&what, &d_f.download(&b), &want);
            }
        }
        let d_x = b.upload(&x);
        b.run(
            "residual.f32",
            "residual_read_backward",
            line(len),
            &[inner.arg(), d_x.arg(), (len as u64).into()],
        );
        let want: Vec<f32> = x.iter().zip(&f).map(|(x, f)| x + f).collect();
        same_bits("read", &b.download(&d_x), &want);
    }
}
