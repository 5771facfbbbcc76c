//! The trainer's backend on a card. A step is one graph, recorded the first time; what it is told, batch and words, is copied in before
//! it, and what it tells is copied out behind it, so the host is up to [`LAG`] steps ahead and never waits for one to begin the next.

use std::collections::VecDeque;
use std::sync::Arc;

use model::tensors::TensorId;
use train::Result;
use train::backend::{Backend, CodesCount, Part, Rates, StepReport};
use train::batch::{Batch, IGNORED};
use train::program::Program;

use crate::driver;
use crate::driver::{Device, Graph, MeetingPoint, Moment, Pinned};
use crate::memory::Memory;
use crate::plan::{CudaOptions, Plan, Sizes};
use crate::record::Recorder;
use crate::several::Watch;
use crate::words::{StepWords, WORDS};

/// Steps that may be on their way while another is sent.
const LAG: usize = 3;

/// See the top of this file.
#[derive(Debug)]
pub struct CudaBackend {
    pub(crate) device: Device,
    pub(crate) program: Program,
    pub(crate) plan: Plan,
    pub(crate) memory: Memory,
    options: CudaOptions,
    /// Recorded when it is first needed.
    step: Option<Graph>,
    evaluation: Option<Graph>,
    slots: Vec<Slot>,
    in_flight: VecDeque<usize>,
    /// Where it works with other cards: whether they are there.
    watch: Option<Arc<Watch>>,
}

/// What the host and the card hand each other for one step.
#[derive(Debug)]
struct Slot {
    ids: Pinned<u32>,
    targets: Pinned<u32>,
    told: Pinned<u32>,
    tells: Pinned<u32>,
    /// When `tells` is there.
    done: Option<Moment>,
}

impl CudaBackend {
    /// Opens a card and puts a program there.
    ///
    /// # Errors
    /// No driver or card that will do, a shape that the kernels do not know, or not enough memory, which is said before any is taken.
    pub fn new(program: Program, options: CudaOptions) -> driver::Result<CudaBackend> {
        Self::on(Device::open(options.card)?, program, options)
    }

    /// Puts a program on an open card.
    ///
    /// # Errors
    /// A shape that the kernels do not know, or not enough memory, which is said before any is taken.
    pub fn on(device: Device, program: Program, options: CudaOptions) -> driver::Result<CudaBackend> {
        let program = options.program(&program);
        let plan = Plan::new(&program, &options)?;
        device.card().check_room(plan.sizes.total(), device.free()?)?;
        let memory = Memory::new(&device, &program, &plan)?;
        let slots = (0..=LAG).map(|_| Slot::new(&device, &plan)).collect::<driver::Result<_>>()?;
        Ok(CudaBackend {
            device,
            program,
            plan,
            memory,
            options,
            step: None,
            evaluation: None,
            slots,
            in_flight: VecDeque::new(),
            watch: None,
        })
    }

    /// Bytes that a program takes on a card, by what they are for.
    ///
    /// # Errors
    /// A shape that the kernels do not know.
    pub fn sizes(program: &Program, options: &CudaOptions) -> driver::Result<Sizes> {
        Plan::new(&options.program(program), options).map(|plan| plan.sizes)
    }

    /// Has the driver compile every kernel that a step and an evaluation take, which is long the first time on a machine.
    ///
    /// # Errors
    /// A driver that does not take them.
    pub fn compile(&self) -> driver::Result<()> {
        self.device.rehearse(|| self.recorder().step())?;
        self.device.rehearse(|| self.recorder().look()).map(drop)
    }

    /// Meets the other cards of its share; waits until all have come.
    ///
    /// # Errors
    /// NCCL is not there, or the cards do not reach each other.
    pub(crate) fn meet(&mut self, point: MeetingPoint, watch: Arc<Watch>) -> driver::Result<()> {
        let share = self.options.share;
        self.device.meet(point, share.rank, share.cards, || watch.check())?;
        self.watch = Some(watch);
        // NCCL builds its ways when they are first needed, which it had better not while a step is recorded.
        self.recorder().exchange_all()?;
        self.settle(&self.device.moment()?)
    }

