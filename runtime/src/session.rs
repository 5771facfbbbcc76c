//! One text being read and written: a model, its key-value cache and the threads that serve it. What token
//! comes next is the sampler's business, and who asks is the engine's.

use std::sync::Mutex;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::kv_cache::KvCache;
use crate::lane::{Around, LANE_TOKENS, Lane, Spread};
use crate::model::Model;
use crate::tuner::Tuner;
use cpu::ops::RopeTable;
use cpu::{Pool, THREADS_MAX};
use model::forward::Op;

/// Angles are computed for this many positions at first, and for twice as many whenever they run out.
const ROPE_FIRST: usize = 256;

/// Which logits a forward pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Nothing,
    Last,
    All,
}

/// A sequence of tokens and what the model remembers of them.
#[derive(Debug)]
pub struct Session<'m> {
    model: &'m Model,
    context: usize,
    pool: Pool,
    cache: KvCache,
    tokens: Vec<u32>,
    rope: RopeTable,
    /// One for each thread.
    lanes: Vec<Lane>,
    /// Attention scores, one for each key-value head.
    scratch: Vec<Mutex<Vec<f32>>>,
    logits: Vec<f32>,
    /// How many threads work on a single token and on a tile; `None` for all of them, always.
    tuners: Option<Tuners>,
}

/// The two kinds of work, which different numbers of threads may do best.
#[derive(Debug)]
struct Tuners {
    token: Tuner,
    tile: Tuner,
}

impl<'m> Session<'m> {
    /// An empty session of up to `context` tokens, on at most as many threads as [`default_threads`] says.
    ///
    /// # Errors
    /// A context of 0 or beyond the model's, or no threads to be had.
    pub fn new(model: &'m Model, context: usize) -> Result<Self> {
        Self::up_to_threads(model, context, default_threads())
    }

    /// An empty session on at most `threads` threads, at any time on as many of them as are measured to be fastest; never
    /// on more than this process has processors. No result depends on their number.
    ///
    /// # Errors
    /// A context of 0 or beyond the model's, or no threads to be had.
    pub fn up_to_threads(model: &'m Model, context: usize, threads: usize) -> Result<Self> {
        let mut session = Self::with_threads(model, context, threads_of_use(threads))?;
        let most = session.threads();
        session.tuners = (most > 1).then(|| Tuners { token: Tuner::new(most), tile: Tuner::new(most) });
        Ok(session)
    }

    /// An empty session on exactly `threads` threads, idle or not, to be measured. No result depends on their number.
    ///
    /// # Errors
    /// A context of 0 or beyond the model's, or no threads to be had.
    pub fn with_threads(model: &'m Model, context: usize, threads: usize) -> Result<Self> {
        let c = model.config();
        if !(1..=c.context).contains(&context) {
            return Err(Error::Context { asked: context, trained: c.context });
        }
        let pool =
            Pool::new(threads.max(1)).map_err(|source| Error::Resource { what: "worker threads", source })?;
        let threads = pool.threads();
        Ok(Session {
            model,
            context,
            cache: KvCache::new(c),
            tokens: Vec::new(),
            rope: RopeTable::new(ROPE_FIRST.min(context), c.head_dim, c.rope_base),
            lanes: (0..threads).map(|_| Lane::new()).collect(),
            scratch: (0..c.kv_heads).map(|_| Mutex::default()).collect(),
            logits: Vec::new(),
            tuners: None,
            pool,
        })
    }

