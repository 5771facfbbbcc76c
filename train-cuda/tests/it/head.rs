//! The head's cross-entropy and its gradients against plain loops in f64, whose gradients are checked by differences.

use half::f16;
use train_cuda::driver::{Buffer, Shape};

use crate::harness::{Bench, Numbers, ORDERS, Order, bench};

const THREADS: usize = 256;
const TILE: usize = 128;
/// Dynamic shared memory of the kernels with a product.
const SHARED: usize = 98_304;
/// A target that is not scored.
const IGNORED: u32 = u32::MAX;
/// An uneven number, to be seen where it is missing.
const SCORED_INV: f32 = 0.0371;

/// Worst error of lse and nats: logits of up to 30 are sums in f32, which tensor cores cut. Measured 7e-6 on the emulated device.
const TOL_LOSS: f64 = 3e-5;
/// Of a gradient, as a share of the sum of its products' sizes: softmax - one_hot is rounded to f16.
const TOL_GRADIENT: f64 = 6e-4;
/// What each product may lose besides: half of the smallest number of f16, over the 1024 that the kernels scale with.
const LOST: f64 = SCORED_INV as f64 / 1024.0 / (1u64 << 25) as f64;
/// Everything in f32.
const TOL_F32: f64 = 1e-6;
/// Central differences in f64.
const TOL_DIFFERENCES: f64 = 1e-7;

#[derive(Clone, Copy, Debug)]
struct Sizes {
    tokens: usize,
    vocab: usize,
    width: usize,
    chunk: usize,
    slice: usize,
}

const fn sizes(tokens: usize, vocab: usize, width: usize, chunk: usize, slice: usize) -> Sizes {
    Sizes { tokens, vocab, width, chunk, slice }
}

/// One tile, ragged edges everywhere, several chunks, splits that have nothing to do, a chunk that is longer than the vocabulary.
const SHAPES: [Sizes; 6] = [
    sizes(128, 128, 128, 128, 128),
    sizes(33, 300, 128, 128, 64),
    sizes(130, 257, 128, 384, 128),
    sizes(7, 5, 72, 128, 64),
    sizes(1, 391, 256, 256, 192),
    sizes(150, 130, 200, 128, 64),
];

struct Case {
    sizes: Sizes,
    y: Vec<f64>,
    table: Vec<f64>,
    targets: Vec<u32>,
}

/// A number and the sum of the sizes of what it was added up from.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    size: f64,
}

