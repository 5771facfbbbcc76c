//! A model's weights on a device, uploaded from its file, or from the processor's layout where it has one. Workers keep everything that changes.

use std::sync::{Arc, Mutex};

use wgpu::Buffer;

use super::device::Gpu;
use super::matrix::Matrix;
use super::memory::Taken;
use super::pipelines::Pipelines;
use super::rows::Rows;
use crate::cpu_worker::default_threads;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::weights::{Matrices, Reads, Weights};
use cpu::Pool;
use model::config::ModelConfig;
use model::forward::{self, ConnectionId, Forward, Op, Stack, StackId};
use model::rope::Frequencies;
use model::tensors::{Role, TensorId, TensorKind};

/// A model on a device.
#[derive(Debug)]
pub struct GpuModel {
    pub(super) gpu: Arc<Gpu>,
    pub(super) forward: Forward,
    pub(super) pipelines: Mutex<Pipelines>,
    /// One for each tensor of the forward pass.
    tensors: Vec<OnDevice>,
    /// For each of its stacks the matrices, top to bottom.
    stacks: Vec<Vec<Matrix>>,
    /// One for each of its connections.
    hypers: Vec<Option<Hyper>>,
    /// For each block the gains of query and key heads, one after the other; ones where there is no norm.
    qk_gains: Vec<Buffer>,
    /// For each stack what is added to its outputs, zeros where a matrix has none; `None` where all have none.
    biases: Vec<Option<Buffer>>,
    /// How fast queries and keys turn with position.
    pub(super) rope: Frequencies,
    taken: Taken,
}

/// A tensor on the device.
#[derive(Debug)]
enum OnDevice {
    /// In another buffer, with its neighbours.
    Elsewhere,
    Gain(Buffer),
    Table(Matrix),
}

/// One hyper-connection.
#[derive(Debug)]
pub(super) struct Hyper {
    /// Rows of pre, post and res on top of each other, (rows, streams * width).
    pub weights: Buffer,
    /// Alphas, then biases in the same order.
    pub constants: Buffer,
    /// How many rows.
    pub rows: u32,
}

impl GpuModel {
    /// Uploads a model, which is not laid out for the processor by this.
    ///
    /// # Errors
    /// A shape beyond the shaders' limits or the device's, or more than is left of its memory, before anything is allocated; or no memory.
    /// Of a model that is not laid out also what [`Model::lay_out`] says of a broken file, in the same words.
    pub fn new(gpu: Arc<Gpu>, model: &Model) -> Result<Self> {
        let (forward, w) = (model.forward().clone(), model.weights());
        check(&gpu, &forward.config)?;
        let matrices = w.matrices();
        let rows = AllRows::new(&matrices, &forward)?;
        let taken = gpu.take("the model", bytes(&gpu, &forward, &rows)?)?;
        let upload = Upload { gpu: &gpu, forward: &forward, w, rows, pool: Pool::up_to(default_threads()) };
        let tensors = (0..forward.tensors.len()).map(|i| upload.tensor(TensorId(i)));
        let tensors = tensors.collect::<Result<_>>()?;
        let stacks = (0..forward.stacks.len()).map(|i| upload.stack(StackId(i)));
        let stacks = stacks.collect::<Result<_>>()?;
        let hypers =
            forward.connections.iter().map(|c| c.hyper.as_ref().map(|h| upload.hyper(h)).transpose());
        let hypers = hypers.collect::<Result<_>>()?;
        let qk_gains = forward.ops.iter().filter_map(|op| match *op {
            Op::NormRope { q_gain, k_gain, .. } => Some(upload.qk_gains(q_gain, k_gain)),
            _ => None,
        });
        let qk_gains = qk_gains.collect::<Result<_>>()?;
        let biases = forward.stacks.iter().map(|stack| upload.bias(stack)).collect::<Result<_>>()?;
        drop(upload);
        gpu.check()?;
        let (pipelines, rope) = (Mutex::default(), model.rope().clone());
        let gpu_model =
            GpuModel { pipelines, tensors, stacks, hypers, qk_gains, biases, rope, taken, gpu, forward };
        debug_assert_eq!(gpu_model.buffers().map(Buffer::size).sum::<u64>(), gpu_model.bytes());
        Ok(gpu_model)
    }

