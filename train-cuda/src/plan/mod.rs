//! What a program takes on a card: where every array lies and how large it is, known before any of it is asked for.

mod array;
mod exchange;
mod rooms;
mod share;

use std::fmt;

use model::config::ModelConfig;
use model::tensors::{TensorId, TensorKind};
use train::optim::Matrices;
use train::program::Program;
use train::recompute::recomputed;

pub(crate) use array::Array;
pub(crate) use exchange::{Exchange, exchanges};
pub(crate) use rooms::Rooms;
pub use share::Share;
pub(crate) use train::arena::{Alike, Arenas, Place};

use crate::error::{Error, Result};
use crate::moments::bytes;
use crate::precision::Precision;
use crate::record::{Table, parts};

/// Weights of a group.
pub(crate) const GROUP: usize = formats::ternary::GROUP;
/// Floats of a token's record of coefficients; see `kernels/hyper.cu`.
pub(crate) const COEFS: usize = 128;
/// Floats of a token's record of their gradient.
pub(crate) const COEF_GRADIENTS: usize = 20;
/// Widest row that a norm gives a gradient for, and widest that is quantised.
const NORMED_MAX: usize = 8192;
const QUANTISED_MAX: usize = 12_288;
/// Head widths that the attention kernels know.
const HEAD_DIMS: [usize; 4] = [32, 64, 96, 128];
/// Bytes of the logits' gradient that are there at a time, where that is tiles enough: they stay in the cache of an RTX 40, A100 or newer.
const CACHED: usize = 16 << 20;
/// Tiles of 128 x 128 that fill a card.
const TILES: usize = 256;
/// Bytes of logits in f32 at a time.
const LOGITS: usize = 64 << 20;
/// Ids that a chunk of the vocabulary is a multiple of.
const CHUNK: usize = 128;
/// What compiled kernels and rounding take besides, roughly. The driver's own share is not free when it is asked.
const MARGIN: u64 = 100 << 20;
/// What NCCL takes besides where there are other cards: an estimate for eight of them in a machine.
const NCCL_MARGIN: u64 = 1 << 30;
/// Most sequences of a pass: blocks in the second dimension.
const SEQUENCES_MAX: usize = 65_535;

/// How a card goes about a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CudaOptions {
    /// Its number.
    pub card: usize,
    /// What the backward pass multiplies.
    pub precision: Precision,
    /// Tokens taken through the model at a time, rounded up to whole sequences; their gradients are added up.
    pub pass_tokens: usize,
    /// Records a step once and replays it; without it every kernel is launched anew.
    pub graph: bool,
    /// Which sequences of a batch are its own.
    pub share: Share,
    /// Computes activations a second time on the way back instead of keeping them: less memory, the same bits, a forward pass more.
    pub recompute: bool,
}

impl CudaOptions {
    /// A whole batch at a time, on that card alone, everything kept.
    pub fn on(card: usize) -> CudaOptions {
        CudaOptions {
            card,
            precision: Precision::Bf16,
            pass_tokens: usize::MAX,
            graph: true,
            share: Share::WHOLE,
            recompute: false,
        }
    }

    /// The program as it is run.
    pub(crate) fn program(&self, program: &Program) -> Program {
        if self.recompute { recomputed(program) } else { program.clone() }
    }
}

/// See the top of this file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub precision: Precision,
    /// Tokens of a sequence.
    pub seq: usize,
    /// Sequences of a batch.
    pub sequences: usize,
    /// Which of them are this card's.
    pub share: Share,
    /// Sequences of a pass.
    pub pass: usize,
    /// Where there are other cards: the sums over all of them.
    pub exchanges: Vec<Exchange>,
    pub arenas: Arenas,
    pub rooms: Rooms,
    /// Tables, the head's among them, in the order in which their stored values lie.
    pub tables: Vec<TensorId>,
    /// Ids of a chunk of the head's vocabulary (bf16), or tokens of a block of logits (f32).
    pub chunk: usize,
    pub sizes: Sizes,
}