    /// Steps that were submitted and not collected.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Has what the first card has of a part of a parameter; all cards are told so at once.
    ///
    /// # Errors
    /// The card or another one failed.
    pub(crate) fn take_over(&mut self, p: TensorId, part: Part) -> driver::Result<()> {
        let span = self.memory.span(&self.program, &self.plan, p, part);
        self.device.spread(span)?;
        self.settle(&self.device.moment()?)
    }

    /// Waits for a moment, for which other cards may be needed.
    pub(crate) fn settle(&self, moment: &Moment) -> driver::Result<()> {
        let Some(watch) = &self.watch else { return moment.wait() };
        let settled = moment.wait_while(|| {
            watch.check()?;
            self.device.check_others()
        });
        // Why the others are gone says more than that their sums do not come.
        settled.map_err(|error| watch.check().err().unwrap_or(error))
    }

    pub(crate) fn recorder(&self) -> Recorder<'_> {
        Recorder { device: &self.device, program: &self.program, plan: &self.plan, memory: &self.memory }
    }

    /// What a step is told.
    fn words(&self, step: u64, batch: &Batch, rates: Rates) -> StepWords {
        StepWords::new(step, batch.scored(), rates, &self.program.recipe.optimiser)
    }

    /// Copies a batch in and waits until it is there.
    pub(crate) fn copy_in(&mut self, step: u64, batch: &Batch, rates: Rates) -> driver::Result<()> {
        let words = self.words(step, batch, rates);
        let memory = &mut self.memory;
        memory.ids.write(&self.device, 0, &batch.tokens)?;
        memory.targets.write(&self.device, 0, &batch.targets)?;
        memory.words.write(&self.device, 0, bytemuck::cast_slice(&[words]))
    }

    fn send(&mut self, step: u64, batch: &Batch, rates: Rates) -> driver::Result<()> {
        let index = (0..self.slots.len()).find(|i| !self.in_flight.contains(i)).expect("a slot is free");
        let words = self.words(step, batch, rates);
        let slot = &mut self.slots[index];
        slot.ids.values()?.copy_from_slice(&batch.tokens);
        slot.targets.values()?.copy_from_slice(&batch.targets);
        slot.told.values()?.copy_from_slice(bytemuck::cast_slice(&[words]));
        self.memory.ids.write_later(&self.device, &slot.ids)?;
        self.memory.targets.write_later(&self.device, &slot.targets)?;
        self.memory.words.write_later(&self.device, &slot.told)?;
        self.run(|backend| &mut backend.step, |recorder| recorder.step())?;
        let slot = &mut self.slots[index];
        self.memory.words.read_later(&self.device, &mut slot.tells)?;
        slot.done = Some(self.device.moment()?);
        self.in_flight.push_back(index);
        Ok(())
    }

    /// Runs what `tell` tells: recorded the first time and replayed from a graph of this backend's, or told anew each time.
    fn run(
        &mut self,
        graph: impl Fn(&mut CudaBackend) -> &mut Option<Graph>,
        tell: impl Fn(&Recorder<'_>) -> driver::Result<()>,
    ) -> driver::Result<()> {
        if !self.options.graph {
            return tell(&self.recorder());
        }
        if graph(self).is_none() {
            *graph(self) = Some(self.device.record(|| tell(&self.recorder()))?);
        }
        graph(self).as_mut().expect("it was recorded").launch()
    }

    fn receive(&mut self) -> driver::Result<Option<StepReport>> {
        let Some(index) = self.in_flight.pop_front() else { return Ok(None) };
        let done = self.slots[index].done.take().expect("it was sent");
        self.settle(&done)?;
        let slot = &mut self.slots[index];
        let words: &[StepWords] = bytemuck::cast_slice(slot.tells.values()?);
        Ok(Some(words[0].report()))
    }

    fn score(&mut self, batch: &Batch, nats: &mut [f32]) -> driver::Result<()> {
        self.copy_in(0, batch, Rates { muon: 0.0, adam: 0.0 })?;
        self.run(|backend| &mut backend.evaluation, |recorder| recorder.passes_of(false))?;
        self.settle(&self.device.moment()?)?;
        self.memory.nats.read(&self.device, 0, nats)
    }
}