    /// Its shape.
    pub fn config(&self) -> &ModelConfig {
        &self.forward.config
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Bytes of it on the device.
    pub fn bytes(&self) -> u64 {
        self.taken.bytes()
    }

    /// The gain of a norm over rows.
    pub(super) fn gain(&self, id: TensorId) -> &Buffer {
        match &self.tensors[id.0] {
            OnDevice::Gain(buffer) => buffer,
            other => panic!("tensor {} is no gain: {other:?}", id.0),
        }
    }

    /// An embedding or a head.
    pub(super) fn table(&self, id: TensorId) -> &Matrix {
        match &self.tensors[id.0] {
            OnDevice::Table(matrix) => matrix,
            other => panic!("tensor {} is no table: {other:?}", id.0),
        }
    }

    /// The matrices of a stack, top to bottom.
    pub(super) fn stack(&self, id: StackId) -> &[Matrix] {
        &self.stacks[id.0]
    }

    /// Whether any linear layer reads f32.
    pub(super) fn reads_floats(&self) -> bool {
        self.stacks.iter().flatten().any(|m| !m.is_ternary())
    }

    /// In which form the products that come next in `ops` read their rows.
    pub(super) fn reads(&self, ops: &[Op]) -> Reads {
        let next =
            ops.iter().find_map(|op| if let Op::BitLinear { stack, .. } = op { Some(*stack) } else { None });
        let matrices = self.stack(next.expect("rows are made for a product"));
        Reads {
            codes: matrices.iter().any(Matrix::is_ternary),
            floats: matrices.iter().any(|m| !m.is_ternary()),
        }
    }

    /// The parameters of a connection; `None` with one stream.
    pub(super) fn hyper(&self, id: ConnectionId) -> Option<&Hyper> {
        self.hypers[id.0].as_ref()
    }

    /// The gains of a block's query and key heads.
    pub(super) fn qk_gains(&self, block: usize) -> &Buffer {
        &self.qk_gains[block]
    }

    /// What is added to the outputs of a stack.
    pub(super) fn bias(&self, id: StackId) -> Option<&Buffer> {
        self.biases[id.0].as_ref()
    }

    fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        let gains =
            self.tensors.iter().filter_map(|t| if let OnDevice::Gain(b) = t { Some(b) } else { None });
        let tables =
            self.tensors.iter().filter_map(|t| if let OnDevice::Table(m) = t { Some(m) } else { None });
        let hypers = self.hypers.iter().flatten().flat_map(|h| [&h.weights, &h.constants]);
        gains
            .chain(tables.chain(self.stacks.iter().flatten()).flat_map(Matrix::buffers))
            .chain(hypers)
            .chain(&self.qk_gains)
            .chain(self.biases.iter().flatten())
    }
}

/// The rows of all matrices.
struct AllRows<'a> {
    /// One for each tensor; `None` for those that are no table.
    tables: Vec<Option<Rows<'a>>>,
    /// The matrices of each stack.
    stacks: Vec<Vec<Rows<'a>>>,
}

impl<'a> AllRows<'a> {
    fn new(matrices: &'a Matrices<'_>, forward: &Forward) -> Result<Self> {
        let tables = forward.tensors.iter().enumerate().map(|(i, spec)| match (spec.kind, matrices) {
            (TensorKind::Ternary { .. } | TensorKind::Plain(_), _) => Ok(None),
            (TensorKind::Table { .. }, Matrices::File(gguf)) => Rows::table_of_file(gguf, spec).map(Some),
            (TensorKind::Table { .. }, Matrices::LaidOut(layout)) => {
                Rows::table_laid_out(layout, spec, TensorId(i)).map(Some)
            }
        });
        let stacks = forward.stacks.iter().enumerate().map(|(i, stack)| match matrices {
            Matrices::File(gguf) => Rows::stack_of_file(gguf, forward, stack),
            Matrices::LaidOut(layout) => {
                Rows::stack_laid_out(&layout.stacks[i], name(forward, stack), stack.cols)
            }
        });
        Ok(AllRows { tables: tables.collect::<Result<_>>()?, stacks: stacks.collect::<Result<_>>()? })
    }

    fn table(&self, id: TensorId) -> &Rows<'a> {
        self.tables[id.0].as_ref().expect("it is a table")
    }
}

