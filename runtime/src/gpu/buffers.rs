//! Every buffer of a worker but its pages: what is told of a submission, what is in flight, and what comes back. Allocated with the first text,
//! for all that are to come; how far texts reach may change when another is opened.

use shaders::{COEFFICIENTS, Draw, PROJECTED, Place, Step};
use wgpu::{Buffer, BufferUsages};

use super::batch::Batch;
use super::device::Gpu;
use super::memory::Taken;
use super::model::GpuModel;
use super::reach::Reach;
use super::told::Told;
use crate::error::Result;

/// Most bytes of logits that come back at once, one token's aside.
const LOGITS_MAX: usize = 1 << 26;

/// The buffers of a worker.
#[derive(Debug)]
pub struct Buffers {
    /// Tokens in flight at most.
    pub chunk: usize,
    /// Tokens whose logits may be wanted at once.
    pub wanted: usize,
    pub step: Told<Step>,
    /// How tokens are drawn.
    pub draws: Told<Draw>,
    pub tokens: Told<u32>,
    /// Where each token stands.
    pub places: Told<Place>,
    /// Streams, (chunk, streams, width).
    pub x: Buffer,
    pub projected: Buffer,
    pub coefficients: Buffer,
    /// The quantised row of a product, and its scale and sums.
    pub q: Buffer,
    pub q_scales: Buffer,
    pub qkv: Buffer,
    pub mixed: Buffer,
    pub up_gate: Buffer,
    /// What products with f32 read.
    pub h: Buffer,
    pub logits: Buffer,
    pub chosen: Buffer,
    /// What the processor reads: logits, then ids.
    pub back: Buffer,
    pub reach: Reach,
    /// The memory of all of them but those of `reach`.
    taken: Taken,
}

impl Buffers {
    /// Buffers for at most `chunk` tokens at a time, of texts that reach as far as [`Reach::new`] says.
    ///
    /// # Errors
    /// One that is larger than the device allows, or all larger than what is left of its memory, before any is allocated; or no memory.
    pub fn new(model: &GpuModel, chunk: usize, positions: usize, pages: usize) -> Result<Self> {
        let (gpu, c, floats_read) = (&*model.gpu, model.config(), model.reads_floats());
        let widest = c.width.max(c.ffn).max(c.q_width());
        let up_gate = if c.activation.gated() { 2 * c.ffn } else { c.ffn };
        let qkv = c.q_width() + 2 * c.kv_width();
        // Fewer tokens at a time where their rows would not fit.
        let longest = (c.streams * c.width).max(up_gate).max(qkv);
        let fit = |row: usize, most: usize| ((gpu.binding_max() / (4 * row) as u64) as usize).clamp(1, most);
        let chunk = fit(longest, chunk);
        // Logits come back with an id beside them.
        let wanted = fit(c.vocab + 1, (LOGITS_MAX / (4 * c.vocab)).clamp(1, chunk));
        let floats = |n: usize| 4 * n as u64;
        let storage = BufferUsages::STORAGE;
        let up = storage | BufferUsages::COPY_DST;
        let down = storage | BufferUsages::COPY_SRC;
        let what = [
            ("the step", size_of::<Step>() as u64, BufferUsages::UNIFORM | BufferUsages::COPY_DST),
            ("draws", (wanted * size_of::<Draw>()) as u64, up),
            ("token ids", floats(chunk), up),
            ("places", (chunk * size_of::<Place>()) as u64, up),
            ("the streams", floats(chunk * c.streams * c.width), storage),
            ("projections", floats(chunk * PROJECTED as usize), storage),
            ("coefficients", floats((chunk * COEFFICIENTS as usize).max(c.width)), storage),
            ("quantised rows", (chunk * widest) as u64, storage),
            ("their scales", floats(chunk * (1 + widest / 128)), storage),
            ("queries, keys and values", floats(chunk * qkv), storage),
            ("attention's output", floats(chunk * c.q_width()), storage),
            ("up and gate", floats(chunk * up_gate), storage),
            ("rows of f32", floats(if floats_read { chunk * widest } else { wanted * c.width }), storage),
            ("logits", floats(wanted * c.vocab), down),
            ("next tokens", floats(wanted), down),
            (
                "what is read back",
                floats(wanted * (c.vocab + 1)),
                BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            ),
        ];
        for (name, bytes, _) in what {
            gpu.fits(name, bytes)?;
        }
        let taken = gpu.take("a worker", what.iter().map(|w| w.1).sum::<u64>())?;
        let mut next = what.into_iter();
        let mut make = || {
            let (name, bytes, usage) = next.next().expect("one line above for each field below");
            gpu.buffer(name, bytes, usage)
        };
        Ok(Buffers {
            chunk,
            wanted,
            step: Told::new(make()?),
            draws: Told::new(make()?),
            tokens: Told::new(make()?),
            places: Told::new(make()?),
            x: make()?,
            projected: make()?,
            coefficients: make()?,
            q: make()?,
            q_scales: make()?,
            qkv: make()?,
            mixed: make()?,
            up_gate: make()?,
            h: make()?,
            logits: make()?,
            chosen: make()?,
            back: make()?,
            reach: Reach::new(gpu, &model.rope, positions, pages)?,
            taken,
        })
    }

    /// Bytes of them on the device.
    pub fn bytes(&self) -> u64 {
        self.taken.bytes() + self.reach.bytes()
    }

    /// Tells the device of a submission; returns the bytes that had to be sent.
    pub fn tell(&mut self, gpu: &Gpu, batch: &Batch) -> u64 {
        self.step.tell(gpu, &[batch.step])
            + self.tokens.tell(gpu, &batch.tokens)
            + self.places.tell(gpu, &batch.places)
            + self.reach.tables.tell(gpu, &batch.tables)
            + self.draws.tell(gpu, &batch.draws)
    }
}
