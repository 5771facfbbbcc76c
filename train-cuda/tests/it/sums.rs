//! Sums that belong to no op in particular.

use train_cuda::driver::Shape;

use crate::harness::{Numbers, bench};
use crate::rows::*;

#[test]
fn parts_are_summed() {
    let Some(b) = bench() else { return };
    for (blocks, width) in [(1, 32), (3, 16), (100, 256), (513, 1152), (17, 33)] {
        let mut n = Numbers::new(1);
        let (parts, before) = (n.vec(blocks * width), n.vec(width));
        for accumulate in [false, true] {
            let what = format!("{blocks} x {width}");
            let got = in_every_order(&b, &what, || {
                let (from, out) = (b.upload(&parts), b.upload(&before));
                let args = [from.arg(), out.arg(), blocks.into(), width.into(), accumulate.into()];
                b.run("sums", "sum_parts", Shape::line(width.div_ceil(32), 512), &args);
                b.download(&out)
            });
            let mut want: Vec<f64> =
                before.iter().map(|v| if accumulate { f64::from(*v) } else { 0.0 }).collect();
            parts.iter().enumerate().for_each(|(i, v)| want[i % width] += f64::from(*v));
            near(&what, &got, &want, 1e-6);
        }
    }
}

#[test]
fn attention_delta_is_a_dot_product_a_head() {
    let Some(b) = bench() else { return };
    for (tokens, heads, head_dim) in [(1, 1, 32), (33, 6, 64), (7, 3, 96), (10, 5, 128), (9, 2, 80)] {
        let mut n = Numbers::new(2);
        let (out, d_out) = (n.vec(tokens * heads * head_dim), n.vec(tokens * heads * head_dim));
        let (o, d, delta) = (b.upload(&out), b.upload(&d_out), b.room::<f32>(tokens * heads));
        let args = [o.arg(), d.arg(), delta.arg(), tokens.into(), heads.into(), head_dim.into()];
        b.run("sums", "attention_delta", Shape::line((tokens * heads).div_ceil(32), 256), &args);
        let rows = out.chunks(head_dim).zip(d_out.chunks(head_dim));
        let want: Vec<f64> =
            rows.map(|(o, d)| o.iter().zip(d).map(|(o, d)| f64::from(*o) * f64::from(*d)).sum()).collect();
        near(&format!("{tokens} x {heads} x {head_dim}"), &b.download(&delta), &want, 1e-6);
    }
}