/// Whatever is still on its way reads and writes what is about to go.
impl Drop for CudaBackend {
    fn drop(&mut self) {
        // NCCL lets nobody leave while a graph holds sums of its.
        (self.step, self.evaluation) = (None, None);
        // What waits for cards that are gone waits for ever.
        if self.watch.as_ref().is_some_and(|watch| watch.check().is_err())
            || self.device.check_others().is_err()
        {
            self.device.leave();
        }
        // A card that failed has nothing on its way.
        let _ = self.device.wait();
        self.device.leave();
    }
}

impl Slot {
    fn new(device: &Device, plan: &Plan) -> driver::Result<Slot> {
        let batch = plan.batch_tokens();
        Ok(Slot {
            ids: device.pinned(batch)?,
            targets: device.pinned(batch)?,
            told: device.pinned(WORDS)?,
            tells: device.pinned(WORDS)?,
            done: None,
        })
    }
}

impl Backend for CudaBackend {
    fn lag(&self) -> usize {
        LAG
    }

    fn submit(&mut self, step: u64, batch: &Batch, rates: Rates) -> Result<()> {
        assert!(self.in_flight.len() <= LAG, "{} steps are in flight", self.in_flight.len());
        Ok(self.send(step, batch, rates)?)
    }

    fn collect(&mut self) -> Result<Option<StepReport>> {
        Ok(self.receive()?)
    }

    fn evaluate(&mut self, batch: &Batch, nats: &mut [f32]) -> Result<()> {
        debug_assert!(batch.targets.iter().all(|&t| t == IGNORED || (t as usize) < self.program.model.vocab));
        Ok(self.score(batch, nats)?)
    }

    fn read(&mut self, p: TensorId, part: Part, out: &mut [f32]) -> Result<()> {
        Ok(self.memory.read(&self.device, &self.plan, p, part, out)?)
    }

    fn write(&mut self, p: TensorId, part: Part, values: &[f32]) -> Result<()> {
        Ok(self.memory.write(&self.device, &self.plan, p, part, values)?)
    }

    fn look(&mut self) -> Result<Vec<CodesCount>> {
        Ok(self.count_codes()?)
    }

    fn remembered(&mut self, p: TensorId, codes: &mut [i8]) -> Result<()> {
        let first = self.plan.arenas.ternary_at(p);
        Ok(self.memory.counts.remembered.read(&self.device, first, codes)?)
    }

    fn remember(&mut self, p: TensorId, codes: &[i8]) -> Result<()> {
        let first = self.plan.arenas.ternary_at(p);
        Ok(self.memory.counts.remembered.write(&self.device, first, codes)?)
    }
}

impl CudaBackend {
    /// Counts in the order in which the matrices lie, and answers in the program's.
    fn count_codes(&mut self) -> driver::Result<Vec<CodesCount>> {
        self.recorder().look()?;
        let matrices = &self.plan.arenas.matrices;
        let (counts, device) = (&self.memory.counts, &self.device);
        let (mut sums, mut zeros, mut flips) =
            (vec![0.0; matrices.len()], vec![0; matrices.len()], vec![0; matrices.len()]);
        counts.scale_sum.read(device, 0, &mut sums)?;
        counts.zeros.read(device, 0, &mut zeros)?;
        counts.flips.read(device, 0, &mut flips)?;
        let mut order: Vec<usize> = (0..matrices.len()).collect();
        order.sort_by_key(|&i| matrices[i].0);
        let count = |i: usize| CodesCount { zeros: zeros[i], flips: flips[i], scale_sum: sums[i] };
        Ok(order.into_iter().map(count).collect())
    }
}
