//! Before the first op: weights and tables as they are stored, and gradients that are added to from the start.

use model::config::StoredType;
use model::tensors::TensorKind;
use train::program::Op;

use super::Recorder;
use crate::driver::{Arg, Shape};
use crate::error::Result;
use crate::plan::GROUP;

/// Groups of weights that a block takes, and its threads.
const GROUPS: usize = 32;
const THREADS: usize = 256;

impl Recorder<'_> {
    /// Quantises every ternary matrix and rounds every table.
    pub fn prepare(&self) -> Result<()> {
        let m = self.memory;
        let groups = self.plan.arenas.ternary / GROUP;
        let shape = Shape::line(groups.div_ceil(GROUPS), THREADS);
        let args =
            args![m.ternary.latent.arg(), m.codes.arg(), m.scales.arg(), m.dequantised.arg(), groups as u64];
        self.run_here("quantise", "quantise_weights", shape, &args)?;
        for &p in &self.plan.tables {
            let spec = &self.program.params[p.0];
            let TensorKind::Table { stored, .. } = spec.kind else { unreachable!("it is a table") };
            let (name, of_a_block) = match stored {
                StoredType::F16 => ("round_table_f16", 4 * THREADS),
                StoredType::Q8_0 => ("round_table_q8_0", 4 * THREADS),
                StoredType::Q1_58 => ("round_table_q1_58", GROUPS * GROUP),
                StoredType::Foreign(ty) => unreachable!("no training configuration has {ty}"),
            };
            let at = self.table_at(p);
            let operand = if self.is_exact() { Arg::NULL } else { m.operand.at(at) };
            let args = args![self.plain(p), m.rounded.at(at), operand, spec.len() as u64];
            self.run("table", name, Shape::line(spec.len().div_ceil(of_a_block), THREADS), &args)?;
        }
        Ok(())
    }

    /// Sets the gradient of an embedding that is no head to zero: its ids alone are written.
    pub fn clear_gradients(&self) -> Result<()> {
        for op in &self.program.backward {
            if let Op::EmbedBackward { table, .. } = *op
                && table != self.program.head
            {
                let (first, len) = (self.plan.arenas.dense_at(table), self.program.params[table.0].len());
                self.memory.dense.gradient.clear_later(self.device, first, len)?;
            }
        }
        Ok(())
    }
}
