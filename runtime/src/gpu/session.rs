//! One text being read and written on a device: the calls of the CPU's session, one submission a chunk of tokens.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use shaders::{Draw, Step};

use super::buffers::Buffers;
use super::counters::Counters;
use super::model::GpuModel;
use super::pace::Pace;
use super::plan::{Plan, record};
use super::timer::Timer;
use crate::error::{Error, Result};
use crate::sequence::{Choose, Next, Sequence};
use model::config::ModelConfig;

/// Most tokens of a submission.
const CHUNK_MAX: usize = 128;
/// From so many tokens on, products take them together.
const TOGETHER_MIN: usize = 6;

/// What is to come back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Want {
    Nothing,
    /// Logits of the last token.
    Last,
    /// Logits of all tokens.
    All,
    /// The likeliest next token.
    Choice,
    /// A next token, drawn.
    Drawn(Draw),
}

impl From<Choose> for Want {
    fn from(choose: Choose) -> Self {
        match choose {
            Choose::No => Want::Last,
            Choose::Likeliest => Want::Choice,
            Choose::Draw(s, point) => Want::Drawn(Draw {
                temperature: s.temperature,
                top_k: u32::try_from(s.top_k).unwrap_or(0),
                top_p: s.top_p,
                min_p: s.min_p,
                // The largest f32 below 1, should rounding reach it.
                point: (point as f32).min(1.0 - f32::EPSILON / 2.0),
                pad: [0; 3],
            }),
        }
    }
}

/// A sequence of tokens and what the model remembers of them, on a device.
#[derive(Debug)]
pub struct GpuSession<'m> {
    model: &'m GpuModel,
    context: usize,
    tokens: Vec<u32>,
    buffers: Buffers,
    plan: Plan,
    logits: Vec<f32>,
    /// How many tokens the next submission may have.
    pace: Pace,
    counters: Counters,
    /// What the device has as its first token id, if it chose that itself.
    chosen: Option<u32>,
    /// Asks the device for its own times.
    timer: Option<Timer>,
    device_time: Duration,
}

impl<'m> GpuSession<'m> {
    /// An empty session of up to `context` tokens.
    ///
    /// # Errors
    /// A context of 0 or beyond the model's, a buffer larger than the device allows, or no memory left there.
    pub fn new(model: &'m GpuModel, context: usize) -> Result<Self> {
        let c = model.config();
        if !(1..=c.context).contains(&context) {
            return Err(Error::Context { asked: context, trained: c.context });
        }
        let buffers = Buffers::new(&model.gpu, c, context, CHUNK_MAX)?;
        let mut kernels = model.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = kernels.pipelines();
        let plan = Plan::new(model, &mut kernels, &buffers)?;
        if let Some(cache) = model.gpu.pipelines.as_ref().filter(|_| kernels.pipelines() > compiled) {
            cache.save();
        }
        Ok(GpuSession {
            model,
            context,
            tokens: Vec::new(),
            plan,
            logits: Vec::new(),
            pace: Pace::new(buffers.chunk, model.gpu.info().software),
            counters: Counters::default(),
            chosen: None,
            timer: None,
            device_time: Duration::ZERO,
            buffers,
        })
    }

