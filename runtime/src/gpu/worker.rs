//! The worker that runs on a device: its texts, whose tokens go together, one submission a chunk of them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::buffers::Buffers;
use super::counters::Counters;
use super::model::GpuModel;
use super::pace::Pace;
use super::pages::DevicePages;
use super::plan::{Plan, record};
use super::timer::Timer;
use crate::error::Result;
use crate::kv::{KvMemory, PAGE_TOKENS, PageStore};
use crate::pass::{Answer, GiveUp, Span, TextId, Want, Worker, check_context};
use crate::pieces::{Piece, take};
use crate::sequence::Sequence;
use crate::texts::Texts;
use model::config::ModelConfig;

/// Most tokens of a submission.
const CHUNK_MAX: usize = 128;
/// From so many tokens on, products take them together.
const TOGETHER_MIN: usize = 6;

/// A text on a device.
pub type GpuSession<'m> = Sequence<GpuWorker<'m>>;

/// A model on a device, with the texts it remembers.
#[derive(Debug)]
pub struct GpuWorker<'m> {
    model: &'m GpuModel,
    texts: Texts<DevicePages>,
    /// There from the first text on.
    buffers: Option<Buffers>,
    /// Not there while buffers are being replaced.
    plan: Option<Plan>,
    /// Logits of the last pass, (wanted tokens of its spans, vocab).
    logits: Vec<f32>,
    answers: Vec<Came>,
    /// How many tokens the next submission may have.
    pace: Pace,
    counters: Counters,
    /// Asks the device for its own times.
    timer: Option<Timer>,
    device_time: Duration,
}

/// What came of a span.
#[derive(Clone, Debug)]
enum Came {
    Nothing,
    /// Where its logits are.
    Logits(Range<usize>),
    Id(u32),
    NotFinite,
    Unread,
}

impl<'m> GpuWorker<'m> {
    /// A worker without texts.
    pub fn new(model: &'m GpuModel) -> Self {
        GpuWorker {
            model,
            texts: Texts::new(DevicePages::new(model.config())),
            buffers: None,
            plan: None,
            logits: Vec::new(),
            answers: Vec::new(),
            pace: Pace::new(CHUNK_MAX, model.gpu.info().software),
            counters: Counters::default(),
            timer: None,
            device_time: Duration::ZERO,
        }
    }

