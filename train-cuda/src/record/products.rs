//! Products with the ternary matrices, forward and back.

use model::tensors::{TensorId, TensorKind};
use train::program::{Quant, Rows};

use super::{Pass, Recorder};
use crate::driver::{Arg, Shape};
use crate::error::Result;
use crate::plan::{Array, GROUP};

/// Side of the small tiles and of the large ones, and the threads and bytes of shared memory that go with them.
const TILES: [Tile; 2] = [
    Tile { side: 64, threads: 128, linear: 50_176, gemm: 49_152 },
    Tile { side: 128, threads: 256, linear: 100_352, gemm: 98_304 },
];
/// Bytes of shared memory of a product in f32.
pub(super) const EXACT_SHARED: usize = 8704;
/// Tokens of a slab of the weights' gradient.
const SLAB: usize = 64;

#[derive(Clone, Copy)]
struct Tile {
    side: usize,
    threads: usize,
    linear: usize,
    gemm: usize,
}

impl Tile {
    fn blocks(self, rows: usize, columns: usize) -> [usize; 3] {
        [columns.div_ceil(self.side), rows.div_ceil(self.side), 1]
    }
}

/// The large tiles where there are enough of them to fill a card, the small ones elsewhere. Results do not depend on it.
fn tile(rows: usize, columns: usize, multiprocessors: usize) -> Tile {
    let [x, y, _] = TILES[1].blocks(rows, columns);
    if x * y >= multiprocessors { TILES[1] } else { TILES[0] }
}

/// Into how many pieces the tokens of a weights' gradient are cut, so that small matrices fill a card too. A function of the shapes alone:
/// results depend on it.
pub(crate) fn pieces(rows: usize, cols: usize, tokens: usize) -> usize {
    /// Tiles that fill the cards there are, in twos.
    const ENOUGH: usize = 256;
    let tiles = rows.div_ceil(TILES[0].side) * cols.div_ceil(TILES[0].side);
    let longest = tokens.div_ceil(4 * SLAB).max(1);
    (ENOUGH / tiles).clamp(1, longest.min(16))
}

/// A product in f32: strides of both operands, in elements.
pub(super) struct Exact {
    pub a: Arg,
    pub a_strides: [usize; 2],
    pub b: Arg,
    pub b_strides: [usize; 2],
    pub c: Arg,
    pub sides: [usize; 3],
    pub alpha: f32,
    pub beta: f32,
}