impl Sum {
    fn add(&mut self, v: f64) {
        self.value += v;
        self.size += v.abs();
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Case {
    fn new(sizes: Sizes, seed: u64) -> Case {
        let mut n = Numbers::new(seed);
        let values =
            |n: &mut Numbers, len: usize| n.vec(len).into_iter().map(|v| f16::from_f32(v).to_f64()).collect();
        let (y, table) =
            (values(&mut n, sizes.tokens * sizes.width), values(&mut n, sizes.vocab * sizes.width));
        let targets = (0..sizes.tokens)
            .map(|t| if t % 5 == 3 { IGNORED } else { n.below(sizes.vocab) as u32 })
            .collect();
        Case { sizes, y, table, targets }
    }

    fn y(&self, token: usize) -> &[f64] {
        &self.y[token * self.sizes.width..][..self.sizes.width]
    }

    fn row(&self, v: usize) -> &[f64] {
        &self.table[v * self.sizes.width..][..self.sizes.width]
    }

    fn logits(&self, token: usize) -> Vec<f64> {
        (0..self.sizes.vocab).map(|v| dot(self.y(token), self.row(v))).collect()
    }

    fn lse(&self, token: usize) -> f64 {
        let logits = self.logits(token);
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + logits.iter().map(|l| (l - most).exp()).sum::<f64>().ln()
    }

    fn nats(&self, token: usize) -> f64 {
        match self.targets[token] {
            IGNORED => 0.0,
            target => self.lse(token) - dot(self.y(token), self.row(target as usize)),
        }
    }

    /// The gradient of the logits, for the sum of nats times `SCORED_INV`.
    fn d_logits(&self, token: usize) -> Vec<f64> {
        let target = self.targets[token];
        if target == IGNORED {
            return vec![0.0; self.sizes.vocab];
        }
        let (lse, scale) = (self.lse(token), f64::from(SCORED_INV));
        let mut d: Vec<f64> = self.logits(token).into_iter().map(|l| scale * (l - lse).exp()).collect();
        d[target as usize] -= scale;
        d
    }

    /// Gradients of y and the table.
    fn gradients(&self) -> (Vec<Sum>, Vec<Sum>) {
        let width = self.sizes.width;
        let (mut d_y, mut d_table) =
            (vec![Sum::default(); self.y.len()], vec![Sum::default(); self.table.len()]);
        for t in 0..self.sizes.tokens {
            for (v, d) in self.d_logits(t).into_iter().enumerate() {
                for c in 0..width {
                    d_y[t * width + c].add(d * self.row(v)[c]);
                    d_table[v * width + c].add(d * self.y(t)[c]);
                }
            }
        }
        (d_y, d_table)
    }
}

/// `StepWords` with nothing but the one word that the head reads.
fn words(b: &Bench) -> Buffer<u32> {
    let mut words = [0u32; 14];
    words[6] = SCORED_INV.to_bits();
    b.upload(&words)
}

/// What a run gave.
#[derive(Debug, PartialEq)]
struct Results {
    lse: Vec<f32>,
    nats: Vec<f32>,
    d_y: Vec<f32>,
    d_table: Vec<f32>,
}

/// A whole head, `d_table` added to what is there.
fn run(b: &Bench, case: &Case, d_table: Vec<f32>, accumulate: bool) -> Results {
    let Sizes { tokens, vocab, width, chunk, slice } = case.sizes;
    let halves = |v: &[f64]| b.upload(&v.iter().map(|&v| f16::from_f64(v).to_bits()).collect::<Vec<_>>());
    let (y, table, targets, words) =
        (halves(&case.y), halves(&case.table), b.upload(&case.targets), words(b));
    let (token_tiles, tiles, width_tiles) =
        (tokens.div_ceil(TILE), vocab.div_ceil(TILE), width.div_ceil(TILE));
    let product = |blocks: [usize; 3]| Shape { blocks, threads: THREADS, shared: SHARED };

    // The kernel takes parts as pairs.
    let (parts, at_target) = (b.room::<f32>(2 * tokens * tiles), b.room::<f32>(tokens));
    let args = [
        y.arg(),
        table.arg(),
        targets.arg(),
        parts.arg(),
        at_target.arg(),
        tokens.into(),
        vocab.into(),
        width.into(),
    ];
    b.run("head", "head_stats", product([token_tiles, tiles, 1]), &args);
    let (lse, nats) = (b.room::<f32>(tokens), b.room::<f32>(tokens));
    let args =
        [parts.arg(), at_target.arg(), targets.arg(), lse.arg(), nats.arg(), tokens.into(), tiles.into()];
    b.run("head", "head_loss", Shape::line(tokens.div_ceil(THREADS / 32), THREADS), &args);

    let splits = chunk.div_ceil(slice);
    let (d_logits, sums) = (b.room::<u16>(tokens * chunk), b.room::<f32>(splits * tokens * width));
    let d_table = if accumulate { b.upload(&d_table) } else { b.room::<f32>(vocab * width) };
    for first in (0..vocab).step_by(chunk) {
        let of_chunk = [tokens, vocab, width, first, chunk].map(Into::into);
        let args =
            [&[y.arg(), table.arg(), targets.arg(), lse.arg(), d_logits.arg()], &of_chunk[..]].concat();
        b.run("head", "head_gradient", product([token_tiles, chunk / TILE, 1]), &args);
        let last = [slice.into(), (first > 0).into()];
        let args = [&[d_logits.arg(), table.arg(), sums.arg()], &of_chunk[..], &last].concat();
        b.run("head", "head_dy", product([token_tiles, width_tiles, splits]), &args);
        let args =
            [&[d_logits.arg(), y.arg(), words.arg(), d_table.arg()], &of_chunk[..], &[accumulate.into()]]
                .concat();
        b.run("head", "head_dtable", product([width_tiles, chunk / TILE, 1]), &args);
    }
    let d_y = b.room::<f32>(tokens * width);
    let args = [sums.arg(), words.arg(), d_y.arg(), ((tokens * width) as u64).into(), splits.into()];
    b.run("head", "head_dy_sum", Shape::line(2, THREADS), &args);
    Results {
        lse: b.download(&lse),
        nats: b.download(&nats),
        d_y: b.download(&d_y),
        d_table: b.download(&d_table),
    }
}

/// Panics where a value is off by more than this, beside one or its own size.
fn near(what: &str, got: &[f32], want: impl Iterator<Item = f64>, tolerance: f64) {
    let mut worst = 0.0f64;
    for (i, (&g, w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(g) - w).abs() / w.abs().max(1.0);
        assert!(error <= tolerance, "{what} {i}: {g} and not {w}");
        worst = worst.max(error);
    }
    eprintln!("{what}: worst error {worst:.1e}");
}

/// Panics where a sum of so many products is off by more than this share of their sizes.
fn near_sums(what: &str, got: &[f32], want: &[Sum], products: usize, tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let mut worst = 0.0f64;
    for (i, (&g, w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(g) - w.value).abs();
        assert!(
            error <= tolerance * w.size + LOST * products as f64,
            "{what} {i}: {g:e} and not {:e} of {:e}",
            w.value,
            w.size
        );
        worst = worst.max(error / (w.size + LOST));
    }
    eprintln!("{what}: worst error {worst:.1e} of the sizes");
}

#[test]
fn head_is_the_plain_loop() {
    let Some(b) = bench() else { return };
    for (i, sizes) in SHAPES.into_iter().enumerate() {
        let case = Case::new(sizes, i as u64);
        let got = run(&b, &case, Vec::new(), false);
        near(&format!("{sizes:?} lse"), &got.lse, (0..sizes.tokens).map(|t| case.lse(t)), TOL_LOSS);
        near(&format!("{sizes:?} nats"), &got.nats, (0..sizes.tokens).map(|t| case.nats(t)), TOL_LOSS);
        assert!(case.targets.iter().zip(&got.nats).all(|(&t, &n)| t != IGNORED || n == 0.0));
        let (d_y, d_table) = case.gradients();
        near_sums(&format!("{sizes:?} d_y"), &got.d_y, &d_y, sizes.vocab, TOL_GRADIENT);
        near_sums(&format!("{sizes:?} d_table"), &got.d_table, &d_table, sizes.tokens, TOL_GRADIENT);
    }
}

/// A logit beyond the vocabulary is 0, and 1024 exp(0 - lse) is infinite in f16 when all that are there are small.
#[test]
fn head_sees_nothing_beyond_the_vocabulary() {
    let Some(b) = bench() else { return };
    let mut case = Case::new(sizes(10, 140, 64, 256, 128), 4);
    case.y.iter_mut().for_each(|v| *v = v.abs());
    case.table.iter_mut().for_each(|v| *v = -v.abs());
    assert!((0..10).all(|t| case.lse(t) < -5.0), "the case is what it says");
    let got = run(&b, &case, Vec::new(), false);
    near("lse", &got.lse, (0..10).map(|t| case.lse(t)), TOL_LOSS);
    let (d_y, d_table) = case.gradients();
    near_sums("d_y", &got.d_y, &d_y, 140, TOL_GRADIENT);
    near_sums("d_table", &got.d_table, &d_table, 10, TOL_GRADIENT);
}

#[test]
fn head_adds_to_the_tables_gradient() {
    let Some(b) = bench() else { return };
    let case = Case::new(sizes(20, 140, 64, 128, 128), 5);
    let there = Numbers::new(6).vec(140 * 64);
    let alone = run(&b, &case, Vec::new(), false);
    let added = run(&b, &case, there.clone(), true);
    for (i, (&a, (&one, &was))) in added.d_table.iter().zip(alone.d_table.iter().zip(&there)).enumerate() {
        assert!((a - (one + was)).abs() <= 2.0 * f32::EPSILON, "value {i}: {a} and not {one} + {was}");
    }
}

#[test]
fn head_has_the_same_bits_in_any_order() {
    let Some(b) = bench() else { return };
    let case = Case::new(sizes(140, 300, 136, 256, 64), 8);
    let all = ORDERS.map(|order| {
        b.order(order);
        run(&b, &case, Vec::new(), false)
    });
    b.order(Order::Forward);
    assert!(all.iter().all(|one| *one == all[0]));
}

#[test]
fn head_f32_is_the_plain_loop() {
    let Some(b) = bench() else { return };
    let rows = [(9, 5), (4, 300), (6, 1000)];
    for (seed, ((tokens, vocab), order)) in rows.into_iter().zip(ORDERS).enumerate() {
        b.order(order);
        let case = Case::new(sizes(tokens, vocab, 8, TILE, TILE), seed as u64);
        let logits: Vec<f32> = (0..tokens).flat_map(|t| case.logits(t)).map(|l| l as f32).collect();
        for gradient in [false, true] {
            let (rows, nats) = (b.upload(&logits), b.room::<f32>(tokens));
            let (targets, words) = (b.upload(&case.targets), words(&b));
            let args = [
                rows.arg(),
                targets.arg(),
                words.arg(),
                nats.arg(),
                tokens.into(),
                vocab.into(),
                gradient.into(),
            ];
            b.run("head_f32", "softmax_rows", Shape::line(tokens, THREADS), &args);
            near("nats", &b.download(&nats), (0..tokens).map(|t| case.nats(t)), TOL_F32);
            if gradient {
                let want = (0..tokens).flat_map(|t| case.d_logits(t));
                near("gradient of the logits", &b.download(&rows), want, TOL_F32 * f64::from(SCORED_INV));
            } else {
                assert_eq!(b.download(&rows), logits);
            }
        }
    }
}

/// The loops' gradients are those of their own loss.
#[test]
fn head_gradients_are_differences() {
    const STEP: f64 = 1e-5;
    let mut case = Case::new(sizes(5, 11, 8, TILE, TILE), 13);
    let (d_y, d_table) = case.gradients();
    let loss = |case: &Case| f64::from(SCORED_INV) * (0..5).map(|t| case.nats(t)).sum::<f64>();
    type Field = fn(&mut Case) -> &mut Vec<f64>;
    let fields: [(Field, &[Sum]); 2] = [(|c| &mut c.y, &d_y), (|c| &mut c.table, &d_table)];
    for (field, gradient) in fields {
        for (i, want) in gradient.iter().enumerate() {
            let [up, down] = [1.0, -1.0].map(|sign| {
                field(&mut case)[i] += sign * STEP;
                let loss = loss(&case);
                field(&mut case)[i] -= sign * STEP;
                loss
            });
            let got = (up - down) / (2.0 * STEP);
            assert!(
                (got - want.value).abs() <= TOL_DIFFERENCES,
                "value {i}: {got:e} and not {:e}",
                want.value
            );
        }
    }
}
