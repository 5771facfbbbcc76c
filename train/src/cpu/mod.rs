//! The CPU backend of the trainer. A step has four phases, each a work list without inner barriers: prepare the weights,
//! run every shard of the batch forward and back, sum the shards' gradients in order, update each parameter.

pub mod kernels;
pub(crate) mod look;
mod ops;
mod params;
mod probe;
mod shard;
mod update;

use cpu::ops::RopeTable;
use cpu::{Kernels, Pool};

pub use ops::cross_entropy::IGNORED;

use crate::arena::Arenas;
use crate::backend::{Backend, CodesCount, Part, Rates, StepReport};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::optim;
use crate::program::Program;
use model::rope::Frequencies;
use model::tensors::TensorId;
use params::{Moments, Parameter, Parameters};
use shard::{Pass, Shard};

/// How the CPU goes about a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuOptions {
    /// Parts a batch is cut into, each summed alone, then in order: results depend on it.
    pub shards: usize,
    /// Threads that work on the parts: results do not depend on it.
    pub threads: usize,
    /// Tokens a shard takes through the model at a time, rounded up to whole sequences; gradients are summed over passes in order:
    /// results depend on it, in the last bits.
    pub pass_tokens: usize,
}

/// Elements of one work item of an elementwise sum or update.
const CHUNK: usize = 1 << 18;

/// See the module's head.
pub struct CpuBackend {
    kn: &'static Kernels,
    program: Program,
    options: CpuOptions,
    pool: Pool,
    rope: RopeTable,
    params: Parameters,
    moments: Vec<Moments>,
    /// Where they are counted to lie; here each is an array of its own.
    arenas: Arenas,
    /// Codes of the ternary matrices at the last look; the others' are empty.
    remembered: Vec<Vec<i8>>,
    shards: Vec<Shard>,
    /// Whether the prepared weights belong to the current latent values.
    fresh: bool,
    /// A step computes while it is submitted; this is what it will report.
    done: Option<StepReport>,
}

impl CpuBackend {
    /// Starts threads, and the program's parameters, and makes room for passes over its sequences.
    ///
    /// # Errors
    /// No threads to be had; nothing asks the system for one later.
    pub fn new(program: Program, options: CpuOptions) -> Result<CpuBackend> {
        let pool = Pool::new(options.threads).map_err(|source| Error::Threads { source })?;
        let (model, recipe) = (&program.model, &program.recipe);
        let params = program.params.iter().map(|s| Parameter::new(s, recipe.seed, recipe.float)).collect();
        let moments = (0..program.params.len()).map(|p| Moments::new(&program, TensorId(p))).collect();
        let remembered = program.params.iter().map(look::forgotten).collect();
        let tokens_max = options.pass_tokens.max(recipe.tokens).next_multiple_of(recipe.tokens);
        let shards = (0..options.shards.max(1))
            .map(|_| Shard::new(&program.buffers, tokens_max, recipe.float))
            .collect();
        Ok(CpuBackend {
            kn: Kernels::best(),
            options,
            pool,
            rope: RopeTable::new(recipe.tokens, &Frequencies::plain(model.head_dim, model.rope_base)),
            params: Parameters(params),
            moments,
            arenas: Arenas::new(&program.params),
            remembered,
            shards,
            fresh: false,
            done: None,
            program,
        })
    }

    /// Phase 1: what the forward pass reads, from the latent values.
    fn prepare(&mut self) {
        if !self.fresh {
            let kn = self.kn;
            let mut all: Vec<_> = self.params.0.iter_mut().collect();
            all.sort_by_key(|p| std::cmp::Reverse(p.latent.len()));
            self.pool.each_mut(&mut all, |_, p| p.prepare(kn));
            self.fresh = true;
        }
    }

    /// Phase 2: every shard over its sequences. After each pass `visit` reads the shard (and the head's values) into that pass's
    /// tokens of `out`, which has as many floats for every token.
    fn run_shards(
        &mut self,
        step: u64,
        batch: &Batch,
        train: bool,
        visit: &(impl Fn(&Shard, &Program, &[f32], &mut [f32]) + Sync),
        out: &mut [f32],
    ) {
        self.prepare();
        let (program, params) = (&self.program, &self.params);
        let recipe = &program.recipe;
        let (seq, sequences) = (recipe.tokens, recipe.sequences);
        assert!([batch.tokens.len(), batch.targets.len()] == [recipe.batch_tokens(); 2]);
        assert!(out.len().is_multiple_of(batch.tokens.len()));
        let out_width = out.len() / batch.tokens.len();
        let scored = batch.scored().max(1);
        let pass = self.options.pass_tokens.div_ceil(seq).max(1) * seq;
        let count = self.shards.len();
        let mut rest = out;
        let mut items = Vec::with_capacity(count);
        for (i, shard) in self.shards.iter_mut().enumerate() {
            let first = i * sequences / count * seq;
            let last = (i + 1) * sequences / count * seq;
            let (mine, after) = std::mem::take(&mut rest).split_at_mut((last - first) * out_width);
            rest = after;
            items.push((shard, first..last, mine));
        }
        let (kn, rope) = (self.kn, &self.rope);
        self.pool.each_mut(&mut items, |_, (shard, tokens, mine)| {
            if train {
                shard.clear_gradients(params);
            }
            for first in tokens.clone().step_by(pass) {
                let end = (first + pass).min(tokens.end);
                let p = Pass {
                    kn,
                    params,
                    rope,
                    streams: program.model.streams,
                    eps: program.model.norm_eps,
                    seed: recipe.seed,
                    step,
                    dropout: if train { recipe.dropout } else { 0.0 },
                    gradient: train.then_some(1.0 / scored as f32),
                    quantised: !recipe.float,
                    first_token: first,
                    seq,
                    ids: &batch.tokens[first..end],
                    targets: &batch.targets[first..end],
                };
                shard.run(program, &p);
                let at = (first - tokens.start) * out_width..(end - tokens.start) * out_width;
                visit(shard, program, params[program.head].values(), &mut mine[at]);
            }
        });
    }

