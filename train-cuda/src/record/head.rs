//! Cross-entropy and its gradient. On tensor cores the vocabulary goes by in chunks and logits are computed twice, so that they are never there as
//! a whole; in f32 a block of tokens has all of its logits at once.

use model::tensors::TensorId;
use train::program::{Program, Rows};

use super::products::Exact;
use super::{Pass, Recorder};
use crate::driver::{Arg, Shape};
use crate::error::Result;
use crate::plan::{Array, Plan};
use crate::precision::Precision;

/// Side of the tiles of logits, threads of a block, and the bytes of shared memory of the kernels.
const TILE: usize = 128;
const THREADS: usize = 256;
const SHARED: usize = 98_304;

/// What the head takes: bytes of logits, halves of its input, floats of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadSizes {
    pub logits: usize,
    pub y: usize,
    pub stats: usize,
}

impl Plan {
    /// What the head of a program takes.
    pub fn head(&self, program: &Program) -> HeadSizes {
        let head = &program.params[program.head.0];
        let (vocab, width, tokens) = (head.shape[0], head.shape[1], self.tokens());
        match self.precision {
            Precision::F32 => HeadSizes { logits: 4 * self.chunk * vocab, y: 0, stats: 0 },
            Precision::Bf16 => HeadSizes {
                logits: 2 * tokens * self.chunk,
                y: tokens * width,
                stats: 2 * tokens * vocab.div_ceil(TILE),
            },
        }
    }
}

/// Into how many parts the ids of a chunk are cut where the head's input gets its gradient: its tiles alone would not fill a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Splits {
    pub count: usize,
    /// Ids of each.
    slice: usize,
}

impl Splits {
    /// A function of the shapes alone, results depend on it: of the tokens of a whole pass, whatever a last one has, because fewer tokens would make more
    /// parts than there is room for.
    pub fn of(tokens: usize, width: usize, chunk: usize) -> Splits {
        let tiles = tokens.div_ceil(TILE) * width.div_ceil(TILE);
        let slice = chunk.div_ceil((256 / tiles).clamp(1, 8)).next_multiple_of(64);
        Splits { count: chunk.div_ceil(slice), slice }
    }
}

impl Recorder<'_> {
    fn head_sides(&self) -> (usize, usize) {
        let head = &self.program.params[self.program.head.0];
        (head.shape[0], head.shape[1])
    }

    /// Nats of every token, and where it trains the gradient of the head's input and of its table.
    pub(super) fn cross_entropy(&self, pass: &Pass, table: TensorId, y: Rows, d_y: Rows) -> Result<()> {
        match self.plan.precision {
            Precision::F32 => self.exact_cross_entropy(pass, table, y, d_y),
            Precision::Bf16 => self.chunked_cross_entropy(pass, table, d_y),
        }
    }

    fn chunked_cross_entropy(&self, pass: &Pass, table: TensorId, d_y: Rows) -> Result<()> {
        let ((vocab, width), tokens, m) = (self.head_sides(), pass.tokens, &self.memory.head);
        let values = self.memory.operand.at(self.table_at(table));
        let (y, targets, logits, lse) = (m.y.arg(), self.targets(pass), m.logits.arg(), m.lse.arg());
        let (tiles, rows) = (vocab.div_ceil(TILE), tokens.div_ceil(TILE));
        let shape =
            |x: usize, y: usize, z: usize| Shape { blocks: [x, y, z], threads: THREADS, shared: SHARED };
        let args = args![y, values, targets, m.stats.arg(), m.at_target.arg(), tokens, vocab, width,];
        self.run("head", "head_stats", shape(rows, tiles, 1), &args)?;
        let nats = self.memory.nats.at(pass.first_token);
        let args = args![m.stats.arg(), m.at_target.arg(), targets, lse, nats, tokens, tiles];
        self.run("head", "head_loss", Shape::line(tokens.div_ceil(8), THREADS), &args)?;
        if !pass.train {
            return Ok(());
        }
        let Splits { count: splits, slice } = Splits::of(self.plan.tokens(), width, self.plan.chunk);
        let parts = self.memory.parts.arg();
        for first in (0..vocab).step_by(self.plan.chunk) {
            let chunk = self.plan.chunk;
            let sides = args![tokens, vocab, width, first, chunk];
            let args = [&[y, values, targets, lse, logits][..], &sides].concat();
            self.run("head", "head_gradient", shape(rows, chunk / TILE, 1), &args)?;
            let args = [&[logits, values, parts][..], &sides, &args![slice, first > 0]].concat();
            self.run("head", "head_dy", shape(rows, width.div_ceil(TILE), splits), &args)?;
            let d_table = self.gradient(table);
            let args = [&[logits, y, self.words(), d_table][..], &sides, &args![pass.accumulate]].concat();
            self.run("head", "head_dtable", shape(width.div_ceil(TILE), chunk / TILE, 1), &args)?;
        }
        let count = tokens * width;
        let args = args![parts, self.words(), self.rows(d_y), count as u64, splits];
        self.run("head", "head_dy_sum", Shape::line(count.div_ceil(1024), THREADS), &args)
    }

    fn exact_cross_entropy(&self, pass: &Pass, table: TensorId, y: Rows, d_y: Rows) -> Result<()> {
        let ((vocab, width), m) = (self.head_sides(), self.memory);
        let (values, logits) = (m.rounded.at(self.table_at(table)), m.head.logits.arg());
        for first in (0..pass.tokens).step_by(self.plan.chunk) {
            let tokens = self.plan.chunk.min(pass.tokens - first);
            let some = |rows: Rows| m.room(self.plan, Array::Rows(rows)).at(4 * first * width);
            self.logits(some(y), values, logits, tokens)?;
            let args = args![
                logits,
                m.targets.at(pass.first_token + first),
                self.words(),
                m.nats.at(pass.first_token + first),
                tokens,
                vocab,
                pass.train,
            ];
            self.run("head_f32", "softmax_rows", Shape::line(tokens, THREADS), &args)?;
            if !pass.train {
                continue;
            }
            self.exact(&Exact {
                a: logits,
                a_strides: [vocab, 1],
                b: values,
                b_strides: [width, 1],
                c: some(d_y),
                sides: [tokens, width, vocab],
                alpha: 1.0,
                beta: 0.0,
            })?;
            self.exact(&Exact {
                a: logits,
                a_strides: [1, vocab],
                b: some(y),
                b_strides: [width, 1],
                c: self.gradient(table),
                sides: [vocab, width, tokens],
                alpha: 1.0,
                beta: f32::from(pass.accumulate || first > 0),
            })?;
        }
        Ok(())
    }

    fn logits(&self, y: Arg, table: Arg, out: Arg, tokens: usize) -> Result<()> {
        let (vocab, width) = self.head_sides();
        self.exact(&Exact {
            a: y,
            a_strides: [width, 1],
            b: table,
            b_strides: [1, width],
            c: out,
            sides: [tokens, vocab, width],
            alpha: 1.0,
            beta: 0.0,
        })
    }

    /// All logits of a pass, in f32, for tests.
    pub fn plain_logits(&self, pass: &Pass, out: Arg) -> Result<()> {
        let values = self.memory.rounded.at(self.table_at(self.program.head));
        self.logits(self.rows(self.program.head_input), values, out, pass.tokens)
    }
}
