//! Dense products of the backward pass: bf16 against f64, f32 bit for bit.

use half::bf16;
use train_cuda::driver::{Arg, Shape};

use crate::harness::{Bench, Numbers, ORDERS, Order, bench};

/// Side of a tile, threads, bytes of shared memory.
const TILES: [(usize, usize, usize); 2] = [(64, 128, 49_152), (128, 256, 98_304)];
/// Rounding of the sums, as a share of the sum of the products' sizes: the operands are exact in both, and f32 has 24 bits.
/// Measured 9e-8 on the emulated device; tensor cores align the products of a step and cut, which costs a few bits.
const ROUNDING: f64 = 4e-6;

/// Which of the two operands is transposed in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Nn,
    Tn,
}

#[derive(Clone, Copy, Debug)]
struct Sides {
    m: usize,
    n: usize,
    k: usize,
}

/// Operands of a batch, in bf16, with rows that are longer than they need be.
struct Case {
    kind: Kind,
    sides: Sides,
    batch: usize,
    lda: usize,
    ldb: usize,
    ldc: usize,
    a: Vec<bf16>,
    b: Vec<bf16>,
    c: Vec<f32>,
}

/// The next multiple of 8, and 8 more.
fn padded(n: usize) -> usize {
    n.next_multiple_of(8) + 8
}

fn bits(values: &[bf16]) -> Vec<u16> {
    values.iter().map(|v| v.to_bits()).collect()
}

impl Case {
    fn new(kind: Kind, sides: Sides, batch: usize, seed: u64) -> Case {
        let mut n = Numbers::new(seed);
        let (lda, ldb, ldc) =
            (padded(if kind == Kind::Nn { sides.k } else { sides.m }), padded(sides.n), padded(sides.n));
        let rows = if kind == Kind::Nn { sides.m } else { sides.k };
        let mut values = |len: usize| n.vec(len).into_iter().map(bf16::from_f32).collect::<Vec<_>>();
        let (mut a, mut b) = (values(batch * rows * lda), values(batch * sides.k * ldb));
        // What lies beyond the edges must not matter.
        let width = if kind == Kind::Nn { sides.k } else { sides.m };
        a.chunks_mut(lda).for_each(|row| row[width..].fill(bf16::NAN));
        b.chunks_mut(ldb).for_each(|row| row[sides.n..].fill(bf16::NAN));
        let c = n.vec(batch * sides.m * ldc);
        Case { kind, sides, batch, lda, ldb, ldc, a, b, c }
    }

    /// Sum and sum of sizes of the products for one output.
    fn dot(&self, z: usize, i: usize, j: usize) -> (f64, f64) {
        let Sides { m, k, .. } = self.sides;
        (0..k).fold((0.0, 0.0), |(sum, size), p| {
            let a = match self.kind {
                Kind::Nn => self.a[(z * m + i) * self.lda + p],
                Kind::Tn => self.a[(z * k + p) * self.lda + i],
            };
            let product = a.to_f64() * self.b[(z * k + p) * self.ldb + j].to_f64();
            (sum + product, size + product.abs())
        })
    }

    fn run(
        &self,
        b: &Bench,
        (side, threads, shared): (usize, usize, usize),
        alpha: f32,
        beta: f32,
    ) -> Vec<f32> {
        let Sides { m, n, k } = self.sides;
        let (left, right) = (b.upload(&bits(&self.a)), b.upload(&bits(&self.b)));
        let c = if beta == 0.0 { b.room::<f32>(self.c.len()) } else { b.upload(&self.c) };
        let shape = Shape { blocks: [n.div_ceil(side), m.div_ceil(side), self.batch], threads, shared };
        let name = format!("gemm_{}_{side}", if self.kind == Kind::Nn { "nn" } else { "tn" });
        let each = [self.a.len(), self.b.len(), self.c.len()].map(|len| (len / self.batch) as u64);
        let mut args = vec![left.arg(), right.arg(), c.arg()];
        args.extend([m, n, k, self.lda, self.ldb, self.ldc].map(Arg::from));
        args.extend(each.map(Arg::from));
        args.extend([alpha, beta].map(Arg::from));
        b.run("gemm", &name, shape, &args);
        b.download(&c)
    }