/// Bytes, by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Latent values, gradients, and what the optimiser remembers.
    pub parameters: u64,
    /// What products read of the weights.
    pub operands: u64,
    /// Activations and their gradients, as far as they are there at once.
    pub rows: u64,
    /// Working memory of single kernels.
    pub scratch: u64,
    /// For what the driver and NCCL take.
    pub margin: u64,
}

impl Sizes {
    /// All of it, with a margin.
    pub fn total(&self) -> u64 {
        self.parameters + self.operands + self.rows + self.scratch + self.margin
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        write!(
            f,
            "{} MiB: parameters and optimiser {}, operands {}, activations {}, scratch {}, margin {}",
            mib(self.total()),
            mib(self.parameters),
            mib(self.operands),
            mib(self.rows),
            mib(self.scratch),
            mib(self.margin)
        )
    }
}

impl Plan {
    /// The plan of a program.
    ///
    /// # Errors
    /// A shape that the kernels do not know.
    pub fn new(program: &Program, options: &CudaOptions) -> Result<Plan> {
        let (model, recipe) = (&program.model, &program.recipe);
        check(model, recipe.float)?;
        let precision = options.precision;
        let share = options.share;
        let pass = options.pass_tokens.div_ceil(recipe.tokens);
        let pass = pass.clamp(1, share.of(recipe.sequences).len().min(SEQUENCES_MAX));
        let arenas = Arenas::new(&program.params);
        let exchanges = if share.is_part() { exchanges(program, &arenas) } else { Vec::new() };
        let rooms = Rooms::new(program, precision);
        let is_table = |p: &TensorId| matches!(program.params[p.0].kind, TensorKind::Table { .. });
        let tables: Vec<TensorId> = (0..program.params.len()).map(TensorId).filter(is_table).collect();
        let (tokens, vocab) = (pass * recipe.tokens, program.params[program.head.0].shape[0]);
        let chunk = match precision {
            Precision::Bf16 => {
                let cached = CACHED / (2 * tokens) / CHUNK;
                let enough = TILES.div_ceil(model.width.div_ceil(CHUNK));
                cached.max(enough).min(vocab.div_ceil(CHUNK)) * CHUNK
            }
            Precision::F32 => (LOGITS / (4 * vocab)).clamp(1, tokens),
        };
        let mut plan = Plan {
            precision,
            seq: recipe.tokens,
            sequences: recipe.sequences,
            share,
            pass,
            exchanges,
            arenas,
            rooms,
            tables,
            chunk,
            sizes: Sizes::default(),
        };
        plan.sizes = plan.count(program);
        Ok(plan)
    }

    /// Tokens of a pass.
    pub fn tokens(&self) -> usize {
        self.pass * self.seq
    }

    /// Tokens of a batch.
    pub fn batch_tokens(&self) -> usize {
        self.sequences * self.seq
    }

    /// Values of all tables.
    pub fn table_values(&self, program: &Program) -> usize {
        self.tables.iter().map(|p| program.params[p.0].len()).sum()
    }

    fn count(&self, program: &Program) -> Sizes {
        let (a, tokens) = (&self.arenas, self.tokens());
        let grad = self.precision.bytes();
        let seconds = if program.recipe.optimiser.matrices == Matrices::Muon { 0 } else { a.ternary };
        let moments = bytes(program.recipe.optimiser.moments) * (a.ternary + seconds + 2 * a.dense);
        let parameters = 4 * 2 * (a.ternary + a.dense) + moments + a.ternary;
        let operands = a.ternary * (1 + grad) + a.ternary / GROUP * 2 + self.table_values(program) * 6;
        let rows = (self.rooms.bytes.iter().sum::<usize>() + 4 * COEF_GRADIENTS) * tokens;
        let batch = 12 * self.batch_tokens();
        let head = self.head(program);
        let muon = match program.recipe.optimiser.matrices {
            Matrices::Muon => Table::new(self).bytes(self.precision),
            Matrices::AdamW => 0,
        };
        let of_tokens = 4 * tokens * (2 + program.model.heads);
        let scratch =
            head.logits + 2 * head.y + 4 * (head.stats + parts(self, program)) + of_tokens + batch + muon;
        Sizes {
            parameters: parameters as u64,
            operands: operands as u64,
            rows: rows as u64,
            scratch: scratch as u64,
            margin: if self.share.is_part() { MARGIN + NCCL_MARGIN } else { MARGIN },
        }
    }
}

