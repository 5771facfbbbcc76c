//! Attention and its gradients against plain loops in f64, whose gradients are checked by differences.

use half::{bf16, f16};
use train_cuda::driver::{Arg, Buffer, Shape};

use crate::harness::{Bench, Numbers, ORDERS, Order, bench};

const THREADS: usize = 128;
/// Rows of a block on tensor cores.
const ROWS: usize = 64;
/// Dynamic shared memory of `attention`, `attention_dq` and `attention_dkv` by the width of a head.
const SHARED: [(usize, [usize; 3]); 4] = [
    (32, [16_384, 24_576, 25_600]),
    (64, [16_384, 24_576, 25_088]),
    (96, [24_576, 36_864, 61_952]),
    (128, [32_768, 32_768, 57_600]),
];

/// Worst error of `out` and `lse` as a share of the largest value: queries and probabilities are rounded to f16.
const TOL_F16: f64 = 1e-3;
/// Of gradients: probabilities, their gradients and `d_out` are rounded to bf16, and so is the result.
const TOL_BF16: f64 = 1e-2;
/// Everything in f32.
const TOL_F32: f64 = 3e-6;
/// Central differences in f64.
const TOL_DIFFERENCES: f64 = 1e-6;

/// Small enough that f16 would lose it.
const D_OUT_SIZE: f32 = 1e-6;

#[derive(Clone, Copy, Debug)]
struct Heads {
    sequences: usize,
    seq: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

const fn heads(sequences: usize, seq: usize, heads: usize, kv_heads: usize, head_dim: usize) -> Heads {
    Heads { sequences, seq, heads, kv_heads, head_dim }
}

/// Shapes of the tensor-core kernels: one token, ragged and whole tiles, grouped queries, several sequences, every width.
const SHAPES: [Heads; 10] = [
    heads(1, 1, 1, 1, 32),
    heads(3, 7, 2, 1, 64),
    heads(1, 33, 4, 2, 32),
    heads(2, 64, 2, 2, 64),
    heads(2, 100, 4, 2, 64),
    heads(1, 129, 3, 1, 32),
    heads(1, 33, 2, 1, 96),
    heads(1, 130, 2, 2, 96),
    heads(2, 65, 2, 1, 128),
    heads(1, 160, 1, 1, 128),
];

/// Of the plain kernels, which take any width.
const PLAIN_SHAPES: [Heads; 5] = [
    heads(1, 1, 1, 1, 8),
    heads(3, 7, 2, 1, 40),
    heads(2, 33, 4, 2, 64),
    heads(1, 140, 3, 1, 16),
    heads(1, 20, 2, 2, 256),
];

/// All inputs and results, in f64.
#[derive(Clone)]
struct Rows {
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    d_out: Vec<f64>,
    out: Vec<f64>,
    lse: Vec<f64>,
}

struct Gradients {
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, row: &[f64]) {
    to.iter_mut().zip(row).for_each(|(t, r)| *t += factor * r);
}

impl Heads {
    fn tokens(&self) -> usize {
        self.sequences * self.seq
    }

    fn scale(&self) -> f64 {
        1.0 / (self.head_dim as f64).sqrt()
    }

    /// The row of a query and of a key of the same head.
    fn q_row(&self, token: usize, head: usize) -> std::ops::Range<usize> {
        let first = (token * self.heads + head) * self.head_dim;
        first..first + self.head_dim
    }

    fn kv_row(&self, token: usize, head: usize) -> std::ops::Range<usize> {
        let first = (token * self.kv_heads + head / (self.heads / self.kv_heads)) * self.head_dim;
        first..first + self.head_dim
    }

    /// Every token with a head, and the keys it sees.
    fn visits(self) -> impl Iterator<Item = (usize, usize, std::ops::RangeInclusive<usize>)> {
        let rows = (0..self.tokens()).flat_map(move |t| (0..self.heads).map(move |h| (t, h)));
        rows.map(move |(t, h)| (t, h, t / self.seq * self.seq..=t))
    }

