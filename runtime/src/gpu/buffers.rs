//! Every buffer of a session, allocated once: what is in flight, the cache of keys and values, and what comes back.

use shaders::{COEFFICIENTS, Draw, KEY_BLOCK, PROJECTED, Step};
use wgpu::{Buffer, BufferUsages};

use super::device::Gpu;
use super::memory::Taken;
use crate::error::Result;
use cpu::ops::RopeTable;
use model::config::ModelConfig;

/// Most bytes of logits that come back at once, one token's aside.
const LOGITS_MAX: usize = 1 << 26;

/// The buffers of a session.
#[derive(Debug)]
pub struct Buffers {
    /// Tokens in flight at most.
    pub chunk: usize,
    /// Tokens whose logits may be wanted at once.
    pub wanted: usize,
    /// Positions of the cache.
    pub capacity: u32,
    pub step: Buffer,
    /// How a token is drawn.
    pub draw: Buffer,
    pub tokens: Buffer,
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
    /// What an f32 head reads.
    pub h: Buffer,
    pub logits: Buffer,
    pub chosen: Buffer,
    pub angles: Buffer,
    /// Keys and values of each block.
    pub cache: Vec<(Buffer, Buffer)>,
    /// What the processor reads.
    pub back: Buffer,
    /// The memory of all of them.
    pub taken: Taken,
}

impl Buffers {
    /// Buffers for `context` tokens, at most `chunk` of them at a time.
    ///
    /// # Errors
    /// One that is larger than the device allows, or all larger than what is left of its memory, before any is allocated; or no memory.
    pub fn new(gpu: &Gpu, c: &ModelConfig, context: usize, chunk: usize) -> Result<Self> {
        let capacity = context.next_multiple_of(KEY_BLOCK as usize);
        let widest = c.width.max(c.ffn).max(c.q_width());
        let up_gate = if c.activation.gated() { 2 * c.ffn } else { c.ffn };
        let qkv = c.q_width() + 2 * c.kv_width();
        // Fewer tokens at a time where their rows would not fit.
        let longest = (c.streams * c.width).max(up_gate).max(qkv);
        let fit = |row: usize, most: usize| ((gpu.binding_max() / (4 * row) as u64) as usize).clamp(1, most);
        let chunk = fit(longest, chunk.min(context));
        let wanted = fit(c.vocab, (LOGITS_MAX / (4 * c.vocab)).clamp(1, chunk));
        let floats = |n: usize| 4 * n as u64;
        let storage = BufferUsages::STORAGE;
        let up = storage | BufferUsages::COPY_DST;
        let down = storage | BufferUsages::COPY_SRC;
        let keys = (capacity * c.kv_width() * 2) as u64;
        let what = [
            ("the step", size_of::<Step>() as u64, BufferUsages::UNIFORM | BufferUsages::COPY_DST),
            ("the draw", size_of::<Draw>() as u64, BufferUsages::UNIFORM | BufferUsages::COPY_DST),
            ("token ids", floats(chunk), up),
            ("the streams", floats(chunk * c.streams * c.width), storage),
            ("projections", floats(chunk * PROJECTED as usize), storage),
            ("coefficients", floats((chunk * COEFFICIENTS as usize).max(c.width)), storage),
            ("quantised rows", (chunk * widest) as u64, storage),
            ("their scales", floats(chunk * (1 + widest / 128)), storage),
            ("queries, keys and values", floats(chunk * qkv), storage),
            ("attention's output", floats(chunk * c.q_width()), storage),
            ("up and gate", floats(chunk * up_gate), storage),
            ("the head's input", floats(wanted * c.width), storage),
            ("logits", floats(wanted * c.vocab), down),
            ("the next token", 4, down),
            ("rotary angles", floats(context * c.head_dim), up),
            ("logits read back", floats(wanted * c.vocab), BufferUsages::MAP_READ | BufferUsages::COPY_DST),
        ];
        let cached = "the keys or values of a block";
        gpu.fits(cached, keys)?;
        for (name, bytes, _) in what {
            gpu.fits(name, bytes)?;
        }
        let bytes = what.iter().map(|w| w.1).sum::<u64>() + 2 * keys * c.blocks as u64;
        let taken = gpu.take(&format!("a session of {context} tokens"), bytes)?;
        let mut next = what.into_iter();
        let mut make = || {
            let (name, bytes, usage) = next.next().expect("one line above for each field below");
            gpu.buffer(name, bytes, usage)
        };
        let cache = (0..c.blocks)
            .map(|_| Ok((gpu.buffer(cached, keys, storage)?, gpu.buffer(cached, keys, storage)?)))
            .collect::<Result<_>>()?;
        let buffers = Buffers {
            chunk,
            wanted,
            capacity: capacity as u32,
            step: make()?,
            draw: make()?,
            tokens: make()?,
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
            angles: make()?,
            back: make()?,
            cache,
            taken,
        };
        let rope = RopeTable::new(context, c.head_dim, c.rope_base);
        let angles: Vec<f32> = (0..context)
            .flat_map(|p| {
                let (cos, sin) = rope.at(p);
                cos.iter().zip(sin).flat_map(|(&c, &s)| [c, s])
            })
            .collect();
        gpu.queue.write_buffer(&buffers.angles, 0, bytemuck::cast_slice(&angles));
        Ok(buffers)
    }
}