    /// Holds `got`, with its rows `ld` apart, against f64, and returns the worst rounding.
    fn check(&self, got: &[f32], ld: usize, alpha: f32, beta: f32, what: &str) -> f64 {
        let Sides { m, n, .. } = self.sides;
        let mut worst = 0.0f64;
        for z in 0..self.batch {
            for i in 0..m {
                for j in 0..n {
                    let at = (z * m + i) * self.ldc + j;
                    let (sum, size) = self.dot(z, i, j);
                    let old = if beta == 0.0 { 0.0 } else { f64::from(beta) * f64::from(self.c[at]) };
                    let (sum, size) =
                        (f64::from(alpha) * sum + old, f64::from(alpha).abs() * size + old.abs() + 1e-30);
                    let error = (f64::from(got[(z * m + i) * ld + j]) - sum).abs() / size;
                    assert!(error < ROUNDING, "{what}: ({z}, {i}, {j}) differs by {error:e}");
                    worst = worst.max(error);
                }
            }
        }
        worst
    }
}

fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[test]
fn gemm_is_the_product_and_does_not_depend_on_the_tile() {
    let Some(b) = bench() else { return };
    let sides = [
        (Kind::Nn, Sides { m: 1, n: 8, k: 8 }),
        (Kind::Nn, Sides { m: 33, n: 128, k: 72 }),
        (Kind::Nn, Sides { m: 130, n: 136, k: 328 }),
        (Kind::Nn, Sides { m: 5, n: 78, k: 64 }),
        (Kind::Tn, Sides { m: 8, n: 128, k: 1 }),
        (Kind::Tn, Sides { m: 72, n: 136, k: 33 }),
        (Kind::Tn, Sides { m: 136, n: 64, k: 263 }),
        (Kind::Tn, Sides { m: 41, n: 2, k: 70 }),
    ];
    let mut worst = 0.0f64;
    for (i, (kind, sides)) in sides.into_iter().enumerate() {
        let case = Case::new(kind, sides, 1 + i % 2, i as u64);
        for (alpha, beta) in [(1.0, 0.0), (0.5, 1.0), (-2.0, 0.25)] {
            let what = format!("{kind:?} {sides:?} {alpha} {beta}");
            let [small, large] = TILES.map(|tile| case.run(&b, tile, alpha, beta));
            worst = worst.max(case.check(&small, case.ldc, alpha, beta, &what));
            assert!(same(&small, &large), "{what}");
            if beta != 0.0 {
                let rows = small.chunks(case.ldc).zip(case.c.chunks(case.ldc));
                assert!(
                    rows.into_iter().all(|(s, c)| same(&s[sides.n..], &c[sides.n..])),
                    "{what}: beyond the edge"
                );
            }
        }
    }
    eprintln!("worst rounding {worst:e}");
}

#[test]
fn gemm_has_no_race() {
    let Some(b) = bench() else { return };
    for kind in [Kind::Nn, Kind::Tn] {
        let case = Case::new(kind, Sides { m: 72, n: 136, k: 328 }, 1, 3);
        for tile in TILES {
            let first = case.run(&b, tile, 1.0, 1.0);
            for order in ORDERS {
                b.order(order);
                assert!(same(&case.run(&b, tile, 1.0, 1.0), &first), "{kind:?} {tile:?} {order:?}");
            }
            b.order(Order::Forward);
        }
    }
}

