//! The embedding and its gradient.

use train_cuda::driver::Shape;

use crate::harness::{Numbers, bench};
use crate::rows::*;

/// Tokens, width, streams, vocabulary: rare and frequent ids, more tokens than are looked at between two barriers, more slices than warps.
const SHAPES: [(usize, usize, usize, usize); 6] = [
    (1, 128, 1, 5),
    (33, 256, 2, 40),
    (70, 384, 2, 9),
    (7, 1152, 4, 100),
    (40, 128, 4, 1),
    (2100, 128, 1, 300),
];
const SCALE: f32 = 1.7;

fn ids(tokens: usize, vocab: usize) -> Vec<u32> {
    let mut n = Numbers::new(vocab as u64);
    // Some ids are likelier than others, and the last is missing.
    (0..tokens).map(|_| (n.below(vocab) * n.below(vocab) / vocab) as u32).collect()
}

#[test]
fn embed_has_the_processors_bits() {
    let Some(b) = bench() else { return };
    for (tokens, width, streams, vocab) in SHAPES {
        let (table, ids) = (Numbers::new(1).vec(vocab * width), ids(tokens, vocab));
        for dropout in DROPOUTS {
            let mut row: Vec<f32> = ids
                .iter()
                .flat_map(|&id| table[id as usize * width..][..width].iter().map(|v| v * SCALE))
                .collect();
            dropout.apply(width, &mut row);
            let want: Vec<f32> = row
                .chunks(width)
                .flat_map(|row| std::iter::repeat_n(row, streams).flatten().copied())
                .collect();
            let (t, i, words) = (b.upload(&table), b.upload(&ids), dropout.words(&b));
            let x = b.room::<f32>(want.len());
            let mut args = vec![t.arg(), i.arg(), words.arg(), x.arg()];
            args.extend(values![tokens, width, streams, SCALE]);
            args.extend(dropout.args());
            b.run("embed", "embed", line(tokens * width), &args);
            same_bits(&format!("{tokens} x {width}, {streams} streams, {dropout:?}"), &b.download(&x), &want);
        }
    }
}

#[test]
fn embed_backward_adds_every_token_once() {
    let Some(b) = bench() else { return };
    for (tokens, width, streams, vocab) in SHAPES {
        let ids = ids(tokens, vocab);
        let mut n = Numbers::new(2);
        let (d_x, before) = (n.vec(tokens * streams * width), n.vec(vocab * width));
        for dropout in DROPOUTS {
            let factors = dropout.factors(width, tokens);
            let mut want = wide(&before);
            for (t, d) in d_x.chunks(streams * width).enumerate() {
                for c in 0..width {
                    let sum: f64 = (0..streams).map(|s| f64::from(d[s * width + c])).sum();
                    want[ids[t] as usize * width + c] += f64::from(SCALE) * sum * factors[t * width + c];
                }
            }
            let what = format!("{tokens} x {width}, {streams} streams, {vocab} ids, {dropout:?}");
            let got = in_every_order(&b, &what, || {
                let (i, words, d, table) =
                    (b.upload(&ids), dropout.words(&b), b.upload(&d_x), b.upload(&before));
                let mut args = vec![i.arg(), words.arg(), d.arg(), table.arg()];
                args.extend(values![tokens, width, streams, SCALE]);
                args.extend(dropout.args());
                let shape = Shape::line(tokens, 256).shared((width / 128).max(8) * 512);
                b.run("embed", "embed_backward", shape, &args);
                b.download(&table)
            });
            near(&what, &got, &want, 1e-6);
        }
    }
}
