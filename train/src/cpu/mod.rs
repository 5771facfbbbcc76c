//! The CPU backend of the trainer. A step has four phases, each a work list without inner barriers: prepare the weights,
//! run every shard of the batch forward and back, sum the shards' gradients in order, update each parameter.

pub mod kernels;
mod ops;
mod params;
mod shard;

use cpu::ops::RopeTable;
use cpu::{Kernels, Pool};
use half::f16;
use model::config::ModelConfig;

pub use ops::cross_entropy::IGNORED;

use crate::backend::{Backend, Batch, Moments, Rates, StepStats};
use crate::error::{Error, Result};
use crate::optim::{self, Matrices, adamw, muon};
use crate::program::{Param, ParamKind, Program};
use kernels::gemm::gemm;
use params::{Parameter, Parameters};
use shard::{Pass, Shard};

/// How the CPU trains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuOptions {
    /// Parts a batch is cut into, each summed alone, then in order: results depend on it.
    pub shards: usize,
    /// Threads that work on the parts: results do not depend on it.
    pub threads: usize,
    /// Tokens a shard takes through the model at a time, rounded up to whole sequences; gradients are summed over passes in order:
    /// results depend on it, in the last bits.
    pub pass_tokens: usize,
    /// Decides initial values and dropout masks.
    pub seed: u64,
    /// Share of sub-layer outputs and embeddings dropped while training.
    pub dropout: f32,
    /// Trains the same network with f32 weights and activations, for comparison.
    pub float: bool,
    /// Muon and AdamW.
    pub optimiser: optim::Settings,
}

/// Elements of one work item of an elementwise update.
const CHUNK: usize = 1 << 18;

/// See the module's head.
pub struct CpuBackend {
    kn: &'static Kernels,
    program: Program,
    options: CpuOptions,
    pool: Pool,
    streams: usize,
    eps: f32,
    rope: RopeTable,
    params: Parameters,
    moments: Vec<Moments>,
    shards: Vec<Shard>,
    seq: usize,
    /// Whether the prepared weights belong to the current latent values.
    fresh: bool,
}

impl CpuBackend {
    /// Starts threads, and parameters for `config`, and makes room for passes over sequences of `seq` tokens.
    ///
    /// # Errors
    /// No threads to be had; nothing asks the system for one later.
    pub fn new(
        config: &ModelConfig,
        program: Program,
        seq: usize,
        options: CpuOptions,
    ) -> Result<CpuBackend> {
        let pool = Pool::new(options.threads).map_err(|source| Error::Threads { source })?;
        let params: Vec<_> =
            program.params.iter().map(|s| Parameter::new(s, options.seed, options.float)).collect();
        let moments =
            program.params.iter().map(|p| optim::fresh_moments(p, options.optimiser.matrices)).collect();
        let tokens_max = options.pass_tokens.max(seq).next_multiple_of(seq);
        let shards = (0..options.shards.max(1))
            .map(|_| Shard::new(&program.buffers, tokens_max, options.float))
            .collect();
        Ok(CpuBackend {
            kn: Kernels::best(),
            options,
            pool,
            streams: config.streams,
            eps: config.norm_eps,
            rope: RopeTable::new(seq, config.head_dim, config.rope_base),
            params: Parameters(params),
            moments,
            shards,
            seq,
            fresh: false,
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
    /// tokens of the result, `out_width` floats each.
    fn run_shards(
        &mut self,
        step: u64,
        batch: Batch<'_>,
        train: bool,
        visit: &(impl Fn(&Shard, &Program, &[f32], &mut [f32]) + Sync),
        out_width: usize,
    ) -> Vec<f32> {
        self.prepare();
        assert_eq!(batch.seq, self.seq);
        assert_eq!(batch.ids.len(), batch.targets.len());
        assert!(batch.ids.len().is_multiple_of(batch.seq));
        let scored = batch.targets.iter().filter(|&&t| t != IGNORED).count().max(1);
        let sequences = batch.ids.len() / batch.seq;
        let pass = self.options.pass_tokens.div_ceil(batch.seq).max(1) * batch.seq;
        let mut out = vec![0.0f32; batch.ids.len() * out_width];
        let (program, params, options) = (&self.program, &self.params, &self.options);
        let count = self.shards.len();
        let mut rest = &mut out[..];
        let mut items = Vec::with_capacity(count);
        for (i, shard) in self.shards.iter_mut().enumerate() {
            let first = i * sequences / count * batch.seq;
            let last = (i + 1) * sequences / count * batch.seq;
            let (mine, after) = std::mem::take(&mut rest).split_at_mut((last - first) * out_width);
            rest = after;
            items.push((shard, first..last, mine));
        }
        let (kn, rope, streams, eps) = (self.kn, &self.rope, self.streams, self.eps);
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
                    streams,
                    eps,
                    seed: options.seed,
                    step,
                    dropout: if train { options.dropout } else { 0.0 },
                    gradient: train.then_some(1.0 / scored as f32),
                    quantised: !options.float,
                    first_token: first,
                    seq: batch.seq,
                    ids: &batch.ids[first..end],
                    targets: &batch.targets[first..end],
                };
                shard.run(program, &p);
                let at = (first - tokens.start) * out_width..(end - tokens.start) * out_width;
                visit(shard, program, params[program.head].values(), &mut mine[at]);
            }
        });
        out
    }

    fn nats(&mut self, step: u64, batch: Batch<'_>, train: bool) -> Vec<f32> {
        self.run_shards(step, batch, train, &|s, p, _, out| out.copy_from_slice(s.read(p.nats)), 1)
    }

    /// Phases 1 to 3: mean loss; the summed gradient is left in the first shard.
    fn accumulate(&mut self, step: u64, batch: Batch<'_>) -> f64 {
        let nats = self.nats(step, batch, true);
        let scored = batch.targets.iter().filter(|&&t| t != IGNORED).count().max(1);
        let loss = nats.iter().map(|&n| f64::from(n)).sum::<f64>() / scored as f64;
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

    /// Phase 4: Muon takes a matrix per work item, AdamW a chunk.
    fn update(&mut self, step: u64, rates: Rates) -> f64 {
        let settings = &self.options.optimiser;
        let gradients = &self.shards[0].gradients;
        let norm = optim::global_norm(self.kn, gradients);
        let clip = settings.clip(norm);
        let mut matrices = Vec::new();
        let mut chunks = Vec::new();
        for ((p, m), g) in self.params.0.iter_mut().zip(&mut self.moments).zip(gradients) {
            match p.spec.kind {
                ParamKind::Ternary { rows, cols } if settings.matrices == Matrices::Muon => {
                    matrices.push((rows, cols, &mut p.latent, m, g));
                }
                kind => {
                    let decays = matches!(kind, ParamKind::Table { .. } | ParamKind::Ternary { .. });
                    let decay = if decays { settings.adam.weight_decay } else { 0.0 };
                    let moments = m.first.chunks_mut(CHUNK).zip(m.second.chunks_mut(CHUNK));
                    let values = p.latent.chunks_mut(CHUNK).zip(g.chunks(CHUNK)).zip(moments);
                    chunks.extend(values.map(|((w, g), (m, v))| (w, g, m, v, decay)));
                }
            }
        }
        matrices.sort_by_key(|m| std::cmp::Reverse(m.0 * m.1));
        let kn = self.kn;
        self.pool.each_mut(&mut matrices, |_, (rows, cols, w, m, g)| {
            muon::update(kn, w, g, &mut m.first, *rows, *cols, rates.muon, &settings.muon);
        });
        self.pool.each_mut(&mut chunks, |_, (w, g, m, v, decay)| {
            let adam = adamw::Settings { weight_decay: *decay, ..settings.adam };
            adamw::update(kn, w, g, m, v, step, rates.adam, clip, &adam);
        });
        self.fresh = false;
        norm
    }
}

