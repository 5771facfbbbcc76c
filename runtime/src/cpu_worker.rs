//! The worker that runs on the processor: a pool of threads, the lanes they carry tokens in, and the texts it remembers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use cpu::ops::RopeTable;
use cpu::{Pool, THREADS_MAX};
use model::config::ModelConfig;
use model::forward::Op;

use crate::error::{Error, Result};
use crate::head::Head;
use crate::kv::{HostPages, KvMemory, PAGE_TOKENS, PageShape};
use crate::lane::{Around, LANE_TOKENS, Lane, Spread, TOGETHER_MAX};
use crate::model::Model;
use crate::pass::{Answer, GiveUp, Span, TextId, Worker, check_context};
use crate::pieces::{Piece, take};
use crate::texts::Texts;
use crate::tuner::Tuner;

/// Angles are computed for this many positions at first, and for twice as many whenever they run out.
const ROPE_FIRST: usize = 256;
/// Tokens that the processor reads at a time: enough of them to be fast.
const STEP_TOKENS: usize = 256;

/// A model on the processor.
#[derive(Debug)]
pub struct CpuWorker<'m> {
    model: &'m Model,
    pool: Pool,
    texts: Texts<HostPages>,
    rope: RopeTable,
    /// One for each thread.
    lanes: Vec<Lane>,
    spread: Spread,
    head: Head,
    /// Logits of the last pass, (wanted tokens of all its spans, vocab).
    logits: Vec<f32>,
    /// Where in them, counted in tokens, each span of the last pass begins, and where the last ends.
    answers: Vec<usize>,
    /// How many threads work on a few tokens and on a tile; `None` for all of them, always.
    tuners: Option<Tuners>,
    /// Whether the last pass did not come to its end.
    given_up: bool,
}

/// The two kinds of work, which different numbers of threads may do best.
#[derive(Debug)]
struct Tuners {
    token: Tuner,
    tile: Tuner,
}

impl<'m> CpuWorker<'m> {
    /// A worker on at most `threads` threads, at any time on as many of them as are measured to be fastest; never
    /// on more than this process has processors. No result depends on their number.
    ///
    /// # Errors
    /// As [`with_threads`](Self::with_threads).
    pub fn up_to_threads(model: &'m Model, threads: usize) -> Result<Self> {
        let mut worker = Self::with_threads(model, threads_of_use(threads))?;
        let most = worker.threads();
        worker.tuners = (most > 1).then(|| Tuners { token: Tuner::new(most), tile: Tuner::new(most) });
        Ok(worker)
    }

    /// A worker on exactly `threads` threads, idle or not, to be measured. No result depends on their number. The model is laid
    /// out for it, unless it is.
    ///
    /// # Errors
    /// No threads to be had, or a model that [cannot be laid out](Model::lay_out).
    pub fn with_threads(model: &'m Model, threads: usize) -> Result<Self> {
        model.lay_out()?;
        let c = model.config();
        let pool =
            Pool::new(threads.max(1)).map_err(|source| Error::Resource { what: "worker threads", source })?;
        let threads = pool.threads();
        Ok(CpuWorker {
            model,
            texts: Texts::new(HostPages::new(PageShape::new(c))),
            rope: RopeTable::new(ROPE_FIRST.min(c.context), model.rope()),
            lanes: (0..threads).map(|_| Lane::new()).collect(),
            spread: Spread::new(TOGETHER_MAX * c.kv_heads),
            head: Head::default(),
            logits: Vec::new(),
            answers: vec![0],
            tuners: None,
            given_up: false,
            pool,
        })
    }

