//! Behind the last op: loss, norm and clip, then the optimisers; and the report on codes.

use train::optim::{Matrices, Moments};

use super::Recorder;
use crate::driver::Shape;
use crate::error::Result;
use crate::memory::Parameters;
use crate::moments::kernel;

/// Blocks that sum the squares of one array of gradients.
pub(crate) const NORM_PARTS: usize = 256;

const THREADS: usize = 256;

impl Recorder<'_> {
    /// Loss, gradient norm, clip, and whether the step counts.
    pub fn finish(&self) -> Result<()> {
        let m = self.memory;
        for (i, parameters) in [&m.ternary, &m.dense].into_iter().enumerate() {
            let gradient = &parameters.gradient;
            let args = args![gradient.arg(), m.norm_parts.at(i * NORM_PARTS), gradient.len() as u64];
            self.run("update", "norm_parts", Shape::line(NORM_PARTS, THREADS), &args)?;
        }
        let args = args![
            m.nats.arg(),
            m.targets.arg(),
            m.norm_parts.arg(),
            self.words(),
            self.plan.batch_tokens(),
            2 * NORM_PARTS,
            self.program.recipe.optimiser.clip_norm,
        ];
        self.run("update", "finish_step", Shape::line(1, 1024), &args)
    }

    /// Moves every parameter, unless the step does not count.
    pub fn update(&self) -> Result<()> {
        let (m, a, settings) = (self.memory, &self.plan.arenas, &self.program.recipe.optimiser);
        match settings.matrices {
            Matrices::Muon => self.muon()?,
            Matrices::AdamW => self.adamw(&m.ternary, 0, a.ternary, settings.adam.weight_decay)?,
        }
        self.adamw(&m.dense, 0, a.decaying, settings.adam.weight_decay)?;
        self.adamw(&m.dense, a.decaying, a.dense - a.decaying, 0.0)
    }

    fn adamw(&self, p: &Parameters, first: usize, values: usize, decay: f32) -> Result<()> {
        if values == 0 {
            return Ok(());
        }
        let s = &self.program.recipe.optimiser.adam;
        let mut args = args_vec![
            p.latent.at(first),
            p.gradient.at(first),
            p.first.at(first),
            p.second.at(first),
            self.words(),
            values as u64,
            s.beta1,
            s.beta2,
            s.eps,
            decay,
        ];
        let kept = self.program.recipe.optimiser.moments;
        if kept == Moments::Bf16 {
            args.extend(args![self.program.recipe.seed, p.site, first as u64]);
        }
        self.run("update", &kernel("adamw", kept), Shape::line(values.div_ceil(1024), THREADS), &args)
    }

    /// Counts the codes of the latent values against those of the look before, which they become.
    pub fn look(&self) -> Result<()> {
        let (m, c) = (self.memory, &self.memory.counts);
        let args = args![
            m.ternary.latent.arg(),
            c.remembered.arg(),
            c.first_group.arg(),
            c.scale_sum.arg(),
            c.zeros.arg(),
            c.flips.arg(),
        ];
        self.run_here("quantise", "look", Shape::line(self.plan.arenas.matrices.len(), 2 * THREADS), &args)
    }
}