/// Refuses what the kernels do not know.
fn check(c: &ModelConfig, float: bool) -> Result<()> {
    if !HEAD_DIMS.contains(&c.head_dim) {
        return Err(Error::Shape {
            what: "the head width (model.head_dim)",
            found: c.head_dim.to_string(),
            expected: "32, 64, 96 or 128",
        });
    }
    // What norms and their gradients hold of a row.
    for (what, width, normed) in [
        ("the model's width", c.width, true),
        ("the heads' width", c.q_width(), c.attn_sub_norm),
        ("the feed-forward width", c.ffn, c.ffn_sub_norm),
    ] {
        let (most, expected) =
            if normed { (NORMED_MAX, "at most 8192 there") } else { (QUANTISED_MAX, "at most 12288 there") };
        if width > most {
            return Err(Error::Shape { what, found: width.to_string(), expected });
        }
    }
    if float {
        return Err(Error::Shape { what: "model.float", found: "true".into(), expected: "ternary networks" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Arg, Card, Device};
    use crate::memory::Memory;
    use train::optim::Moments;
    use train::{graph, preset};

    /// A last pass of fewer tokens finds room for its parts too.
    #[test]
    fn an_uneven_pass_has_room() {
        let mut config = preset::showcase();
        (config.model.width, config.model.context, config.model.streams) = (768, 1024, 1);
        (config.train.batch, config.model.blocks, config.model.heads) = (5, 1, 12);
        let program = graph::build(&config.model_config(50_257), config.recipe());
        let options = CudaOptions { pass_tokens: 3 * 1024, ..CudaOptions::on(0) };
        let room = parts(&Plan::new(&program, &options).unwrap(), &program);
        let mut sizes = Vec::new();
        for launch in crate::paper::step(&program, &options, Card::rtx_4090()).unwrap() {
            if launch.kernel == "head_dy" {
                let Arg::Int(tokens) = launch.args[3] else { panic!("{:?}", launch.args) };
                sizes.push(tokens);
                assert!(launch.shape.blocks[2] * tokens as usize * 768 <= room, "{launch:?}, {room}");
            }
        }
        assert!(sizes.contains(&3072) && sizes.contains(&2048), "{sizes:?}");
    }

    #[test]
    fn a_plan_counts_what_is_taken() {
        for (name, _) in preset::PRESETS {
            let config = preset::named(name).unwrap();
            let program = graph::build(&config.model_config(2048), config.recipe());
            for (precision, recompute, moments) in [
                (Precision::Bf16, false, Moments::Bf16),
                (Precision::F32, false, Moments::F32),
                (Precision::Bf16, true, Moments::F32),
                (Precision::F32, true, Moments::Bf16),
            ] {
                for pass_tokens in [1, 1 << 20] {
                    let options = CudaOptions { precision, pass_tokens, recompute, ..CudaOptions::on(0) };
                    let mut program = options.program(&program);
                    program.recipe.optimiser.moments = moments;
                    let plan = Plan::new(&program, &options).unwrap();
                    let device = Device::on_paper(Card::rtx_4090());
                    Memory::new(&device, &program, &plan).unwrap();
                    let (taken, counted) =
                        (device.taken() as f64, (plan.sizes.total() - plan.sizes.margin) as f64);
                    assert!(
                        (taken / counted - 1.0).abs() < 0.02,
                        "{name}, {options:?}, {moments:?}: {taken} taken, {counted} counted"
                    );
                }
            }
        }
    }
}
