//! The forward pass as a list of dispatches: which shader, which buffers, how many workgroups. It is made once for a worker's
//! buffers; a submission walks it and nothing is created then. A block takes 10 dispatches, 12 with hyper-connections, and one more
//! for each product with biases.

use shaders::{Input, Output, Step, Table, Weights};
use wgpu::{BindGroup, Buffer, ComputePipeline};

use super::buffers::Buffers;
use super::device::Gpu;
use super::matrix::{Matrix, Part};
use super::model::{GpuModel, Hyper};
use super::pages::DevicePages;
use super::pipelines::{Constants, Pipelines};
use crate::error::Result;
use crate::weights::Reads;
use model::config::{Activation, ModelConfig, RopeKind};
use model::forward::{Op, StackId};

/// Workgroups of one dimension.
#[derive(Clone, Copy, Debug)]
pub enum Extent {
    /// As many whatever the submission.
    Fixed(u32),
    /// One for each token.
    Tokens,
    /// One for each tile of tokens that a product takes together.
    Tiles,
    /// One for each token whose logits are wanted.
    Wanted,
    /// One for each of them whose likeliest next token is.
    Likeliest,
    /// One for each of them who has a next token drawn.
    Drawn,
}

impl Extent {
    /// How many.
    pub fn of(self, step: &Step) -> u32 {
        match self {
            Extent::Fixed(n) => n,
            Extent::Tokens => step.count,
            Extent::Tiles => step.count.div_ceil(shaders::GEMM_TOKENS),
            Extent::Wanted => step.wanted(),
            Extent::Likeliest => step.likeliest(),
            Extent::Drawn => step.drawn(),
        }
    }
}

/// One dispatch.
#[derive(Debug)]
pub struct Dispatch {
    pub pipeline: ComputePipeline,
    pub bind_group: BindGroup,
    pub x: Extent,
    pub y: Extent,
}

/// Every dispatch that a worker makes.
#[derive(Debug)]
pub struct Plan {
    /// Tokens to streams.
    pub embed: Vec<Dispatch>,
    /// All blocks, products a token at a time.
    pub few: Vec<Dispatch>,
    /// All blocks, products 16 tokens at a time.
    pub many: Vec<Dispatch>,
    /// Streams to logits.
    pub head: Vec<Dispatch>,
    /// Logits to the likeliest next tokens.
    pub choose: Vec<Dispatch>,
    /// Logits to next tokens, drawn.
    pub draw: Vec<Dispatch>,
}

impl Plan {
    /// The plan of a model over some buffers and pages: its forward pass, with neighbouring ops that share a shader taken together.
    ///
    /// # Errors
    /// What the driver has against a shader or a binding.
    pub fn new(
        model: &GpuModel,
        pipelines: &mut Pipelines,
        buffers: &Buffers,
        pages: &DevicePages,
    ) -> Result<Self> {
        let (c, ops) = (model.config(), &model.forward.ops[..]);
        let mut p = Planner { gpu: &model.gpu, model, pipelines, c, b: buffers, pages, list: Vec::new() };
        let [Op::Embed { table, .. }, blocks @ .., Op::FinalNorm { gain, .. }, Op::Head { table: head, .. }] =
            ops
        else {
            unreachable!("a forward pass begins with tokens and ends with logits")
        };
        p.embed(model.table(*table))?;
        let embed = std::mem::take(&mut p.list);
        let few = p.blocks(blocks, false)?;
        let many = p.blocks(blocks, true)?;
        p.head(model.table(*head), model.gain(*gain))?;
        let head = std::mem::take(&mut p.list);
        let vocab = [("VOCAB", p.c.vocab as f64)];
        let buffers = [&p.b.step.buffer, &p.b.logits, &p.b.tokens.buffer, &p.b.chosen];
        p.add(shaders::Op::Argmax, &vocab, &buffers, Extent::Likeliest, Extent::Fixed(1))?;
        let choose = std::mem::take(&mut p.list);
        let buffers = [&buffers[..], &[&p.b.draws.buffer]].concat();
        p.add(shaders::Op::Draw, &vocab, &buffers, Extent::Drawn, Extent::Fixed(1))?;
        Ok(Plan { embed, few, many, head, choose, draw: p.list })
    }
}