impl Recorder<'_> {
    fn multiprocessors(&self) -> usize {
        self.device.card().multiprocessors as usize
    }

    fn sides(&self, weight: TensorId) -> (usize, usize) {
        match self.program.params[weight.0].kind {
            TensorKind::Ternary { rows, cols } => (rows, cols),
            kind => unreachable!("{kind:?} is no ternary matrix"),
        }
    }

    /// `y = W q`.
    pub(super) fn linear(&self, pass: &Pass, q: Quant, weight: TensorId, y: Rows) -> Result<()> {
        let (rows, cols) = self.sides(weight);
        let (m, at) = (self.memory, self.plan.arenas.ternary_at(weight));
        let tile = tile(pass.tokens, rows, self.multiprocessors());
        let shape =
            Shape { blocks: tile.blocks(pass.tokens, rows), threads: tile.threads, shared: tile.linear };
        self.run(
            "linear",
            &format!("linear_{}", tile.side),
            shape,
            &args![
                self.array(Array::Codes(q)),
                self.array(Array::Scale(q)),
                m.codes.at(at),
                m.scales.at(at / GROUP),
                self.rows(y),
                pass.tokens,
                rows,
                cols,
            ],
        )
    }

    /// `dW += d_y^T x`, `d_q = W^T d_y`.
    pub(super) fn linear_backward(
        &self,
        pass: &Pass,
        q: Quant,
        weight: TensorId,
        d_y: Rows,
        d_q: Rows,
        accumulate: bool,
    ) -> Result<()> {
        let (rows, cols) = self.sides(weight);
        let (m, tokens) = (self.memory, pass.tokens);
        let dequantised = m.dequantised.at(self.plan.arenas.ternary_at(weight) * self.plan.precision.bytes());
        let x = self.array(Array::Dequantised(q));
        let (d_y, d_q, d_w) = (self.rows(d_y), self.rows(d_q), self.gradient(weight));
        let (beta_w, beta_q) = (f32::from(pass.accumulate), f32::from(accumulate));
        if self.is_exact() {
            self.exact(&Exact {
                a: d_y,
                a_strides: [1, rows],
                b: x,
                b_strides: [cols, 1],
                c: d_w,
                sides: [rows, cols, tokens],
                alpha: 1.0,
                beta: beta_w,
            })?;
            return self.exact(&Exact {
                a: d_y,
                a_strides: [rows, 1],
                b: dequantised,
                b_strides: [cols, 1],
                c: d_q,
                sides: [tokens, cols, rows],
                alpha: 1.0,
                beta: beta_q,
            });
        }
        self.weights_gradient(d_y, x, d_w, [rows, cols, tokens], beta_w)?;
        let tile = tile(tokens, cols, self.multiprocessors());
        self.gemm("nn", tile, d_y, dequantised, d_q, [tokens, cols, rows], [rows, cols, cols], beta_q)
    }

    fn weights_gradient(&self, d_y: Arg, x: Arg, d_w: Arg, sides: [usize; 3], beta: f32) -> Result<()> {
        let [rows, cols, tokens] = sides;
        let pieces = pieces(rows, cols, tokens);
        if pieces == 1 {
            let tile = tile(rows, cols, self.multiprocessors());
            return self.gemm("tn", tile, d_y, x, d_w, sides, [rows, cols, cols], beta);
        }
        let (tile, parts) = (TILES[0], self.memory.parts.arg());
        let [x_blocks, y_blocks, _] = tile.blocks(rows, cols);
        let shape = Shape { blocks: [x_blocks, y_blocks, pieces], threads: tile.threads, shared: tile.gemm };
        self.run("gemm", "gemm_tn_64_split", shape, &args![d_y, x, parts, rows, cols, tokens, rows, cols])?;
        let values = rows * cols;
        let args = args![parts, d_w, values as u64, pieces, beta];
        self.run("gemm", "sum_splits", Shape::line(values.div_ceil(1024), 256), &args)
    }

    /// `C = A B + beta C` in bf16; `order` says which of the two come transposed.
    fn gemm(
        &self,
        order: &str,
        tile: Tile,
        a: Arg,
        b: Arg,
        c: Arg,
        [m, n, k]: [usize; 3],
        leading: [usize; 3],
        beta: f32,
    ) -> Result<()> {
        let shape = Shape { blocks: tile.blocks(m, n), threads: tile.threads, shared: tile.gemm };
        let mut args = args_vec![a, b, c, m, n, k];
        args.extend(leading.map(Arg::from));
        args.extend(args![0u64, 0u64, 0u64, 1.0f32, beta]);
        self.run("gemm", &format!("gemm_{order}_{}", tile.side), shape, &args)
    }

    /// `C = alpha A B + beta C` in f32.
    pub(super) fn exact(&self, e: &Exact) -> Result<()> {
        let [m, n, k] = e.sides;
        let shape = Shape { blocks: [n.div_ceil(64), m.div_ceil(64), 1], threads: 128, shared: EXACT_SHARED };
        let mut args = args_vec![e.a, e.b, e.c, m, n, k];
        args.extend(e.a_strides.iter().chain(&e.b_strides).map(|&s| Arg::from(s as u64)));
        args.push(n.into());
        args.extend(args![0u64, 0u64, 0u64, e.alpha, e.beta]);
        self.run("gemm_f32", "gemm_f32", shape, &args)
    }
}