#[test]
fn gemm_in_pieces_sums_to_the_product() {
    let Some(b) = bench() else { return };
    for (k, pieces) in [(200, 1), (200, 3), (65, 2), (40, 4), (513, 5)] {
        let case = Case::new(Kind::Tn, Sides { m: 72, n: 136, k }, 1, k as u64);
        let Sides { m, n, .. } = case.sides;
        let (left, right) = (b.upload(&bits(&case.a)), b.upload(&bits(&case.b)));
        let parts = b.room::<f32>(pieces * m * n);
        let mut args = vec![left.arg(), right.arg(), parts.arg()];
        args.extend([m, n, k, case.lda, case.ldb].map(Arg::from));
        let (_, threads, shared) = TILES[0];
        let shape = Shape { blocks: [n.div_ceil(64), m.div_ceil(64), pieces], threads, shared };
        b.run("gemm", "gemm_tn_64_split", shape, &args);

        let dense: Vec<f32> = case.c.chunks(case.ldc).flat_map(|row| row[..n].to_vec()).collect();
        for beta in [0.0f32, 1.0] {
            let c = if beta == 0.0 { b.room::<f32>(m * n) } else { b.upload(&dense) };
            let args = [parts.arg(), c.arg(), ((m * n) as u64).into(), pieces.into(), beta.into()];
            b.run("gemm", "sum_splits", Shape::line(3, 256), &args);
            case.check(&b.download(&c), n, 1.0, beta, &format!("{k} in {pieces}"));
        }
    }
}

#[test]
fn gemm_f32_is_a_chain_of_fused_multiply_adds() {
    let Some(bench) = bench() else { return };
    for (i, (m, n, k)) in [(1, 1, 1), (33, 70, 50), (64, 64, 16), (130, 65, 37)].into_iter().enumerate() {
        for transposed in [[false, false], [true, false], [false, true], [true, true]] {
            let (batch, ldc) = (2, n + 3);
            let mut numbers = Numbers::new(i as u64);
            let (a, b, c) =
                (numbers.vec(batch * m * k), numbers.vec(batch * k * n), numbers.vec(batch * m * ldc));
            let a_strides = if transposed[0] { [1, m] } else { [k, 1] };
            let b_strides = if transposed[1] { [1, k] } else { [n, 1] };
            for (alpha, beta) in [(1.0f32, 0.0f32), (0.5, 1.0)] {
                let mut expected = c.clone();
                for z in 0..batch {
                    for i in 0..m {
                        for j in 0..n {
                            let sum = (0..k).fold(0.0f32, |sum, p| {
                                let left = a[z * m * k + i * a_strides[0] + p * a_strides[1]];
                                left.mul_add(b[z * k * n + p * b_strides[0] + j * b_strides[1]], sum)
                            });
                            let to = &mut expected[(z * m + i) * ldc + j];
                            *to = alpha.mul_add(sum, if beta == 0.0 { 0.0 } else { beta * *to });
                        }
                    }
                }
                let (left, right) = (bench.upload(&a), bench.upload(&b));
                let mut args = vec![left.arg(), right.arg(), Arg::NULL];
                args.extend([m, n, k].map(Arg::from));
                args.extend(a_strides.iter().chain(&b_strides).map(|&s| Arg::from(s as u64)));
                args.push(ldc.into());
                args.extend([m * k, k * n, m * ldc].map(|s| Arg::from(s as u64)));
                args.extend([alpha, beta].map(Arg::from));
                let shape =
                    Shape { blocks: [n.div_ceil(64), m.div_ceil(64), batch], threads: 128, shared: 8704 };
                for order in ORDERS {
                    bench.order(order);
                    let out = bench.upload(&c);
                    args[2] = out.arg();
                    bench.run("gemm_f32", "gemm_f32", shape, &args);
                    assert!(
                        same(&bench.download(&out), &expected),
                        "{m}x{n}x{k} {transposed:?} {alpha} {beta} {order:?}"
                    );
                }
                bench.order(Order::Forward);
            }
        }
    }
}