    /// The model.
    pub fn model(&self) -> &'m Model {
        self.model
    }

    /// Most threads that serve it.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Bytes of the keys and values of a text, whichever other texts share them.
    pub fn kv_bytes(&self, text: TextId) -> usize {
        self.texts.bytes(text)
    }

    /// Allows so many pages of keys and values for all texts together: a pass that needs more is refused with [`Error::KvFull`].
    pub fn limit_pages(&mut self, pages: Option<usize>) {
        self.texts.set_limit(pages);
    }

    /// Angles up to position `end`.
    fn reach(&mut self, end: usize) {
        if end > self.rope.positions() {
            let positions = end.max(2 * self.rope.positions()).min(self.model.config().context);
            self.rope = RopeTable::new(positions, self.model.rope());
        }
    }

    /// Runs one tile of tokens, pieces of several texts; the logits wanted go to the end of those there are. Says whether it came to
    /// its end.
    fn tile(&mut self, tile: &[Piece<'_>], give_up: GiveUp<'_>) -> bool {
        let model = self.model;
        let tokens = tile.iter().map(|piece| piece.tokens.len()).sum::<usize>();
        // Each thread takes a run of tokens, in the sixteens that the product kernels like; a few take all threads.
        let threads = self.pool.threads_used();
        let together = tokens <= TOGETHER_MAX;
        let per_lane = if together { tokens } else { tokens.div_ceil(threads) };
        let per_lane = if per_lane >= 16 { per_lane.next_multiple_of(16) } else { per_lane };
        let mut rest = VecDeque::from_iter(tile.iter().copied());
        let lanes = &mut self.lanes[..tokens.div_ceil(per_lane)];
        lanes.iter_mut().for_each(|lane| lane.start(model, &take(&mut rest, per_lane, usize::MAX)));
        for piece in tile {
            self.texts.extend(piece.text, piece.tokens);
        }
        let logits = tile.iter().any(|piece| piece.wanted() > 0);
        let pool = (together && threads > 1).then_some(&self.pool);
        let ops = &model.forward().ops;
        for stretch in ops.split_inclusive(|op| matches!(op, Op::Store { .. })) {
            let spread = pool.map(|pool| (pool, &self.spread));
            let around = Around { model, texts: &self.texts, rope: &self.rope, spread, give_up };
            let given_up = AtomicBool::new(false);
            self.pool.each_mut(lanes, |_, lane| {
                if !lane.run(stretch, logits, around) {
                    given_up.store(true, Ordering::Relaxed);
                }
            });
            if given_up.into_inner() {
                return false;
            }
            // Every token's keys must be in the cache before any token looks back.
            if let Some(&Op::Store { block, qkv }) = stretch.last() {
                lanes.iter().for_each(|lane| lane.store(model, block, qkv, &mut self.texts));
            }
        }
        if logits {
            self.head.start(lanes.iter().flat_map(|lane| lane.wanted(model)));
            self.head.run(model, &self.pool, &mut self.logits);
        }
        true
    }
}

impl Worker for CpuWorker<'_> {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn open(&mut self, context: usize) -> Result<TextId> {
        check_context(context, self.model.config())?;
        Ok(self.texts.open(context))
    }

    fn close(&mut self, text: TextId) {
        self.texts.close(text);
    }

    fn tokens(&self, text: TextId) -> &[u32] {
        &self.texts[text].tokens
    }

    fn context(&self, text: TextId) -> usize {
        self.texts[text].context
    }

    fn truncate(&mut self, text: TextId, len: usize) {
        self.texts.truncate(text, len);
    }

    fn page_tokens(&self) -> usize {
        PAGE_TOKENS
    }

    fn fork(&mut self, text: TextId, len: usize) -> Result<TextId> {
        Ok(self.texts.fork(text, len))
    }

    fn step_tokens(&self) -> usize {
        STEP_TOKENS
    }

    fn pass(&mut self, spans: &[Span<'_>], give_up: GiveUp<'_>) -> Result<()> {
        let vocab = self.model.config().vocab;
        let begun = self.texts.begin(spans, vocab)?;
        self.given_up = false;
        self.logits.clear();
        self.answers.clear();
        self.answers.push(0);
        let mut wanted = 0;
        for span in spans {
            self.reach(self.texts[span.text].tokens.len() + span.tokens.len());
            wanted += span.want.count(span.tokens.len());
            self.answers.push(wanted);
        }
        self.logits.reserve(wanted * vocab);
        let mut rest = begun.clone();
        while !rest.is_empty() {
            let start = Instant::now();
            let tokens = rest.iter().map(|piece| piece.tokens.len()).sum::<usize>();
            if let Some(tuners) = &self.tuners {
                let tuner = if tokens <= TOGETHER_MAX { &tuners.token } else { &tuners.tile };
                self.pool.use_threads(tuner.threads());
            }
            let tile = take(&mut rest, LANE_TOKENS * self.pool.threads_used(), usize::MAX);
            if !self.tile(&tile, give_up) {
                self.texts.undo(&begun);
                self.given_up = true;
                return Ok(());
            }
            let read = tile.iter().map(|piece| piece.tokens.len()).sum::<usize>();
            let any_wanted = tile.iter().any(|piece| piece.wanted() > 0);
            // Single tokens without logits and short tiles are work of another kind.
            match &mut self.tuners {
                Some(tuners) if read == 1 && any_wanted => tuners.token.took(start.elapsed(), 1),
                Some(tuners) if read >= LANE_TOKENS => tuners.tile.took(start.elapsed(), read),
                _ => {}
            }
        }
        Ok(())
    }

    fn answer(&self, i: usize) -> Answer<'_> {
        if self.given_up {
            return Answer::Unread;
        }
        let vocab = self.model.config().vocab;
        match &self.logits[self.answers[i] * vocab..self.answers[i + 1] * vocab] {
            [] => Answer::Nothing,
            logits => Answer::Logits(logits),
        }
    }

    fn kv_memory(&self) -> KvMemory {
        self.texts.memory()
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