    /// The model.
    pub fn model(&self) -> &'m Model {
        self.model
    }

    /// Most tokens it holds.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Most threads that serve it.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// The tokens it holds.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Bytes of its keys and values.
    pub fn kv_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.truncate(0);
    }

    /// Forgets all but the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        self.tokens.truncate(len);
    }

    /// Reads `tokens` and returns the logits that follow the last of them, (vocab).
    ///
    /// # Errors
    /// No tokens, an id outside the vocabulary, or more than the context holds; the session is then as before.
    pub fn forward(&mut self, tokens: &[u32]) -> Result<&[f32]> {
        self.check(tokens)?;
        if tokens.is_empty() {
            return Err(Error::PromptEmpty);
        }
        self.run(tokens, Want::Last);
        Ok(&self.logits)
    }

    /// Reads `tokens` and returns the logits that follow each of them, (tokens, vocab).
    ///
    /// # Errors
    /// As [`forward`](Self::forward), but no tokens give no logits.
    pub fn forward_all(&mut self, tokens: &[u32]) -> Result<&[f32]> {
        self.check(tokens)?;
        self.run(tokens, Want::All);
        Ok(&self.logits)
    }

    /// Reads `tokens` without asking what follows.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), but no tokens are fine.
    pub fn advance(&mut self, tokens: &[u32]) -> Result<()> {
        self.check(tokens)?;
        self.run(tokens, Want::Nothing);
        Ok(())
    }

    fn check(&self, tokens: &[u32]) -> Result<()> {
        let vocab = self.model.config().vocab;
        if let Some(&id) = tokens.iter().find(|&&id| id as usize >= vocab) {
            return Err(Error::Token { id, vocab });
        }
        let total = self.tokens.len() + tokens.len();
        if total > self.context {
            return Err(Error::ContextFull { tokens: total, context: self.context });
        }
        Ok(())
    }

    fn run(&mut self, tokens: &[u32], want: Want) {
        let c = self.model.config();
        let end = self.tokens.len() + tokens.len();
        if end > self.rope.positions() {
            let positions = end.max(2 * self.rope.positions()).min(self.context);
            self.rope = RopeTable::new(positions, c.head_dim, c.rope_base);
        }
        let rows = match want {
            Want::Nothing => 0,
            Want::Last => 1,
            Want::All => tokens.len(),
        };
        self.logits.resize(rows * c.vocab, 0.0);
        let mut done = 0;
        while done < tokens.len() {
            let (rest, start) = (&tokens[done..], Instant::now());
            if let Some(tuners) = &self.tuners {
                self.pool.use_threads(if rest.len() == 1 { &tuners.token } else { &tuners.tile }.threads());
            }
            let tile = &rest[..rest.len().min(LANE_TOKENS * self.pool.threads_used())];
            let want = match want {
                Want::Last if tile.len() < rest.len() => Want::Nothing,
                other => other,
            };
            self.run_tile(tile, want, done * c.vocab);
            done += tile.len();
            // Single tokens without logits and short tiles are work of another kind.
            match &mut self.tuners {
                Some(tuners) if tile.len() == 1 && want != Want::Nothing => {
                    tuners.token.took(start.elapsed(), 1)
                }
                Some(tuners) if tile.len() >= LANE_TOKENS => {
                    tuners.tile.took(start.elapsed(), tile.len());
                }
                _ => {}
            }
        }
    }

    /// Runs one tile of tokens; where the logits of all are wanted, theirs begin at `at`.
    fn run_tile(&mut self, tile: &[u32], want: Want, at: usize) {
        let (model, first) = (self.model, self.tokens.len());
        self.tokens.extend_from_slice(tile);
        // Each thread takes a run of tokens, in the sixteens that the product kernels like; a lone token takes all threads.
        let threads = self.pool.threads_used();
        let per_lane = tile.len().div_ceil(threads);
        let per_lane = if tile.len() >= 32 { per_lane.next_multiple_of(16) } else { per_lane };
        let runs: Vec<&[u32]> = tile.chunks(per_lane).collect();
        let (pool, rope) = (&self.pool, &self.rope);
        let all = (threads > 1).then_some(Spread { pool, scratch: &self.scratch });
        let spread = if tile.len() == 1 { all } else { None };
        let lanes = &mut self.lanes[..runs.len()];
        for ((i, lane), run) in lanes.iter_mut().enumerate().zip(&runs) {
            lane.start(model, run, first + i * per_lane);
        }
        let ops = &model.forward().ops;
        for stretch in ops.split_inclusive(|op| matches!(op, Op::Store { .. })) {
            let around = Around { model, cache: &self.cache, rope, spread };
            pool.each_mut(lanes, |_, lane| lane.run(stretch, want != Want::Nothing, around));
            // Every token's keys must be in the cache before any token looks back.
            if let Some(&Op::Store { block, qkv }) = stretch.last() {
                lanes.iter().for_each(|lane| lane.store(model, block, qkv, &mut self.cache));
            }
        }
        let head = ops.last().expect("a forward pass ends with its head");
        let vocab = model.config().vocab;
        match want {
            Want::Nothing => {}
            Want::Last => {
                let last = lanes.last_mut().expect("a tile has tokens");
                last.head(model, head, 1, &mut self.logits, all);
            }
            Want::All => {
                let logits = self.logits[at..][..tile.len() * vocab].chunks_mut(per_lane * vocab);
                let mut work: Vec<(&mut Lane, &mut [f32])> = lanes.iter_mut().zip(logits).collect();
                pool.each_mut(&mut work, |_, (lane, logits)| {
                    lane.head(model, head, lane.len(), logits, spread)
                });
            }
        }
    }
}

/// `TERCET_THREADS` if it is set to a number, at most [`THREADS_MAX`]; else one for each processor that this process may use, at
/// most 16: a small model has no work for more.
pub fn default_threads() -> usize {
    let asked = std::env::var("TERCET_THREADS").ok().and_then(|v| v.parse().ok()).filter(|&n: &usize| n > 0);
    asked.map_or_else(|| Pool::threads_available().min(16), |n| n.min(THREADS_MAX))
}

/// How many of the threads asked for are of use: no more than there are processors for.
pub fn threads_of_use(asked: usize) -> usize {
    asked.min(Pool::threads_available()).max(1)
}