    fn nats(&mut self, step: u64, batch: &Batch, train: bool, nats: &mut [f32]) {
        self.run_shards(step, batch, train, &|s, p, _, out| out.copy_from_slice(s.read(p.nats)), nats);
    }

    /// Phases 1 to 3: mean loss; the summed gradient is left in the first shard.
    fn accumulate(&mut self, step: u64, batch: &Batch) -> f64 {
        let mut nats = vec![0.0; batch.tokens.len()];
        self.nats(step, batch, true, &mut nats);
        let loss = nats.iter().map(|&n| f64::from(n)).sum::<f64>() / batch.scored().max(1) as f64;
        let kn = self.kn;
        let (first, others) = self.shards.split_first_mut().expect("at least one shard");
        let mut items = Vec::new();
        for (p, sum) in first.gradients.iter_mut().enumerate() {
            for (c, sum) in sum.chunks_mut(CHUNK).enumerate() {
                let parts: Vec<&[f32]> =
                    others.iter().map(|s| &s.gradients[p][c * CHUNK..][..sum.len()]).collect();
                items.push((sum, parts));
            }
        }
        self.pool.each_mut(&mut items, |_, (sum, parts)| {
            for part in &*parts {
                kn.add_scaled(1.0, part, sum);
            }
        });
        loss
    }

    fn part(&mut self, p: TensorId, part: Part) -> &mut [f32] {
        match part {
            Part::Latent => &mut self.params.0[p.0].latent,
            Part::First => &mut self.moments[p.0].first,
            Part::Second => &mut self.moments[p.0].second,
        }
    }
}

impl Backend for CpuBackend {
    fn lag(&self) -> usize {
        0
    }

    fn submit(&mut self, step: u64, batch: &Batch, rates: Rates) -> Result<()> {
        assert!(self.done.is_none(), "a step was not collected");
        let loss = self.accumulate(step, batch);
        let grad_norm = optim::global_norm(self.kn, &self.shards[0].gradients);
        let skipped = !(loss.is_finite() && grad_norm.is_finite());
        if !skipped {
            self.update(step, rates, grad_norm);
        }
        self.done = Some(StepReport { loss, grad_norm, skipped });
        Ok(())
    }

    fn collect(&mut self) -> Result<Option<StepReport>> {
        Ok(self.done.take())
    }

    fn evaluate(&mut self, batch: &Batch, nats: &mut [f32]) -> Result<()> {
        self.nats(0, batch, false, nats);
        Ok(())
    }

    fn read(&mut self, p: TensorId, part: Part, out: &mut [f32]) -> Result<()> {
        out.copy_from_slice(self.part(p, part));
        Ok(())
    }

    fn write(&mut self, p: TensorId, part: Part, values: &[f32]) -> Result<()> {
        self.part(p, part).copy_from_slice(values);
        self.fresh &= part != Part::Latent;
        Ok(())
    }

    fn look(&mut self) -> Result<Vec<CodesCount>> {
        let ternary = self.params.0.iter().zip(&mut self.remembered).filter(|(_, codes)| !codes.is_empty());
        let mut items: Vec<_> = ternary.map(|(p, codes)| (&p.latent, codes, CodesCount::default())).collect();
        self.pool.each_mut(&mut items, |_, (latent, codes, count)| *count = look::look(latent, codes));
        Ok(items.into_iter().map(|(_, _, count)| count).collect())
    }

    fn remembered(&mut self, p: TensorId, codes: &mut [i8]) -> Result<()> {
        codes.copy_from_slice(&self.remembered[p.0]);
        Ok(())
    }

    fn remember(&mut self, p: TensorId, codes: &[i8]) -> Result<()> {
        self.remembered[p.0].copy_from_slice(codes);
        Ok(())
    }
}