    fn inputs(&self, seed: u64) -> Rows {
        let mut n = Numbers::new(seed);
        let mut values = |heads: usize, size: f32| -> Vec<f32> {
            n.vec(self.tokens() * heads * self.head_dim).into_iter().map(|v| v * size).collect()
        };
        let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect::<Vec<_>>();
        let stored = |v: Vec<f32>| v.into_iter().map(|v| f16::from_f32(v).to_f64()).collect::<Vec<_>>();
        let q = wide(values(self.heads, 2.0));
        let (k, v) = (stored(values(self.kv_heads, 2.0)), stored(values(self.kv_heads, 1.0)));
        let d_out = wide(values(self.heads, D_OUT_SIZE));
        let mut rows = Rows { q, k, v, d_out, out: Vec::new(), lse: Vec::new() };
        self.forward(&mut rows);
        rows
    }

    fn score(&self, r: &Rows, query: usize, key: usize, head: usize) -> f64 {
        self.scale() * dot(&r.q[self.q_row(query, head)], &r.k[self.kv_row(key, head)])
    }

    fn forward(&self, r: &mut Rows) {
        r.out = vec![0.0; r.q.len()];
        r.lse = vec![0.0; self.tokens() * self.heads];
        for (t, h, keys) in self.visits() {
            let most = keys.clone().map(|k| self.score(r, t, k, h)).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = keys.clone().map(|k| (self.score(r, t, k, h) - most).exp()).sum();
            let lse = most + sum.ln();
            r.lse[t * self.heads + h] = lse;
            for k in keys {
                let p = (self.score(r, t, k, h) - lse).exp();
                add(&mut r.out[self.q_row(t, h)], p, &r.v[self.kv_row(k, h)]);
            }
        }
    }