    /// The model.
    pub fn model(&self) -> &'m GpuModel {
        self.model
    }

    /// Bytes of its buffers on the device, and of the pages that there is room for.
    pub fn bytes(&self) -> u64 {
        self.buffers.as_ref().map_or(0, Buffers::bytes) + self.texts.store().bytes()
    }

    /// Bytes of the keys and values of a text, whichever other texts share them.
    pub fn kv_bytes(&self, text: TextId) -> usize {
        self.texts.bytes(text)
    }

    /// Allows so many pages of keys and values for all texts together, however many there is room for: a pass that needs more is refused
    /// with [`Error::KvFull`](crate::Error::KvFull).
    pub fn limit_pages(&mut self, pages: Option<usize>) {
        self.texts.set_limit(pages);
    }

    /// What it has asked of the device so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Has the device measure its own time from now on, if it can; that costs a readback of its own a submission.
    ///
    /// # Errors
    /// No memory for it.
    pub fn measure_device_time(&mut self) -> Result<()> {
        self.timer = Timer::new(&self.model.gpu)?;
        Ok(())
    }

    /// Time spent in shaders since it is measured; `None` where the device cannot tell.
    pub fn device_time(&self) -> Option<Duration> {
        self.timer.as_ref().map(|_| self.device_time)
    }

    /// Makes room for one more text of up to `context` tokens: pages for that many at least, and for all texts at their longest if the
    /// device has so much and no fewer are allowed. Where it has not, texts share what there is, and a pass may find it full.
    fn make_room(&mut self, context: usize) -> Result<()> {
        let gpu = &self.model.gpu;
        let least = context.div_ceil(PAGE_TOKENS);
        let wished = self.texts.pages_most() + least;
        match &mut self.buffers {
            None => {
                self.buffers = Some(Buffers::new(self.model, CHUNK_MAX, context, wished)?);
            }
            Some(buffers) if !buffers.reach.covers(context, wished) => {
                self.plan = None;
                buffers.reach.grow(gpu, &self.model.rope, context, wished)?;
            }
            Some(_) => {}
        }
        let limit = self.texts.pages_allowed();
        let pages = self.texts.store_mut();
        // No more than may be used; up to there, room grows in few steps where many texts are opened.
        let wished = limit.map_or(wished, |limit| wished.max(2 * pages.room().unwrap_or(0)).min(limit));
        let allowed = pages.allowed(gpu, least, wished);
        if pages.room().is_none_or(|room| room < allowed) {
            self.plan = None;
            pages.grow(gpu, allowed)?;
        }
        self.make_plan()
    }

    /// Makes the plan over the buffers there are, unless it is there.
    fn make_plan(&mut self) -> Result<()> {
        if let (None, Some(buffers)) = (&self.plan, &self.buffers) {
            let model = self.model;
            let mut pipelines = model.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
            let compiled = pipelines.count();
            self.plan = Some(Plan::new(model, &mut pipelines, buffers, self.texts.store())?);
            if let Some(cache) = model.gpu.pipelines.as_ref().filter(|_| pipelines.count() > compiled) {
                cache.save();
            }
        }
        Ok(())
    }

    /// Reads what a pass has to read, chunk by chunk. Says whether it came to its end.
    fn read(&mut self, begun: &VecDeque<Piece<'_>>, give_up: GiveUp<'_>) -> Result<bool> {
        let mut rest = begun.clone();
        while !rest.is_empty() {
            if give_up() {
                return Ok(false);
            }
            // Another text may have failed to open since.
            self.make_plan()?;
            let buffers = self.buffers.as_ref().expect(OPEN);
            let chunk = self.pace.chunk().min(buffers.chunk);
            let pieces = take(&mut rest, chunk, buffers.wanted);
            self.submit(&pieces)?;
        }
        Ok(true)
    }

    /// One submission: reads the tokens of some pieces, at most a chunk, and brings back what is wanted.
    fn submit(&mut self, pieces: &[Piece<'_>]) -> Result<()> {
        let (model, start) = (self.model, Instant::now());
        let (gpu, vocab) = (&model.gpu, model.config().vocab);
        let batch = Batch::new(pieces, |text| self.texts.table(text));
        let step = &batch.step;
        let (b, plan) = (self.buffers.as_mut().expect(OPEN), self.plan.as_ref().expect(OPEN));
        self.counters.bytes_up += b.tell(gpu, &batch);
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        self.texts.store_mut().record_copies(&mut encoder);
        let together = batch.tokens.len() >= TOGETHER_MIN;
        let mut lists = vec![&plan.embed, if together { &plan.many } else { &plan.few }];
        lists.extend((step.wanted() > 0).then_some(&plan.head));
        lists.extend((step.likeliest() > 0).then_some(&plan.choose));
        lists.extend((step.drawn() > 0).then_some(&plan.draw));
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("tercet"),
            timestamp_writes: self.timer.as_ref().map(Timer::writes),
        });
        self.counters.dispatches += record(&mut pass, lists.into_iter().flatten(), step);
        drop(pass);
        // Logits wanted for themselves come first, and then the ids chosen by the others.
        let first_choice = step.likeliest_first as usize;
        let (logits, ids) = (4 * (first_choice * vocab) as u64, 4 * batch.choices.len() as u64);
        if logits > 0 {
            encoder.copy_buffer_to_buffer(&b.logits, 0, &b.back, 0, logits);
        }
        if ids > 0 {
            encoder.copy_buffer_to_buffer(&b.chosen, 4 * first_choice as u64, &b.back, logits, ids);
        }
        if let Some(timer) = &self.timer {
            timer.resolve(&mut encoder);
        }
        gpu.queue.submit([encoder.finish()]);
        self.counters.submissions += 1;
        self.counters.tokens += batch.tokens.len() as u64;
        if logits + ids == 0 {
            gpu.wait()?;
        } else {
            let (all, answers) = (&mut self.logits, &mut self.answers);
            gpu.read(&b.back, logits + ids, |read| {
                let (logits, ids) = read.split_at(logits as usize);
                let at = all.len();
                all.resize(at + logits.len() / 4, 0.0);
                bytemuck::cast_slice_mut(&mut all[at..]).copy_from_slice(logits);
                for (i, (id, &span)) in ids.chunks_exact(4).zip(&batch.choices).enumerate() {
                    let id: u32 = bytemuck::pod_read_unaligned(id);
                    let finite = id != shaders::NONE;
                    answers[span] = if finite { Came::Id(id) } else { Came::NotFinite };
                    // The shaders leave it where the next token is expected.
                    b.tokens.wrote(first_choice + i, if finite { id } else { 0 });
                }
            })?;
            self.counters.bytes_down += logits + ids;
        }
        if let Some(timer) = &self.timer {
            self.device_time += timer.read(gpu)?;
        }
        pieces.iter().for_each(|piece| self.texts.extend(piece.text, piece.tokens));
        self.pace.note(batch.tokens.len(), start.elapsed());
        Ok(())
    }
}

