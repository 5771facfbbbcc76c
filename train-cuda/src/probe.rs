//! What tests ask of a card: gradients without an update, logits, codes.

use half::f16;
use model::tensors::{TensorId, TensorKind};
use train::Result;
use train::backend::{Backend, Codes, Probe, Rates};
use train::batch::Batch;

use crate::backend::CudaBackend;
use crate::driver;
use crate::memory::values;
use crate::plan::{Array, GROUP, Place};

const NO_RATES: Rates = Rates { muon: 0.0, adam: 0.0 };

impl CudaBackend {
    fn all_gradients(&mut self, step: u64, batch: &Batch) -> driver::Result<(f64, Vec<Vec<f32>>)> {
        self.copy_in(step, batch, NO_RATES)?;
        self.recorder().passes_of(true)?;
        self.settle(&self.device.moment()?)?;
        let mut nats = vec![0.0; batch.tokens.len()];
        self.memory.nats.read(&self.device, 0, &mut nats)?;
        let loss = nats.iter().map(|&n| f64::from(n)).sum::<f64>() / batch.scored().max(1) as f64;
        let gradients = (0..self.program.params.len()).map(|p| {
            let mut out = vec![0.0; self.program.params[p].len()];
            match self.plan.arenas.place(TensorId(p)) {
                Place::Ternary(range) => {
                    self.memory.ternary.gradient.read(&self.device, range.start, &mut out)?
                }
                Place::Dense(range) => {
                    self.memory.dense.gradient.read(&self.device, range.start, &mut out)?
                }
            }
            Ok(out)
        });
        Ok((loss, gradients.collect::<driver::Result<_>>()?))
    }

    fn all_logits(&mut self, batch: &Batch) -> driver::Result<(Vec<f32>, Vec<f32>)> {
        self.copy_in(0, batch, NO_RATES)?;
        self.recorder().prepare()?;
        let head = &self.program.params[self.program.head.0];
        let (vocab, width) = (head.shape[0], head.shape[1]);
        let wide = self.program.model.streams * width;
        let (mut logits, mut streams) = (Vec::new(), Vec::new());
        for pass in self.plan.passes(false) {
            let r = self.recorder();
            self.program.forward.iter().try_for_each(|op| r.forward(op, &pass))?;
            let out = self.device.buffer::<f32>(pass.tokens * vocab)?;
            r.plain_logits(&pass, out.arg())?;
            let mut some = vec![0.0; pass.tokens * vocab];
            out.read(&self.device, 0, &mut some)?;
            logits.extend(some);
            let room = self.memory.room(&self.plan, Array::Rows(self.program.streams));
            streams.extend(values::<f32>(&self.device, room, pass.tokens * wide)?);
        }
        Ok((logits, streams))
    }

    fn all_codes(&mut self, p: TensorId) -> driver::Result<Option<Codes>> {
        let TensorKind::Ternary { rows, cols } = self.program.params[p.0].kind else { return Ok(None) };
        self.recorder().prepare()?;
        let first = self.plan.arenas.ternary_at(p);
        let (mut codes, mut scales) = (vec![0; rows * cols], vec![0u16; rows * cols / GROUP]);
        self.memory.codes.read(&self.device, first, &mut codes)?;
        self.memory.scales.read(&self.device, first / GROUP, &mut scales)?;
        Ok(Some((codes, scales.into_iter().map(f16::from_bits).collect())))
    }
}

impl Probe for CudaBackend {
    fn gradients(&mut self, step: u64, batch: &Batch) -> Result<(f64, Vec<Vec<f32>>)> {
        debug_assert_eq!(self.collect()?, None);
        Ok(self.all_gradients(step, batch)?)
    }

    fn logits(&mut self, batch: &Batch) -> Result<(Vec<f32>, Vec<f32>)> {
        Ok(self.all_logits(batch)?)
    }

    fn codes(&mut self, p: TensorId) -> Result<Option<Codes>> {
        Ok(self.all_codes(p)?)
    }
}
