//! Every array of a program on a card, as its plan says.

use bytemuck::Pod;
use cpu::ops::RopeTable;
use cudarc::driver::DeviceRepr;
use model::init::initial;
use model::rope::Frequencies;
use model::tensors::TensorId;
use train::backend::Part;
use train::optim::Matrices;
use train::program::Program;

use crate::driver::{Buffer, Device, Span};
use crate::error::Result;
use crate::moments::MomentBuffer;
use crate::plan::{Array, COEF_GRADIENTS, GROUP, Place, Plan};
use crate::record::{MuonRoom, NORM_PARTS};
use crate::words::WORDS;

/// Parameters of one of the two arrays: values, gradient, and what the optimiser remembers.
#[derive(Debug)]
pub(crate) struct Parameters {
    pub latent: Buffer<f32>,
    pub gradient: Buffer<f32>,
    pub first: MomentBuffer,
    /// Empty where nothing is remembered of the kind.
    pub second: MomentBuffer,
    /// Where what rounds the two draws its bits.
    pub site: u32,
}

/// What reports count.
#[derive(Debug)]
pub(crate) struct Counts {
    /// The first group of each matrix, and behind the last.
    pub first_group: Buffer<u64>,
    pub scale_sum: Buffer<f64>,
    pub zeros: Buffer<u64>,
    pub flips: Buffer<u64>,
    /// Codes of the look before.
    pub remembered: Buffer<i8>,
}

/// See the top of this file.
#[derive(Debug)]
pub(crate) struct Memory {
    pub ternary: Parameters,
    pub dense: Parameters,
    pub codes: Buffer<i8>,
    /// f16, one a group.
    pub scales: Buffer<u16>,
    /// Scale times code, in the backward pass's precision.
    pub dequantised: Buffer<u8>,
    /// Tables as they are stored, one after the other as the plan lists them.
    pub rounded: Buffer<f32>,
    /// The same in f16, for tensor cores.
    pub operand: Buffer<u16>,
    rooms: Vec<Buffer<u8>>,
    pub coef_gradients: Buffer<f32>,
    pub cos: Buffer<f32>,
    pub sin: Buffer<f32>,
    /// Parts of gradients that blocks leave.
    pub parts: Buffer<f32>,
    pub norm_parts: Buffer<f64>,
    /// The gradient of attention's outputs times the outputs, summed by head.
    pub delta: Buffer<f32>,
    pub head: HeadRoom,
    /// Where Muon updates the matrices.
    pub muon: Option<MuonRoom>,
    pub counts: Counts,
    /// Of a whole batch.
    pub ids: Buffer<u32>,
    pub targets: Buffer<u32>,
    pub nats: Buffer<f32>,
    pub words: Buffer<u32>,
}

/// What the head needs besides.
#[derive(Debug)]
pub(crate) struct HeadRoom {
    /// The gradient of a chunk's logits (f16), or logits of a block of tokens (f32).
    pub logits: Buffer<u8>,
    /// The head's input in f16.
    pub y: Buffer<u16>,
    /// Largest logit and sum of each tile of a token's.
    pub stats: Buffer<f32>,
    pub at_target: Buffer<f32>,
    pub lse: Buffer<f32>,
}

impl Memory {
    /// Takes it all, and starts the parameters.
    pub fn new(device: &Device, program: &Program, plan: &Plan) -> Result<Memory> {
        let (a, tokens, batch) = (&plan.arenas, plan.tokens(), plan.batch_tokens());
        let grad = plan.precision.bytes();
        let muon = program.recipe.optimiser.matrices == Matrices::Muon;
        let kept = program.recipe.optimiser.moments;
        let parameters = |array: &Place, seconds: usize| -> Result<Parameters> {
            let (Place::Ternary(range) | Place::Dense(range)) = array;
            let values = range.len();
            Ok(Parameters {
                latent: device.zeros(values)?,
                gradient: device.zeros(values)?,
                first: MomentBuffer::zeros(device, kept, values)?,
                second: MomentBuffer::zeros(device, kept, seconds)?,
                site: array.site(),
            })
        };
        let rooms =
            plan.rooms.bytes.iter().map(|bytes| device.buffer(bytes * tokens)).collect::<Result<_>>()?;
        let model = &program.model;
        let table = RopeTable::new(plan.seq, &Frequencies::plain(model.head_dim, model.rope_base));
        let (cos, sin): (Vec<&[f32]>, Vec<&[f32]>) = (0..plan.seq).map(|i| table.at(i)).unzip();
        let values = plan.table_values(program);
        let mut memory = Memory {
            ternary: parameters(&Place::Ternary(0..a.ternary), if muon { 0 } else { a.ternary })?,
            dense: parameters(&Place::Dense(0..a.dense), a.dense)?,
            codes: device.buffer(a.ternary)?,
            scales: device.buffer(a.ternary / GROUP)?,
            dequantised: device.buffer(a.ternary * grad)?,
            rounded: device.buffer(values)?,
            operand: device.buffer(values)?,
            rooms,
            coef_gradients: device.buffer(tokens * COEF_GRADIENTS)?,
            cos: device.upload(&cos.concat())?,
            sin: device.upload(&sin.concat())?,
            parts: device.buffer(crate::record::parts(plan, program))?,
            norm_parts: device.buffer(NORM_PARTS * 2)?,
            delta: device.buffer(tokens * model.heads)?,
            head: HeadRoom::new(device, program, plan)?,
            muon: MuonRoom::new(device, program, plan)?,
            counts: Counts::new(device, plan)?,
            ids: device.zeros(batch)?,
            targets: device.zeros(batch)?,
            nats: device.zeros(batch)?,
            words: device.zeros(WORDS)?,
        };
        for (i, spec) in program.params.iter().enumerate() {
            memory.write(device, plan, TensorId(i), Part::Latent, &initial(spec, program.recipe.seed))?;
        }
        Ok(memory)
    }