const OPEN: &str = "a worker with a text has buffers and a plan";

impl Worker for GpuWorker<'_> {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn open(&mut self, context: usize) -> Result<TextId> {
        check_context(context, self.model.config())?;
        self.make_room(context)?;
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
        self.make_room(self.context(text))?;
        Ok(self.texts.fork(text, len))
    }

    fn step_tokens(&self) -> usize {
        self.pace.chunk()
    }

    fn pass(&mut self, spans: &[Span<'_>], give_up: GiveUp<'_>) -> Result<()> {
        let vocab = self.model.config().vocab;
        let begun = self.texts.begin(spans, vocab)?;
        self.logits.clear();
        self.answers.clear();
        let mut end = 0;
        for span in spans {
            let first = end;
            self.answers.push(match span.want {
                Want::Last | Want::All if !span.tokens.is_empty() => {
                    end += span.want.count(span.tokens.len()) * vocab;
                    Came::Logits(first..end)
                }
                _ => Came::Nothing,
            });
        }
        let read = self.read(&begun, give_up);
        if !matches!(read, Ok(true)) {
            self.texts.undo(&begun);
            self.answers.fill(Came::Unread);
        }
        if read.is_err()
            && let Some(buffers) = &mut self.buffers
        {
            // What was chosen last has not come back.
            buffers.tokens.forget();
        }
        read.map(drop)
    }

    fn answer(&self, i: usize) -> Answer<'_> {
        match &self.answers[i] {
            Came::Nothing => Answer::Nothing,
            Came::Logits(range) => Answer::Logits(&self.logits[range.clone()]),
            Came::Id(id) => Answer::Id(*id),
            Came::NotFinite => Answer::NotFinite,
            Came::Unread => Answer::Unread,
        }
    }

    fn kv_memory(&self) -> KvMemory {
        self.texts.memory()
    }
}

impl<'m> GpuSession<'m> {
    /// An empty text of up to `context` tokens.
    ///
    /// # Errors
    /// A context of 0 or beyond the model's, a buffer larger than the device allows, or no memory left there.
    pub fn new(model: &'m GpuModel, context: usize) -> Result<Self> {
        Self::on(GpuWorker::new(model), context)
    }

    /// Bytes of its buffers on the device.
    pub fn bytes(&self) -> u64 {
        self.worker().bytes()
    }

    /// What it has asked of the device so far.
    pub fn counters(&self) -> Counters {
        self.worker().counters()
    }

    /// Reads `tokens` and returns the likeliest next one, chosen on the device: four bytes come back. Handed in next, it
    /// is on the device already.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and logits that are not finite.
    pub fn next_greedy(&mut self, tokens: &[u32]) -> Result<u32> {
        match self.read(tokens, Want::Likeliest)? {
            Answer::Id(id) => Ok(id),
            other => unreachable!("{other:?} is no id"),
        }
    }
}
