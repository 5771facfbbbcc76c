//! One text being read and written: a model, its key-value cache and the threads that serve it. What token
//! comes next is the sampler's business, and who asks is the engine's.

use std::sync::Mutex;
use std::time::Instant;

use crate::cpu::Pool;
use crate::cpu::ops::RopeTable;
use crate::error::{Error, Result};
use crate::kv_cache::KvCache;
use crate::lane::{LANE_TOKENS, Lane, Spread};
use crate::model::Model;
use crate::tuner::Tuner;

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
    /// Decides for single tokens whether other threads are worth it.
    tuner: Tuner,
}

impl<'m> Session<'m> {
    /// An empty session of up to `context` tokens, on as many threads as [`default_threads`] says.
    ///
    /// # Errors
    /// A context of 0 or beyond the model's, or no threads to be had.
    pub fn new(model: &'m Model, context: usize) -> Result<Self> {
        Self::with_threads(model, context, default_threads())
    }

    /// An empty session on `threads` threads. No result depends on their number.
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
            tuner: Tuner::new(),
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

    /// Threads that serve it.
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
        let mut tiles = tokens.chunks(LANE_TOKENS * self.lanes.len()).peekable();
        while let Some(tile) = tiles.next() {
            let want = match want {
                Want::Last if tiles.peek().is_some() => Want::Nothing,
                other => other,
            };
            self.run_tile(tile, want, done * c.vocab);
            done += tile.len();
        }
    }

    /// Runs one tile of tokens; where the logits of all are wanted, theirs begin at `at`.
    fn run_tile(&mut self, tile: &[u32], want: Want, at: usize) {
        let (model, first) = (self.model, self.tokens.len());
        let start = Instant::now();
        self.tokens.extend_from_slice(tile);
        // Each thread takes a run of tokens, in the sixteens that the product kernels like; a lone token takes all threads.
        let per_lane = tile.len().div_ceil(self.lanes.len());
        let per_lane = if tile.len() >= 32 { per_lane.next_multiple_of(16) } else { per_lane };
        let runs: Vec<&[u32]> = tile.chunks(per_lane).collect();
        let (pool, rope) = (&self.pool, &self.rope);
        let single = tile.len() == 1 && pool.threads() > 1;
        let all = (pool.threads() > 1).then_some(Spread { pool, scratch: &self.scratch });
        let spread = if single && self.tuner.together() { all } else { None };
        let lanes = &mut self.lanes[..runs.len()];
        pool.chunks_mut(lanes, 1, |i, lane| {
            lane[0].start(model, runs[i], first + i * per_lane);
            lane[0].attention_in(model, 0, rope, spread);
        });
        let blocks = model.config().blocks;
        for b in 0..blocks {
            // Every token's keys must be in the cache before any token looks back.
            lanes.iter().for_each(|lane| lane.store(b, model, &mut self.cache));
            let cache = &self.cache;
            pool.chunks_mut(lanes, 1, |_, lane| {
                lane[0].finish_block(model, b, cache, spread);
                if b + 1 < blocks {
                    lane[0].attention_in(model, b + 1, rope, spread);
                } else if want != Want::Nothing {
                    lane[0].final_norm(model);
                }
            });
        }
        let vocab = model.config().vocab;
        match want {
            Want::Nothing => {}
            Want::Last => {
                let last = lanes.last_mut().expect("a tile has tokens");
                last.head(model, 1, &mut self.logits, if single { spread } else { all });
            }
            Want::All => {
                let logits = self.logits[at..][..tile.len() * vocab].chunks_mut(per_lane * vocab);
                let mut work: Vec<(&mut Lane, &mut [f32])> = lanes.iter_mut().zip(logits).collect();
                pool.chunks_mut(&mut work, 1, |_, work| {
                    let (lane, logits) = &mut work[0];
                    lane.head(model, lane.len(), logits, spread);
                });
            }
        }
        if single && want == Want::Last {
            self.tuner.took(start.elapsed());
        }
    }
}

/// `TERCET_THREADS` if it is set to a number, else one for each processor that this process may use, at most 16: a
/// small model has no work for more.
pub fn default_threads() -> usize {
    let asked = std::env::var("TERCET_THREADS").ok().and_then(|v| v.parse().ok()).filter(|&n| n > 0);
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get().min(16)))
}