/// Bytes that a model will take.
fn bytes(gpu: &Gpu, forward: &Forward, rows: &AllRows<'_>) -> Result<u64> {
    // Gains of query and key heads are there even where the model has none.
    let mut sum = 4 * (2 * forward.config.head_dim * forward.config.blocks) as u64;
    for (i, spec) in forward.tensors.iter().enumerate() {
        let id = TensorId(i);
        sum += match spec.kind {
            TensorKind::Ternary { .. }
            | TensorKind::Plain(Role::HeadGain | Role::Bias | Role::RopeDivisors) => 0,
            TensorKind::Table { .. } => Matrix::bytes(gpu, table_name(forward, id), rows.table(id))?,
            TensorKind::Plain(_) => 4 * spec.len() as u64,
        };
    }
    for (stack, rows) in forward.stacks.iter().zip(&rows.stacks) {
        for rows in rows {
            sum += Matrix::bytes(gpu, name(forward, stack), rows)?;
        }
        if stack.biases.iter().any(Option::is_some) {
            sum += 4 * stack.rows.iter().sum::<usize>() as u64;
        }
    }
    Ok(sum)
}

/// What to call a table.
fn table_name(forward: &Forward, id: TensorId) -> &'static str {
    if id == forward.head_table() && !forward.config.tied { "the head" } else { "the embedding" }
}

/// What to call a stack where one word must do.
fn name<'f>(forward: &'f Forward, stack: &Stack) -> &'f str {
    &forward.tensors[stack.parts[0].0].name
}

/// Weights on their way to a device.
struct Upload<'a> {
    gpu: &'a Gpu,
    forward: &'a Forward,
    w: &'a Weights,
    rows: AllRows<'a>,
    pool: Pool,
}

impl Upload<'_> {
    fn tensor(&self, id: TensorId) -> Result<OnDevice> {
        let spec = &self.forward.tensors[id.0];
        Ok(match spec.kind {
            TensorKind::Plain(Role::Gain) => OnDevice::Gain(self.gpu.filled(&spec.name, self.w.plain(id))?),
            TensorKind::Table { .. } => {
                OnDevice::Table(self.matrix(table_name(self.forward, id), self.rows.table(id))?)
            }
            TensorKind::Ternary { .. } | TensorKind::Plain(_) => OnDevice::Elsewhere,
        })
    }

    fn stack(&self, id: StackId) -> Result<Vec<Matrix>> {
        let name = name(self.forward, &self.forward.stacks[id.0]);
        self.rows.stacks[id.0].iter().map(|rows| self.matrix(name, rows)).collect()
    }

    fn matrix(&self, name: &str, rows: &Rows<'_>) -> Result<Matrix> {
        let matrix = Matrix::new(self.gpu, &self.pool, name, rows)?;
        // What the driver keeps to copy from can go.
        self.gpu.queue.submit([]);
        let done = self.gpu.device.poll(wgpu::PollType::wait_indefinitely());
        done.map_err(|e| self.gpu.failed(e.to_string()))?;
        Ok(matrix)
    }

    fn qk_gains(&self, q_gain: Option<TensorId>, k_gain: Option<TensorId>) -> Result<Buffer> {
        let gain = |id: Option<TensorId>| match id {
            Some(id) => self.w.plain(id).to_vec(),
            None => vec![1.0; self.forward.config.head_dim],
        };
        self.gpu.filled("gains of query and key heads", &[gain(q_gain), gain(k_gain)].concat())
    }

    fn bias(&self, stack: &Stack) -> Result<Option<Buffer>> {
        if stack.biases.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut all = Vec::with_capacity(stack.rows.iter().sum());
        for (bias, rows) in stack.biases.iter().zip(&stack.rows) {
            match bias {
                Some(id) => all.extend_from_slice(self.w.plain(*id)),
                None => all.resize(all.len() + rows, 0.0),
            }
        }
        self.gpu.filled("biases", &all).map(Some)
    }

    fn hyper(&self, h: &forward::Hyper) -> Result<Hyper> {
        let w = self.w.hyper(&self.forward.config, h);
        let constants = [&w.alpha[..], w.bias[0], w.bias[1], w.bias[2]].concat();
        Ok(Hyper {
            weights: self.gpu.filled("hyper-connection weights", &w.weight.concat())?,
            rows: (constants.len() - 3) as u32,
            constants: self.gpu.filled("hyper-connection constants", &constants)?,
        })
    }
}

/// Refuses a shape that the shaders have no room for.
fn check(gpu: &Gpu, c: &ModelConfig) -> Result<()> {
    for (what, width) in
        [("the model's width", c.width), ("its feed-forward width", c.ffn), ("its heads' width", c.q_width())]
    {
        if width > shaders::WIDTH_MAX as usize {
            return Err(Error::GpuLimit {
                adapter: gpu.info().name.clone(),
                what: format!("a quantised row of {what}"),
                needed: width as u64,
                limit: u64::from(shaders::WIDTH_MAX),
            });
        }
    }
    Ok(())
}