impl Backend for CpuBackend {
    fn param(&self, p: Param) -> Vec<f32> {
        self.params[p].latent.clone()
    }

    fn set_param(&mut self, p: Param, values: &[f32]) {
        self.params.0[p.0].latent.copy_from_slice(values);
        self.fresh = false;
    }

    fn moments(&self, p: Param) -> Moments {
        self.moments[p.0].clone()
    }

    fn set_moments(&mut self, p: Param, moments: &Moments) {
        self.moments[p.0].clone_from(moments);
    }

    fn step(&mut self, step: u64, batch: Batch<'_>, rates: Rates) -> StepStats {
        let loss = self.accumulate(step, batch);
        let grad_norm = self.update(step, rates);
        StepStats { loss, grad_norm }
    }

    fn evaluate(&mut self, batch: Batch<'_>) -> Vec<f32> {
        self.nats(0, batch, false)
    }

    fn gradients(&mut self, step: u64, batch: Batch<'_>) -> (f64, Vec<Vec<f32>>) {
        let loss = self.accumulate(step, batch);
        (loss, self.shards[0].gradients.clone())
    }

    fn logits(&mut self, batch: Batch<'_>) -> (Vec<f32>, Vec<f32>) {
        let head = &self.program.params[self.program.head.0];
        let (vocab, width, wide) = (head.shape[0], head.shape[1], self.streams * head.shape[1]);
        let row = vocab + wide;
        let both = self.run_shards(
            0,
            batch,
            false,
            &|s, p, table, out| {
                let (tokens, y) = (out.len() / row, s.read(p.head_input));
                gemm(tokens, vocab, width, 1.0, y, (width, 1), table, (1, width), 0.0, out, (row, 1));
                for (out, x) in out.chunks_exact_mut(row).zip(s.read(p.streams).chunks_exact(wide)) {
                    out[vocab..].copy_from_slice(x);
                }
            },
            row,
        );
        let split =
            |from: usize, to: usize| both.chunks_exact(row).flat_map(|r| r[from..to].to_vec()).collect();
        (split(0, vocab), split(vocab, row))
    }

    fn codes(&mut self, p: Param) -> Option<(Vec<i8>, Vec<f16>)> {
        self.prepare();
        self.params[p].codes().map(|(t, s)| (t.to_vec(), s.to_vec()))
    }
}