    /// The model.
    pub fn model(&self) -> &'m GpuModel {
        self.model
    }

    /// The model's shape.
    pub fn config(&self) -> &'m ModelConfig {
        self.model.config()
    }

    /// Most tokens it holds.
    pub fn context(&self) -> usize {
        self.context
    }

    /// The tokens it holds.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Bytes of its buffers on the device.
    pub fn bytes(&self) -> u64 {
        self.buffers.taken.bytes()
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
    /// No tokens, an id outside the vocabulary, or more than the context holds, the session being then as before; or a
    /// device that fails.
    pub fn forward(&mut self, tokens: &[u32]) -> Result<&[f32]> {
        self.run(tokens, Want::Last)?;
        Ok(&self.logits)
    }

    /// Reads `tokens` and returns the logits that follow each of them, (tokens, vocab).
    ///
    /// # Errors
    /// As [`forward`](Self::forward), but no tokens give no logits.
    pub fn forward_all(&mut self, tokens: &[u32]) -> Result<&[f32]> {
        self.run(tokens, Want::All)?;
        Ok(&self.logits)
    }

    /// Reads `tokens` without asking what follows.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), but no tokens are fine.
    pub fn advance(&mut self, tokens: &[u32]) -> Result<()> {
        self.run(tokens, Want::Nothing).map(|_| ())
    }

    /// Reads `tokens` and returns the likeliest next one, chosen on the device: four bytes come back. Handed in next, it
    /// is on the device already.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and logits that are not finite.
    pub fn next_greedy(&mut self, tokens: &[u32]) -> Result<u32> {
        let id = self.run(tokens, Want::Choice)?;
        self.chose(id)
    }

    /// The logits that the last call asked for.
    pub(super) fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Takes note of what the device chose.
    pub(super) fn chose(&mut self, id: u32) -> Result<u32> {
        if id == shaders::NONE {
            return Err(Error::Logits);
        }
        self.chosen = Some(id);
        Ok(id)
    }

    pub(super) fn run(&mut self, tokens: &[u32], want: Want) -> Result<u32> {
        let vocab = self.model.config().vocab;
        if let Some(&id) = tokens.iter().find(|&&id| id as usize >= vocab) {
            return Err(Error::Token { id, vocab });
        }
        let total = self.tokens.len() + tokens.len();
        if total > self.context {
            return Err(Error::ContextFull { tokens: total, context: self.context });
        }
        if tokens.is_empty() && matches!(want, Want::Last | Want::Choice | Want::Drawn(_)) {
            return Err(Error::PromptEmpty);
        }
        self.logits.clear();
        let (before, mut choice, mut rest) = (self.tokens.len(), shaders::NONE, tokens);
        while !rest.is_empty() {
            let chunk = self.pace.chunk();
            let most = if want == Want::All { chunk.min(self.buffers.wanted) } else { chunk };
            let (now, later) = rest.split_at(most.min(rest.len()));
            let want = if want != Want::All && !later.is_empty() { Want::Nothing } else { want };
            match self.submit(now, want) {
                Ok(id) => choice = id,
                Err(e) => {
                    self.tokens.truncate(before);
                    return Err(e);
                }
            }
            rest = later;
        }
        Ok(choice)
    }

    /// One submission: reads `tokens`, at most a chunk, and brings back what is wanted.
    fn submit(&mut self, tokens: &[u32], want: Want) -> Result<u32> {
        let (model, b, start) = (self.model, &self.buffers, Instant::now());
        let (gpu, vocab) = (&model.gpu, model.config().vocab);
        let count = tokens.len();
        let head_count = match want {
            Want::Nothing => 0,
            Want::Last | Want::Choice | Want::Drawn(_) => 1,
            Want::All => count,
        };
        let step = Step {
            first: self.tokens.len() as u32,
            count: count as u32,
            head_first: (count - head_count) as u32,
            head_count: head_count as u32,
        };
        gpu.queue.write_buffer(&b.step, 0, bytemuck::bytes_of(&step));
        self.counters.bytes_up += size_of::<Step>() as u64;
        if self.chosen.take().is_none_or(|id| tokens != [id]) {
            gpu.queue.write_buffer(&b.tokens, 0, bytemuck::cast_slice(tokens));
            self.counters.bytes_up += size_of_val(tokens) as u64;
        }
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        let blocks = if count < TOGETHER_MIN { &self.plan.few } else { &self.plan.many };
        let mut lists = vec![&self.plan.embed, blocks];
        let back = match want {
            Want::Nothing => None,
            Want::Last | Want::All => Some((&b.logits, 4 * (head_count * vocab) as u64)),
            Want::Choice | Want::Drawn(_) => Some((&b.chosen, 4)),
        };
        if back.is_some() {
            lists.push(&self.plan.head);
        }
        match want {
            Want::Choice => lists.push(&self.plan.choose),
            Want::Drawn(draw) => {
                gpu.queue.write_buffer(&b.draw, 0, bytemuck::bytes_of(&draw));
                self.counters.bytes_up += size_of::<Draw>() as u64;
                lists.push(&self.plan.draw);
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
                    Want::Choice | Want::Drawn(_) => id = bytemuck::pod_read_unaligned(read),
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
        self.tokens.extend_from_slice(tokens);
        self.pace.note(count, start.elapsed());
        Ok(id)
    }
}

impl Sequence for GpuSession<'_> {
    fn config(&self) -> &ModelConfig {
        self.config()
    }

    fn context(&self) -> usize {
        self.context
    }

    fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    fn prefill_step(&self) -> usize {
        self.pace.chunk()
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }

    fn advance(&mut self, tokens: &[u32]) -> Result<()> {
        self.advance(tokens)
    }

    fn next(&mut self, tokens: &[u32], choose: Choose) -> Result<Next<'_>> {
        let id = self.run(tokens, choose.into())?;
        if choose == Choose::No { Ok(Next::Logits(&self.logits)) } else { self.chose(id).map(Next::Id) }
    }

    fn forward_all(&mut self, tokens: &[u32]) -> Result<&[f32]> {
        self.forward_all(tokens)
    }
}
