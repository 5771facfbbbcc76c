//! The worker that runs on a device: its texts, one submission a chunk of tokens of one of them.

use std::ops::Range;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use shaders::{Draw, Step};

use super::buffers::Buffers;
use super::counters::Counters;
use super::model::GpuModel;
use super::pace::Pace;
use super::plan::{Plan, record};
use super::timer::Timer;
use crate::by_text::ByText;
use crate::error::Result;
use crate::pass::{Answer, GiveUp, Span, TextId, Want, Worker, check, check_context};
use crate::sampler::Sampling;
use crate::sequence::Sequence;
use model::config::ModelConfig;

/// Most tokens of a submission.
const CHUNK_MAX: usize = 128;
/// From so many tokens on, products take them together.
const TOGETHER_MIN: usize = 6;

/// A text on a device.
pub type GpuSession<'m> = Sequence<GpuWorker<'m>>;

/// A model on a device, with the texts it remembers. Spans of a pass run one after the other.
#[derive(Debug)]
pub struct GpuWorker<'m> {
    model: &'m GpuModel,
    texts: ByText<Text>,
    logits: Vec<f32>,
    answers: Vec<Came>,
    /// How many tokens the next submission may have.
    pace: Pace,
    counters: Counters,
    /// Asks the device for its own times.
    timer: Option<Timer>,
    device_time: Duration,
}

/// One text.
#[derive(Debug)]
struct Text {
    context: usize,
    tokens: Vec<u32>,
    buffers: Buffers,
    plan: Plan,
    /// What the device has as its first token id, if it chose that itself.
    chosen: Option<u32>,
}

/// What came of a span.
#[derive(Debug)]
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
            texts: ByText::new(),
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

    /// Bytes of a text's buffers on the device.
    pub fn bytes(&self, text: TextId) -> u64 {
        self.texts[text].buffers.taken.bytes()
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

    fn new_text(&self, context: usize) -> Result<Text> {
        let model = self.model;
        let c = model.config();
        check_context(context, c)?;
        let buffers = Buffers::new(&model.gpu, c, context, CHUNK_MAX)?;
        let mut pipelines = model.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = pipelines.count();
        let plan = Plan::new(model, &mut pipelines, &buffers)?;
        if let Some(cache) = model.gpu.pipelines.as_ref().filter(|_| pipelines.count() > compiled) {
            cache.save();
        }
        Ok(Text { context, tokens: Vec::new(), buffers, plan, chosen: None })
    }

    /// Reads a span, chunk by chunk.
    fn read(&mut self, span: &Span<'_>, give_up: GiveUp<'_>) -> Result<Came> {
        let (at, mut came, mut rest) = (self.logits.len(), Came::Nothing, span.tokens);
        while !rest.is_empty() {
            if give_up() {
                return Ok(Came::Unread);
            }
            let buffers = &self.texts[span.text].buffers;
            let chunk = self.pace.chunk().min(buffers.chunk);
            let most = if span.want == Want::All { chunk.min(buffers.wanted) } else { chunk };
            let (now, later) = rest.split_at(most.min(rest.len()));
            let want = if span.want != Want::All && !later.is_empty() { Want::Nothing } else { span.want };
            let id = self.submit(span.text, now, want)?;
            came = match want {
                Want::Nothing => Came::Nothing,
                Want::Last | Want::All => Came::Logits(at..self.logits.len()),
                Want::Likeliest | Want::Draw(..) if id == shaders::NONE => Came::NotFinite,
                Want::Likeliest | Want::Draw(..) => {
                    self.texts[span.text].chosen = Some(id);
                    Came::Id(id)
                }
            };
            rest = later;
        }
        Ok(came)
    }

    /// One submission: reads `tokens`, at most a chunk, and brings back what is wanted.
    fn submit(&mut self, text: TextId, tokens: &[u32], want: Want) -> Result<u32> {
        let (model, start) = (self.model, Instant::now());
        let text = &mut self.texts[text];
        let b = &text.buffers;
        let (gpu, vocab) = (&model.gpu, model.config().vocab);
        let count = tokens.len();
        let head_count = want.count(count);
        let step = Step {
            first: text.tokens.len() as u32,
            count: count as u32,
            head_first: (count - head_count) as u32,
            head_count: head_count as u32,
        };
        gpu.queue.write_buffer(&b.step, 0, bytemuck::bytes_of(&step));
        self.counters.bytes_up += size_of::<Step>() as u64;
        if text.chosen.take().is_none_or(|id| tokens != [id]) {
            gpu.queue.write_buffer(&b.tokens, 0, bytemuck::cast_slice(tokens));
            self.counters.bytes_up += size_of_val(tokens) as u64;
        }
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        let blocks = if count < TOGETHER_MIN { &text.plan.few } else { &text.plan.many };
        let mut lists = vec![&text.plan.embed, blocks];
        let back = match want {
            Want::Nothing => None,
            Want::Last | Want::All => Some((&b.logits, 4 * (head_count * vocab) as u64)),
            Want::Likeliest | Want::Draw(..) => Some((&b.chosen, 4)),
        };
        if back.is_some() {
            lists.push(&text.plan.head);
        }
        match want {
            Want::Likeliest => lists.push(&text.plan.choose),
            Want::Draw(sampling, point) => {
                gpu.queue.write_buffer(&b.draw, 0, bytemuck::bytes_of(&draw(&sampling, point)));
                self.counters.bytes_up += size_of::<Draw>() as u64;
                lists.push(&text.plan.draw);
            }
            _ => {}
        }
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("tercet"),
            timestamp_writes: self.timer.as_ref().map(Timer::writes),
        });
        self.counters.dispatches += record(&mut pass, lists.into_iter().flatten(), &step);
        drop(pass);
        if let Some((from, bytes)) = back {
            encoder.copy_buffer_to_buffer(from, 0, &b.back, 0, bytes);
        }
        if let Some(timer) = &self.timer {
            timer.resolve(&mut encoder);
        }
        gpu.queue.submit([encoder.finish()]);
        self.counters.submissions += 1;
        self.counters.tokens += count as u64;
        let mut id = shaders::NONE;
        match back {
            None => gpu.wait()?,
            Some((_, bytes)) => {
                let logits = &mut self.logits;
                gpu.read(&b.back, bytes, |read| match want {
                    Want::Likeliest | Want::Draw(..) => id = bytemuck::pod_read_unaligned(read),
                    _ => {
                        let at = logits.len();
                        logits.resize(at + head_count * vocab, 0.0);
                        bytemuck::cast_slice_mut(&mut logits[at..]).copy_from_slice(read);
                    }
                })?;
                self.counters.bytes_down += bytes;
            }
        }
        if let Some(timer) = &self.timer {
            self.device_time += timer.read(gpu)?;
        }
        text.tokens.extend_from_slice(tokens);
        self.pace.note(count, start.elapsed());
        Ok(id)
    }
}