/// One dispatch of an op. `buffers` in the order of its bindings.
fn dispatch(
    gpu: &Gpu,
    pipelines: &mut Pipelines,
    op: shaders::Op,
    constants: Constants<'_>,
    buffers: &[&Buffer],
    (x, y): (Extent, Extent),
) -> Result<Dispatch> {
    let (pipeline, layout) = pipelines.get(gpu, op, constants)?;
    let bindings = op.bindings();
    assert_eq!(bindings.len(), buffers.len(), "{op:?}");
    let entries: Vec<_> = bindings
        .iter()
        .zip(buffers)
        .map(|(b, buffer)| wgpu::BindGroupEntry { binding: b.index, resource: buffer.as_entire_binding() })
        .collect();
    let bind_group = gpu.scoped(|| {
        Ok(gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(op.name()),
            layout: &layout,
            entries: &entries,
        }))
    })?;
    Ok(Dispatch { pipeline, bind_group, x, y })
}

/// Where a product goes.
#[derive(Clone, Copy)]
pub enum To<'a> {
    /// To a buffer of `stride` numbers a token.
    Buffer { y: &'a Buffer, stride: usize },
    /// Back to the residual streams.
    Streams { x: &'a Buffer, coefficients: &'a Buffer, streams: usize, width: usize },
}

impl<'a> To<'a> {
    /// Adds its constants and its buffers to those of a product.
    fn bind(self, constants: &mut Vec<(&'static str, f64)>, buffers: &mut Vec<&'a Buffer>) -> Output {
        match self {
            To::Buffer { y, stride } => {
                constants.push(("STRIDE", stride as f64));
                buffers.push(y);
                Output::Store
            }
            To::Streams { x, coefficients, streams, width } => {
                constants.extend([("STREAMS", streams as f64), ("STREAM_WIDTH", width as f64)]);
                buffers.extend([x, coefficients]);
                Output::Streams
            }
        }
    }
}

/// A matrix times rows: quantised ones where it has groups of integers, a token at a time or 16 together, and f32 ones else. One dispatch a part.
/// `operands` are the step, the rows and the scales of those that are quantised; `first` is where its rows begin in the result.
///
/// # Errors
/// What the driver has against a shader or a binding.
pub fn product(
    gpu: &Gpu,
    pipelines: &mut Pipelines,
    m: &Matrix,
    operands: [&Buffer; 3],
    (to, first): (To<'_>, u32),
    together: bool,
) -> Result<Vec<Dispatch>> {
    let [step, q, q_scales] = operands;
    let one = |part: &Part| {
        let scales = part.scales.as_ref().unwrap_or(&part.codes);
        let mut constants = vec![
            ("GROUPS", f64::from(m.groups())),
            ("ROW_SCALES", f64::from(1 + m.cols / 128)),
            ("ROWS", f64::from(part.rows)),
            ("FIRST_ROW", f64::from(first + part.first_row)),
        ];
        let mut buffers = vec![q, q_scales, &part.codes, scales];
        let output = to.bind(&mut constants, &mut buffers);
        buffers.extend(&part.factor);
        let weights = match (m.kind, &part.factor) {
            (Table::Ternary, None) => Weights::Ternary,
            (Table::Ternary, Some(_)) => Weights::TernaryTimes,
            (Table::Ternary64, None) => Weights::Ternary64,
            (Table::Q8, None) => Weights::Q8,
            (kind, factor) => unreachable!("{kind:?} with the factor {factor:?}"),
        };
        // Groups of 64 have no kernel for many tokens yet.
        if together && m.kind == Table::Ternary {
            buffers.insert(0, step);
            let extents = (Extent::Fixed(part.rows.div_ceil(shaders::GEMM_ROWS)), Extent::Tiles);
            return dispatch(
                gpu,
                pipelines,
                shaders::Op::Gemm(weights, output),
                &constants,
                &buffers,
                extents,
            );
        }
        constants.push(("TILE", f64::from(m.tile())));
        let extents = (Extent::Fixed(part.rows.div_ceil(m.tile())), Extent::Tokens);
        dispatch(gpu, pipelines, shaders::Op::Gemv(weights, output), &constants, &buffers, extents)
    };
    m.parts.iter().map(one).collect()
}

/// A matrix of any kind times rows of f32, a token at a time: one dispatch a part.
fn float_product(
    gpu: &Gpu,
    pipelines: &mut Pipelines,
    m: &Matrix,
    x: &Buffer,
    (to, first): (To<'_>, u32),
    tokens: Extent,
) -> Result<Vec<Dispatch>> {
    let one = |part: &Part| {
        let mut constants = vec![
            ("WIDTH", f64::from(m.cols)),
            ("ROWS", f64::from(part.rows)),
            ("FIRST_ROW", f64::from(first + part.first_row)),
        ];
        constants.extend(table_constants(m));
        let mut buffers = vec![x, &part.codes];
        buffers.extend(&part.scales);
        let output = to.bind(&mut constants, &mut buffers);
        let extents = (Extent::Fixed(part.rows.div_ceil(shaders::PRODUCT_ROWS)), tokens);
        dispatch(gpu, pipelines, shaders::Op::Product(m.kind, output), &constants, &buffers, extents)
    };
    m.parts.iter().map(one).collect()
}

/// What the shaders of a table have to know of it.
fn table_constants(m: &Matrix) -> Option<(&'static str, f64)> {
    (m.kind == Table::Ternary64).then_some(("GROUP", 64.0))
}

/// Records dispatches into a pass; returns how many.
pub fn record<'d>(
    pass: &mut wgpu::ComputePass<'_>,
    list: impl IntoIterator<Item = &'d Dispatch>,
    step: &Step,
) -> u64 {
    let mut count = 0;
    for d in list {
        pass.set_pipeline(&d.pipeline);
        pass.set_bind_group(0, &d.bind_group, &[]);
        pass.dispatch_workgroups(d.x.of(step), d.y.of(step), 1);
        count += 1;
    }
    count
}

/// Puts dispatches on a list.
struct Planner<'a> {
    gpu: &'a Gpu,
    model: &'a GpuModel,
    pipelines: &'a mut Pipelines,
    c: &'a ModelConfig,
    b: &'a Buffers,
    pages: &'a DevicePages,
    list: Vec<Dispatch>,
}

impl Planner<'_> {
    fn add(
        &mut self,
        op: shaders::Op,
        constants: Constants<'_>,
        buffers: &[&Buffer],
        x: Extent,
        y: Extent,
    ) -> Result<()> {
        self.list.push(dispatch(self.gpu, self.pipelines, op, constants, buffers, (x, y))?);
        Ok(())
    }

