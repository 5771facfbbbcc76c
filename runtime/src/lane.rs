//! A few tokens of one or more texts on their way through the model, and every buffer they need. Which ops it runs, in which order,
//! is `model::forward`'s business; the trainer runs the same, so that a served logit is a trained one.
//!
//! A lane runs on one thread; when it holds all tokens of a pass, few of them, it may instead share out each product by the rows of a
//! matrix, and attention by heads. No result depends on either choice.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::kv::HostPages;
use crate::model::Model;
use crate::normed::Normed;
use crate::pass::{GiveUp, TextId};
use crate::pieces::Piece;
use crate::texts::Texts;
use cpu::ops::{HyperCoefficients, HyperWeights, RopeTable};
use cpu::{Kernels, Pool};
use model::config::ModelConfig;
use model::forward::{Op, Rows};

/// Most tokens of a lane: enough to pay for unpacking weights and cached keys once for all of them.
pub const LANE_TOKENS: usize = 64;

/// Up to so many tokens share what is read of the weights and have all threads share the rows; more are a lane for each thread.
pub const TOGETHER_MAX: usize = 16;

/// Attention over fewer numbers, keys x width of all query heads, is not worth handing out: these take about 1 us.
const SPREAD_MIN_ATTENTION: usize = 1 << 14;

/// Room for attention scores where heads are shared out, one for each head of each token.
#[derive(Debug)]
pub struct Spread(Vec<Mutex<Vec<f32>>>);

impl Spread {
    /// Room for so many heads.
    pub fn new(heads: usize) -> Self {
        Spread((0..heads).map(|_| Mutex::default()).collect())
    }
}

/// What the ops of a lane read beside it.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Weights and kernels.
    pub model: &'a Model,
    /// Keys and values of all tokens so far.
    pub texts: &'a Texts<HostPages>,
    /// Angles of all positions so far.
    pub rope: &'a RopeTable,
    /// The threads, if the lane is alone.
    pub spread: Option<(&'a Pool, &'a Spread)>,
    /// Asked before each op.
    pub give_up: GiveUp<'a>,
}

/// The rows of a lane that are consecutive tokens of one text.
#[derive(Clone, Debug)]
struct Run {
    text: TextId,
    /// Position of the first.
    first: usize,
    rows: Range<usize>,
    /// How many, the last ones, logits are wanted for.
    wanted: usize,
}

/// Tokens in flight.
#[derive(Debug)]
pub struct Lane {
    tokens: Vec<u32>,
    runs: Vec<Run>,
    /// The pass's buffers, (tokens, width of the slot).
    slots: Vec<Vec<f32>>,
    /// Of the sub-layer that is being run.
    coefficients: Vec<HyperCoefficients>,
    /// One normed row.
    row: Vec<f32>,
    /// What the next products read.
    normed: Normed,
    scores: Vec<f32>,
}

impl Lane {
    /// An empty lane; buffers grow to what they are used for.
    pub fn new() -> Self {
        Lane {
            tokens: Vec::new(),
            runs: Vec::new(),
            slots: Vec::new(),
            coefficients: Vec::new(),
            row: Vec::new(),
            normed: Normed::default(),
            scores: Vec::new(),
        }
    }