    fn backward(&self, r: &Rows) -> Gradients {
        let zeros = |v: &Vec<f64>| vec![0.0; v.len()];
        let mut g = Gradients { q: zeros(&r.q), k: zeros(&r.k), v: zeros(&r.v) };
        for (t, h, keys) in self.visits() {
            let q = self.q_row(t, h);
            let (d_out, inner) = (&r.d_out[q.clone()], dot(&r.d_out[q.clone()], &r.out[q.clone()]));
            for k in keys {
                let kv = self.kv_row(k, h);
                let p = (self.score(r, t, k, h) - r.lse[t * self.heads + h]).exp();
                let ds = p * (dot(d_out, &r.v[kv.clone()]) - inner) * self.scale();
                add(&mut g.v[kv.clone()], p, d_out);
                add(&mut g.q[q.clone()], ds, &r.k[kv.clone()]);
                add(&mut g.k[kv], ds, &r.q[q.clone()]);
            }
        }
        g
    }
}

fn narrow(v: &[f64]) -> Vec<f32> {
    v.iter().map(|&v| v as f32).collect()
}

/// Panics where a value differs by more than this share of the largest, or of what went in where little came out.
fn same(what: &str, got: &[f32], want: &[f64], input: f64, tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let most = want.iter().fold(input, |m, v| m.max(v.abs()));
    let worst = got
        .iter()
        .zip(want)
        .map(|(&g, w)| (f64::from(g) - w).abs())
        .fold(0.0f64, |m, e| if e <= m { m } else { e });
    eprintln!("{what}: worst error {:.1e} of the largest", worst / most);
    assert!(worst <= tolerance * most, "{what}: off by {worst:e} of {most:e}");
}

/// What a run gave.
#[derive(Debug, PartialEq)]
struct Results {
    out: Vec<f32>,
    lse: Vec<f32>,
    d_q: Vec<f32>,
    d_k: Vec<f32>,
    d_v: Vec<f32>,
}

struct Uploaded {
    q: Buffer<f32>,
    k: Buffer<f32>,
    v: Buffer<f32>,
    d_out: Buffer<f32>,
}

impl Uploaded {
    fn new(b: &Bench, r: &Rows) -> Uploaded {
        let [q, k, v, d_out] = [&r.q, &r.k, &r.v, &r.d_out].map(|v| b.upload(&narrow(v)));
        Uploaded { q, k, v, d_out }
    }
}

/// The sums out . d_out, from the device's own `out`.
fn delta(h: Heads, out: &[f32], d_out: &[f64]) -> Vec<f32> {
    let out: Vec<f64> = out.iter().map(|&v| v.into()).collect();
    out.chunks(h.head_dim).zip(d_out.chunks(h.head_dim)).map(|(o, d)| dot(o, d) as f32).collect()
}

/// Shape arguments of all kernels, `head_dim` only of the plain ones.
fn shape_args(h: Heads, plain: bool) -> Vec<Arg> {
    let mut args: Vec<Arg> = [h.sequences, h.seq, h.heads, h.kv_heads].map(Into::into).to_vec();
    args.extend(plain.then(|| Arg::from(h.head_dim)));
    args.push((h.scale() as f32).into());
    args
}

fn run(b: &Bench, h: Heads, r: &Rows, plain: bool) -> Results {
    let suffix = if plain { "f32".to_owned() } else { h.head_dim.to_string() };
    let modules = if plain { ["attention_f32"; 3] } else { ["attention", "attention_dq", "attention_dkv"] };
    let blocks = if plain { h.seq } else { h.seq.div_ceil(ROWS) };
    let shared = SHARED.iter().find(|s| !plain && s.0 == h.head_dim).map_or([0; 3], |s| s.1);
    let launch = |kernel: usize, heads: usize, args: &[&[Arg]]| {
        let name = format!("{}_{suffix}", ["attention", "attention_dq", "attention_dkv"][kernel]);
        let shape = Shape { blocks: [heads, h.sequences, blocks], threads: THREADS, shared: shared[kernel] };
        b.run(modules[kernel], &name, shape, &[args.concat(), shape_args(h, plain)].concat());
    };
    let up = Uploaded::new(b, r);
    let (out, lse) = (b.room::<f32>(r.q.len()), b.room::<f32>(h.tokens() * h.heads));
    launch(0, h.heads, &[&[up.q.arg(), up.k.arg(), up.v.arg(), out.arg(), lse.arg()]]);
    let out = b.download(&out);
    let delta = b.upload(&delta(h, &out, &r.d_out));
    let inputs = [up.q.arg(), up.k.arg(), up.v.arg(), lse.arg(), delta.arg(), up.d_out.arg()];
    let gradients = |kernel: usize, heads: usize, lens: &[usize]| -> Vec<Vec<f32>> {
        if plain {
            let rooms: Vec<_> = lens.iter().map(|&len| b.room::<f32>(len)).collect();
            launch(kernel, heads, &[&inputs, &rooms.iter().map(Buffer::arg).collect::<Vec<_>>()]);
            rooms.iter().map(|g| b.download(g)).collect()
        } else {
            let rooms: Vec<_> = lens.iter().map(|&len| b.room::<u16>(len)).collect();
            launch(kernel, heads, &[&inputs, &rooms.iter().map(Buffer::arg).collect::<Vec<_>>()]);
            let wide =
                |g: &Buffer<u16>| b.download(g).into_iter().map(|v| bf16::from_bits(v).to_f32()).collect();
            rooms.iter().map(wide).collect()
        }
    };
    let d_q = gradients(1, h.heads, &[r.q.len()]).remove(0);
    let mut d_kv = gradients(2, h.kv_heads, &[r.k.len(), r.v.len()]).into_iter();
    let (d_k, d_v) = (d_kv.next().expect("two"), d_kv.next().expect("two"));
    Results { out, lse: b.download(&lse), d_q, d_k, d_v }
}

fn check(h: Heads, r: &Rows, got: &Results, tol_forward: f64, tol_backward: f64) {
    let g = h.backward(r);
    same(&format!("{h:?} out"), &got.out, &r.out, 1.0, tol_forward);
    same(&format!("{h:?} lse"), &got.lse, &r.lse, 1.0, tol_forward);
    same(&format!("{h:?} d_q"), &got.d_q, &g.q, D_OUT_SIZE.into(), tol_backward);
    same(&format!("{h:?} d_k"), &got.d_k, &g.k, D_OUT_SIZE.into(), tol_backward);
    same(&format!("{h:?} d_v"), &got.d_v, &g.v, D_OUT_SIZE.into(), tol_backward);
}

#[test]
fn attention_is_the_plain_loop() {
    let Some(b) = bench() else { return };
    for (i, h) in SHAPES.into_iter().enumerate() {
        let r = h.inputs(i as u64);
        check(h, &r, &run(&b, h, &r, false), TOL_F16, TOL_BF16);
    }
}

#[test]
fn attention_f32_is_the_plain_loop() {
    let Some(b) = bench() else { return };
    for (i, h) in PLAIN_SHAPES.into_iter().enumerate() {
        let r = h.inputs(100 + i as u64);
        check(h, &r, &run(&b, h, &r, true), TOL_F32, TOL_F32);
    }
}

#[test]
fn attention_has_the_same_bits_in_any_order() {
    let Some(b) = bench() else { return };
    for (h, plain) in
        [(heads(2, 70, 2, 1, 64), false), (heads(1, 66, 2, 1, 128), false), (heads(2, 9, 2, 1, 24), true)]
    {
        let r = h.inputs(7);
        let all = ORDERS.map(|order| {
            b.order(order);
            run(&b, h, &r, plain)
        });
        b.order(Order::Forward);
        assert!(all.iter().all(|one| *one == all[0]), "{h:?}");
    }
}

/// Large scores: the running maximum has to carry them, and late keys that are larger than all before take over.
#[test]
fn attention_survives_large_scores() {
    let Some(b) = bench() else { return };
    let h = heads(1, 150, 1, 1, 64);
    let mut r = h.inputs(3);
    r.q.iter_mut().for_each(|v| *v = f16::from_f64(*v * 16.0).to_f64());
    let rising = |(i, v): (usize, &mut f64)| *v = f16::from_f64(*v * (i / 64) as f64 * 0.1).to_f64();
    r.k.iter_mut().enumerate().for_each(rising);
    h.forward(&mut r);
    let got = run(&b, h, &r, false);
    assert!(r.lse.iter().any(|&l| l > 200.0), "the case is what it says");
    same("out of large scores", &got.out, &r.out, 1.0, TOL_F16);
    same("lse of large scores", &got.lse, &r.lse, 1.0, TOL_F32);
}

/// The loops' gradients are those of their own forward pass.
#[test]
fn attention_gradients_are_differences() {
    const STEP: f64 = 1e-5;
    let h = heads(2, 5, 4, 2, 8);
    let r = h.inputs(11);
    let g = h.backward(&r);
    let loss = |change: &dyn Fn(&mut Rows)| {
        let mut moved = r.clone();
        change(&mut moved);
        h.forward(&mut moved);
        dot(&moved.out, &r.d_out)
    };
    type Field = fn(&mut Rows) -> &mut Vec<f64>;
    let fields: [(Field, &[f64]); 3] = [(|r| &mut r.q, &g.q), (|r| &mut r.k, &g.k), (|r| &mut r.v, &g.v)];
    for (field, gradient) in fields {
        let most = gradient.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for (i, &want) in gradient.iter().enumerate().step_by(7) {
            let [up, down] = [STEP, -STEP].map(|step| loss(&|r| field(r)[i] += step));
            let got = (up - down) / (2.0 * STEP);
            assert!((got - want).abs() <= TOL_DIFFERENCES * most, "value {i}: {got:e}, {want:e}");
        }
    }
}