    fn embed(&mut self, table: &Matrix) -> Result<()> {
        for part in &table.parts {
            let constants = [
                ("WIDTH", self.c.width as f64),
                ("STREAMS", self.c.streams as f64),
                ("SCALE", f64::from(self.c.embedding_scale)),
                ("ROWS", f64::from(part.rows)),
                ("FIRST_ROW", f64::from(part.first_row)),
            ];
            let constants: Vec<_> = constants.into_iter().chain(table_constants(table)).collect();
            let mut buffers = vec![&self.b.tokens.buffer, &self.b.x, &part.codes];
            buffers.extend(&part.scales);
            self.add(shaders::Op::Embed(table.kind), &constants, &buffers, Extent::Tokens, Extent::Fixed(1))?;
        }
        Ok(())
    }

    /// All blocks, products a token at a time or 16 together.
    fn blocks(&mut self, mut ops: &[Op], together: bool) -> Result<Vec<Dispatch>> {
        let model = self.model;
        while !ops.is_empty() {
            ops = match *ops {
                [
                    Op::HyperRead { connection, .. },
                    Op::NormQuantise { gain: Some(gain), .. },
                    ref rest @ ..,
                ] => {
                    self.read(model.hyper(connection), model.gain(gain), model.reads(rest))?;
                    rest
                }
                [Op::BitLinear { stack, .. }, Op::Bias { .. }, ref rest @ ..]
                | [Op::BitLinear { stack, .. }, ref rest @ ..] => self.linear(stack, rest, together)?,
                _ => unreachable!("no shaders for what begins with {:?}", ops[0]),
            };
        }
        Ok(std::mem::take(&mut self.list))
    }