    /// Takes the tokens of some pieces.
    pub fn start(&mut self, model: &Model, pieces: &[Piece<'_>]) {
        self.tokens.clear();
        self.runs.clear();
        for piece in pieces {
            let rows = self.tokens.len()..self.tokens.len() + piece.tokens.len();
            self.tokens.extend_from_slice(piece.tokens);
            self.runs.push(Run { text: piece.text, first: piece.first, rows, wanted: piece.wanted() });
        }
        let widths = model.slots().widths();
        self.slots.resize_with(widths.len(), Vec::new);
        for (slot, width) in self.slots.iter_mut().zip(widths) {
            slot.resize(self.tokens.len() * width, 0.0);
        }
        self.coefficients.resize(self.tokens.len(), HyperCoefficients::default());
    }

    /// Runs ops over all tokens, up to where keys and values are stored, which is [`store`](Self::store)'s, or up to the head, which is
    /// not a lane's; without what is for logits alone, unless they are wanted. Says whether it was not given up.
    pub fn run(&mut self, ops: &[Op], logits: bool, around: Around<'_>) -> bool {
        for op in ops {
            if (around.give_up)() {
                return false;
            }
            match op {
                Op::Store { .. } | Op::Head { .. } => {}
                Op::FinalNorm { .. } if !logits => {}
                op => self.run_one(op, around),
            }
        }
        true
    }

    fn run_one(&mut self, op: &Op, around: Around<'_>) {
        let Around { model, spread, .. } = around;
        let (c, kn, w) = (model.config(), model.kernels(), model.weights());
        match *op {
            Op::Embed { table, x } => {
                let (table, wide) = (w.table(table), c.streams * c.width);
                let x = &mut self.slots[model.slots().of(x)];
                for (x, &id) in x.chunks_exact_mut(wide).zip(&self.tokens) {
                    let (stream, copies) = x.split_at_mut(c.width);
                    table.unpack_row(kn, id as usize, stream);
                    stream.iter_mut().for_each(|v| *v *= c.embedding_scale);
                    copies.chunks_exact_mut(c.width).for_each(|copy| copy.copy_from_slice(stream));
                }
            }
            Op::HyperRead { connection, x, y } => {
                let hyper = model.forward().connections[connection.0].hyper.map(|h| w.hyper(c, &h));
                let (coefficients, [x, y]) = (&mut self.coefficients, pair(&mut self.slots, model, x, y));
                read(c, kn, hyper, x, coefficients, y);
            }
            Op::NormQuantise { x, gain, q } => {
                let x = &self.slots[model.slots().of(x)];
                let gain = gain.map(|gain| w.plain(gain));
                self.normed.take(kn, c, x, x.len() / self.tokens.len(), gain, w.reads(q));
            }
            Op::BitLinear { stack, y, .. } => {
                let y = &mut self.slots[model.slots().of(y)];
                self.normed.products(kn, w.stack(stack), self.tokens.len(), y, spread.map(|s| s.0));
            }
            Op::Bias { stack, y } => {
                let (stack, y) = (&model.forward().stacks[stack.0], &mut self.slots[model.slots().of(y)]);
                for row in y.chunks_exact_mut(stack.rows.iter().sum()) {
                    let mut rest = row;
                    for (bias, rows) in stack.biases.iter().zip(&stack.rows) {
                        let part = rest.split_off_mut(..*rows).expect("a row holds every part");
                        if let Some(bias) = bias {
                            kn.add_scaled(1.0, w.plain(*bias), part);
                        }
                    }
                }
            }
            Op::NormRope { qkv, q_gain, k_gain } => {
                self.norm_rope(around, qkv, q_gain.map(|g| w.plain(g)), k_gain.map(|g| w.plain(g)));
            }
            Op::Attention { block, qkv, out } => self.attention(around, block, qkv, out),
            Op::Activation { up_gate, out } => {
                let [up_gate, out] = pair(&mut self.slots, model, up_gate, out);
                let width = up_gate.len() / self.tokens.len();
                for (up_gate, out) in up_gate.chunks_exact(width).zip(out.chunks_exact_mut(c.ffn)) {
                    let (up, gate) = up_gate.split_at(c.ffn);
                    kn.activation(c.activation, gate, up, out);
                }
            }
            Op::HyperWrite { x, f, out, .. } => {
                let of = |rows| model.slots().of(rows);
                let [x, f, out] = self
                    .slots
                    .get_disjoint_mut([of(x), of(f), of(out)])
                    .expect("what an op reads and writes is never shared");
                let wide = c.streams * c.width;
                let tokens =
                    x.chunks_exact(wide).zip(f.chunks_exact(c.width)).zip(out.chunks_exact_mut(wide));
                for (((x, f), out), coefficients) in tokens.zip(&self.coefficients) {
                    kn.hyper_write(coefficients, x, f, out);
                }
            }
            Op::FinalNorm { x, gain, y } => {
                let (row, gain) = (&mut self.row, w.plain(gain));
                row.resize(c.width, 0.0);
                let [x, y] = pair(&mut self.slots, model, x, y);
                for (x, y) in x.chunks_exact(c.streams * c.width).zip(y.chunks_exact_mut(c.width)) {
                    row.copy_from_slice(&x[..c.width]);
                    for stream in x[c.width..].chunks_exact(c.width) {
                        kn.add_scaled(1.0, stream, row);
                    }
                    kn.rms_norm(row, Some(gain), c.norm_eps, y);
                }
            }
            Op::Store { .. } | Op::Head { .. } => unreachable!("{op:?} is not run with the others"),
        }
    }

    /// Hands keys and values to their texts.
    pub fn store(&self, model: &Model, block: usize, qkv: Rows, texts: &mut Texts<HostPages>) {
        let width = model.forward().width(qkv);
        let qkv = &self.slots[model.slots().of(qkv)];
        for run in &self.runs {
            let rows = &qkv[run.rows.start * width..run.rows.end * width];
            texts.write(run.text, model.kernels(), block, run.first, rows, width);
        }
    }

    /// The rows that the head reads, of each token whose logits are wanted.
    pub fn wanted<'l>(&'l self, model: &'l Model) -> impl Iterator<Item = &'l [f32]> {
        let Some(&Op::Head { y, .. }) = model.forward().ops.last() else {
            unreachable!("a forward pass ends with its head")
        };
        let (width, y) = (model.config().width, &self.slots[model.slots().of(y)]);
        let rows = self.runs.iter().flat_map(|run| run.rows.end - run.wanted..run.rows.end);
        rows.map(move |row| &y[row * width..][..width])
    }

    fn norm_rope(&mut self, around: Around<'_>, qkv: Rows, q_gain: Option<&[f32]>, k_gain: Option<&[f32]>) {
        let Around { model, rope, .. } = around;
        let (c, kn, row) = (model.config(), model.kernels(), &mut self.row);
        row.resize(c.head_dim, 0.0);
        let width = model.forward().width(qkv);
        let qkv = &mut self.slots[model.slots().of(qkv)];
        let positions = self.runs.iter().flat_map(|run| run.first..run.first + run.rows.len());
        for (position, qkv) in positions.zip(qkv.chunks_exact_mut(width)) {
            let (cos, sin) = rope.at(position);
            let (q, kv) = qkv.split_at_mut(c.q_width());
            for (heads, gain) in [(q, q_gain), (&mut kv[..c.kv_width()], k_gain)] {
                if let Some(gain) = gain {
                    for head in heads.chunks_exact_mut(c.head_dim) {
                        kn.rms_norm(head, Some(gain), c.norm_eps, row);
                        head.copy_from_slice(row);
                    }
                }
                kn.rope(heads, c.head_dim, cos, sin, c.rope);
            }
        }
    }

    fn attention(&mut self, around: Around<'_>, block: usize, qkv: Rows, out: Rows) {
        let Around { model, texts, spread, .. } = around;
        let (c, kn, stride) = (model.config(), model.kernels(), model.forward().width(qkv));
        let group = c.heads / c.kv_heads;
        let runs: Vec<_> = self.runs.iter().map(|run| (run, texts.pages(run.text))).collect();
        let (scores, [qkv, mixed]) = (&mut self.scores, pair(&mut self.slots, model, qkv, out));
        // For consecutive tokens of a text the query heads that share key-value head `kv`, into `out` whose rows are `out_stride` long.
        let attend = |pages: &[_],
                      first,
                      rows: Range<usize>,
                      kv,
                      out: &mut [f32],
                      out_stride,
                      scores: &mut Vec<f32>| {
            let (n, pages) = (rows.len(), texts.shape().head(pages, block, kv));
            let scale = 1.0 / (c.head_dim as f32).sqrt();
            for i in 0..group {
                let q = &qkv[rows.start * stride + (kv * group + i) * c.head_dim..];
                let out = &mut out[i * c.head_dim..];
                kn.attention_f16(
                    q, stride, first, n, pages, c.head_dim, scale, out, out_stride, None, scores,
                );
            }
        };
        let width = group * c.head_dim;
        let tokens = || runs.iter().flat_map(|of| of.0.rows.clone().map(move |row| (of, row)));
        let keys = tokens().map(|((run, _), row)| run.first + (row - run.rows.start) + 1).sum::<usize>();
        match spread {
            Some((pool, Spread(scratch))) if keys * c.q_width() >= SPREAD_MIN_ATTENTION => {
                let tokens: Vec<_> = tokens().collect();
                pool.chunks_mut(mixed, width, |i, out| {
                    let (((run, pages), row), kv) = (tokens[i / c.kv_heads], i % c.kv_heads);
                    let first = run.first + (row - run.rows.start);
                    let scores = &mut scratch[i].lock().unwrap_or_else(PoisonError::into_inner);
                    attend(pages, first, row..row + 1, kv, out, width, scores);
                });
            }
            _ => {
                for (run, pages) in &runs {
                    for kv in 0..c.kv_heads {
                        let out = &mut mixed[run.rows.start * c.q_width() + kv * width..];
                        attend(pages, run.first, run.rows.clone(), kv, out, c.q_width(), scores);
                    }
                }
            }
        }
    }
}

/// Two buffers, of which an op changes the second.
fn pair<'a>(slots: &'a mut [Vec<f32>], model: &Model, a: Rows, b: Rows) -> [&'a mut Vec<f32>; 2] {
    let at = [model.slots().of(a), model.slots().of(b)];
    slots.get_disjoint_mut(at).expect("what an op reads and writes is never shared")
}

/// A sub-layer's input from the streams. One stream is the ordinary residual, whose coefficients are all one.
fn read(
    c: &ModelConfig,
    kn: &Kernels,
    hyper: Option<HyperWeights<'_>>,
    x: &[f32],
    coefficients: &mut [HyperCoefficients],
    y: &mut [f32],
) {
    let tokens = x.chunks_exact(c.streams * c.width).zip(y.chunks_exact_mut(c.width));
    for ((x, y), coefficients) in tokens.zip(coefficients) {
        match &hyper {
            Some(w) => {
                kn.hyper_coefficients(w, x, coefficients);
                kn.hyper_read(coefficients, x, y);
            }
            None => {
                coefficients.streams = 1;
                (coefficients.pre[0], coefficients.post[0], coefficients.mix[0]) = (1.0, 1.0, 1.0);
                y.copy_from_slice(x);
            }
        }
    }
}