impl Worker for GpuWorker<'_> {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn open(&mut self, context: usize) -> Result<TextId> {
        let text = self.new_text(context)?;
        Ok(self.texts.add(text))
    }

    fn close(&mut self, text: TextId) {
        self.texts.remove(text);
    }

    fn tokens(&self, text: TextId) -> &[u32] {
        &self.texts[text].tokens
    }

    fn context(&self, text: TextId) -> usize {
        self.texts[text].context
    }

    fn truncate(&mut self, text: TextId, len: usize) {
        self.texts[text].tokens.truncate(len);
    }

    fn step_tokens(&self) -> usize {
        self.pace.chunk()
    }

    fn pass(&mut self, spans: &[Span<'_>], give_up: GiveUp<'_>) -> Result<()> {
        let vocab = self.model.config().vocab;
        for span in spans {
            let text = &self.texts[span.text];
            check(span, vocab, text.tokens.len(), text.context)?;
        }
        let held: Vec<usize> = spans.iter().map(|span| self.texts[span.text].tokens.len()).collect();
        self.logits.clear();
        self.answers.clear();
        for span in spans {
            let came = self.read(span, give_up);
            if matches!(came, Ok(Came::Unread) | Err(_)) {
                for (span, held) in spans.iter().zip(held) {
                    self.texts[span.text].tokens.truncate(held);
                }
                self.answers.clear();
                self.answers.extend(spans.iter().map(|_| Came::Unread));
                return came.map(drop);
            }
            self.answers.extend(came);
        }
        Ok(())
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
}

/// A draw as the shader takes it.
fn draw(s: &Sampling, point: f64) -> Draw {
    Draw {
        temperature: s.temperature,
        top_k: u32::try_from(s.top_k).unwrap_or(0),
        top_p: s.top_p,
        min_p: s.min_p,
        // The largest f32 below 1, should rounding reach it.
        point: (point as f32).min(1.0 - f32::EPSILON / 2.0),
        pad: [0; 3],
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
        self.worker().bytes(self.text())
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