    /// The bytes of an array.
    pub fn room(&self, plan: &Plan, array: Array) -> &Buffer<u8> {
        &self.rooms[plan.rooms.of(array)]
    }

    /// The array of a parameter, and where it begins there.
    fn parameters(&mut self, plan: &Plan, p: TensorId) -> (&mut Parameters, usize) {
        match plan.arenas.place(p) {
            Place::Ternary(range) => (&mut self.ternary, range.start),
            Place::Dense(range) => (&mut self.dense, range.start),
        }
    }

    /// Where a part of a parameter lies.
    pub fn span(&mut self, program: &Program, plan: &Plan, p: TensorId, part: Part) -> Span {
        let (parameters, first) = self.parameters(plan, p);
        let len = program.part_len(p, part);
        match part {
            Part::Latent => parameters.latent.span(first, len),
            Part::First => parameters.first.span(first, len),
            Part::Second => parameters.second.span(first, len),
        }
    }

    /// Copies a part of a parameter in.
    pub fn write(
        &mut self,
        device: &Device,
        plan: &Plan,
        p: TensorId,
        part: Part,
        values: &[f32],
    ) -> Result<()> {
        let (parameters, first) = self.parameters(plan, p);
        match part {
            Part::Latent => parameters.latent.write(device, first, values),
            Part::First => parameters.first.write(device, first, values),
            Part::Second => parameters.second.write(device, first, values),
        }
    }

    /// Copies a part of a parameter out.
    pub fn read(
        &mut self,
        device: &Device,
        plan: &Plan,
        p: TensorId,
        part: Part,
        out: &mut [f32],
    ) -> Result<()> {
        let (parameters, first) = self.parameters(plan, p);
        match part {
            Part::Latent => parameters.latent.read(device, first, out),
            Part::First => parameters.first.read(device, first, out),
            Part::Second => parameters.second.read(device, first, out),
        }
    }
}

impl HeadRoom {
    fn new(device: &Device, program: &Program, plan: &Plan) -> Result<HeadRoom> {
        let sizes = plan.head(program);
        let tokens = plan.tokens();
        Ok(HeadRoom {
            logits: device.buffer(sizes.logits)?,
            y: device.buffer(sizes.y)?,
            stats: device.buffer(sizes.stats)?,
            at_target: device.buffer(tokens)?,
            lse: device.buffer(tokens)?,
        })
    }
}

impl Counts {
    fn new(device: &Device, plan: &Plan) -> Result<Counts> {
        let matrices = &plan.arenas.matrices;
        let mut first_group: Vec<u64> =
            matrices.iter().map(|&p| (plan.arenas.ternary_at(p) / GROUP) as u64).collect();
        first_group.push((plan.arenas.ternary / GROUP) as u64);
        Ok(Counts {
            first_group: device.upload(&first_group)?,
            scale_sum: device.zeros(matrices.len())?,
            zeros: device.zeros(matrices.len())?,
            flips: device.zeros(matrices.len())?,
            remembered: device.zeros(plan.arenas.ternary)?,
        })
    }
}

/// Values of a buffer of bytes.
pub(crate) fn values<T: Pod + DeviceRepr>(
    device: &Device,
    buffer: &Buffer<u8>,
    count: usize,
) -> Result<Vec<T>> {
    let mut out = vec![T::zeroed(); count];
    buffer.read(device, 0, bytemuck::cast_slice_mut(&mut out))?;
    Ok(out)
}