    /// A product, its biases, and what is made of it; answers the ops after that.
    fn linear<'o>(&mut self, stack: StackId, then: &'o [Op], together: bool) -> Result<&'o [Op]> {
        let (model, c, b) = (self.model, self.c, self.b);
        let matrices = model.stack(stack);
        let width = matrices.iter().map(|m| m.rows as usize).sum();
        let to = match then {
            [Op::NormRope { .. }, ..] => Some(&b.qkv),
            [Op::Activation { .. }, ..] => Some(&b.up_gate),
            _ => None,
        };
        self.product(matrices, to.map(|y| (y, width)), together)?;
        if let Some(bias) = model.bias(stack) {
            // With biases there is one stream, which a product that goes to no other buffer is added to.
            let buffers = [bias, to.unwrap_or(&b.x)];
            self.add(
                shaders::Op::Bias,
                &[("WIDTH", width as f64)],
                &buffers,
                Extent::Tokens,
                Extent::Fixed(1),
            )?;
        }
        Ok(match *then {
            [
                Op::NormRope { .. },
                Op::Store { block, .. },
                Op::Attention { .. },
                Op::NormQuantise { gain, .. },
                ref rest @ ..,
            ] => {
                self.attention(block)?;
                let gain = gain.map(|g| model.gain(g));
                self.rows(&b.mixed, c.q_width(), 1, gain, model.reads(rest))?;
                rest
            }
            [Op::Activation { .. }, Op::NormQuantise { gain, .. }, ref rest @ ..] => {
                self.activation(gain.map(|g| model.gain(g)), model.reads(rest))?;
                rest
            }
            [Op::HyperWrite { .. }, ref rest @ ..] => rest,
            _ => unreachable!("no shaders for a product before {:?}", then.first()),
        })
    }

    /// Queries and keys normed and rotated, keys and values stored, attention.
    fn attention(&mut self, block: usize) -> Result<()> {
        let (c, b) = (self.c, self.b);
        let shape =
            [("HEADS", c.heads as f64), ("KV_HEADS", c.kv_heads as f64), ("HEAD_DIM", c.head_dim as f64)];
        let own = [
            ("EPS", f64::from(c.norm_eps)),
            ("QK_NORM", f64::from(u8::from(c.qk_norm))),
            ("ROTARY_DIM", c.rotary_dims() as f64),
            ("INTERLEAVED", f64::from(u8::from(c.rope == RopeKind::Interleaved))),
        ];
        let (keys, values) = self.pages.of_block(block);
        let (places, tables) = (&b.places.buffer, &b.reach.tables.buffer);
        let heads = Extent::Fixed((c.heads + 2 * c.kv_heads) as u32);
        self.add(
            shaders::Op::NormRopeStore,
            &[&shape[..], &own].concat(),
            &[&b.qkv, self.model.qk_gains(block), &b.reach.angles, keys, values, places, tables],
            heads,
            Extent::Tokens,
        )?;
        let scale = [("SCALE", f64::from(1.0 / (c.head_dim as f32).sqrt()))];
        self.add(
            shaders::Op::Attention,
            &[&shape[..], &scale].concat(),
            &[&b.qkv, keys, values, &b.mixed, places, tables],
            Extent::Fixed(c.heads as u32),
            Extent::Tokens,
        )
    }

    /// The feed-forward non-linearity, normed if there is a gain, and quantised if it is read so.
    fn activation(&mut self, gain: Option<&Buffer>, reads: Reads) -> Result<()> {
        let (c, b) = (self.c, self.b);
        let kind = match c.activation {
            Activation::SwiGlu => 0.0,
            Activation::Relu2 => 1.0,
            Activation::Relu2Gated => 2.0,
        };
        let constants = [
            ("WIDTH", c.ffn as f64),
            ("EPS", f64::from(c.norm_eps)),
            ("NORM", f64::from(u8::from(gain.is_some()))),
            ("ACTIVATION", kind),
        ];
        let gain = gain.unwrap_or(&b.coefficients);
        self.row_op(Input::Activation, &constants, (&[], gain, &[&b.up_gate]), reads, Extent::Tokens)
    }

    /// A sub-layer's input from the streams, normed, and quantised if it is read so.
    fn read(&mut self, hyper: Option<&Hyper>, gain: &Buffer, reads: Reads) -> Result<()> {
        let (c, b) = (self.c, self.b);
        let Some(hyper) = hyper else {
            return self.rows(&b.x, c.width, 1, Some(gain), reads);
        };
        let constants = [("LENGTH", (c.streams * c.width) as f64), ("ROWS", f64::from(hyper.rows))];
        let rows = Extent::Fixed(hyper.rows + 1);
        self.add(
            shaders::Op::HyperProject,
            &constants,
            &[&b.x, &hyper.weights, &b.projected],
            rows,
            Extent::Tokens,
        )?;
        let constants = [
            ("WIDTH", c.width as f64),
            ("EPS", f64::from(c.norm_eps)),
            ("NORM", 1.0),
            ("STREAMS", c.streams as f64),
        ];
        let input = [&b.x, &b.projected, &hyper.constants, &b.coefficients];
        self.row_op(Input::Hyper, &constants, (&[], gain, &input), reads, Extent::Tokens)
    }

    /// Rows, or sums of streams, normed if there is a gain, and quantised if they are read so.
    fn rows(
        &mut self,
        x: &Buffer,
        width: usize,
        streams: usize,
        gain: Option<&Buffer>,
        reads: Reads,
    ) -> Result<()> {
        self.some_rows(x, width, streams, gain, reads, Extent::Tokens)
    }

    /// [`rows`](Self::rows) of all tokens or of those whose logits are wanted.
    fn some_rows(
        &mut self,
        x: &Buffer,
        width: usize,
        streams: usize,
        gain: Option<&Buffer>,
        reads: Reads,
        tokens: Extent,
    ) -> Result<()> {
        let b = self.b;
        let constants = [
            ("WIDTH", width as f64),
            ("EPS", f64::from(self.c.norm_eps)),
            ("NORM", f64::from(u8::from(gain.is_some()))),
            ("STREAMS", streams as f64),
            ("HEAD", f64::from(u8::from(matches!(tokens, Extent::Wanted)))),
        ];
        let gain = gain.unwrap_or(&b.coefficients);
        self.row_op(Input::Row, &constants, (&[&b.step.buffer], gain, &[x]), reads, tokens)
    }

    /// One row of each token in the forms that it is read in. The buffers are those before the gain, the gain, and those of the input.
    fn row_op(
        &mut self,
        input: Input,
        constants: Constants<'_>,
        (before, gain, after): (&[&Buffer], &Buffer, &[&Buffer]),
        reads: Reads,
        tokens: Extent,
    ) -> Result<()> {
        let b = self.b;
        if reads.codes {
            let buffers = [before, &[gain, &b.q, &b.q_scales], after].concat();
            self.add(shaders::Op::NormQuantise(input), constants, &buffers, tokens, Extent::Fixed(1))?;
        }
        if reads.floats {
            let buffers = [before, &[gain, &b.h], after].concat();
            self.add(shaders::Op::Norm(input), constants, &buffers, tokens, Extent::Fixed(1))?;
        }
        Ok(())
    }

    /// Products of the rows that were made last with matrices on top of each other, to a buffer of some numbers a token, or back to the streams.
    fn product(&mut self, matrices: &[Matrix], to: Option<(&Buffer, usize)>, together: bool) -> Result<()> {
        let (c, b) = (self.c, self.b);
        let to = match to {
            Some((y, stride)) => To::Buffer { y, stride },
            None => {
                To::Streams { x: &b.x, coefficients: &b.coefficients, streams: c.streams, width: c.width }
            }
        };
        let mut first = 0;
        for m in matrices {
            let list = if m.is_ternary() {
                let operands = [&b.step.buffer, &b.q, &b.q_scales];
                product(self.gpu, self.pipelines, m, operands, (to, first), together)?
            } else {
                float_product(self.gpu, self.pipelines, m, &b.h, (to, first), Extent::Tokens)?
            };
            self.list.extend(list);
            first += m.rows;
        }
        Ok(())
    }

    fn head(&mut self, m: &Matrix, gain: &Buffer) -> Result<()> {
        let (c, b) = (self.c, self.b);
        let reads = Reads { codes: c.head_int8, floats: !c.head_int8 };
        self.some_rows(&b.x, c.width, c.streams, Some(gain), reads, Extent::Wanted)?;
        let to = (To::Buffer { y: &b.logits, stride: c.vocab }, 0);
        let list = if c.head_int8 {
            let operands = [&b.step.buffer, &b.q, &b.q_scales];
            let mut list = product(self.gpu, self.pipelines, m, operands, to, false)?;
            list.iter_mut().for_each(|d| d.y = Extent::Wanted);
            list
        } else {
            float_product(self.gpu, self.pipelines, m, &b.h, to, Extent::Wanted)?
        };
        self.list.extend(list);
        Ok(())
    }
}
