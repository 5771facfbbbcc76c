//! What a card is told for each op of a program: which kernel, over which arrays, by how many threads. Nothing here depends on a value, so
//! what is told once can be recorded as a graph.

/// Arguments of a kernel.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$($crate::driver::Arg::from($arg)),*] };
}
/// Arguments of a kernel, the first of them.
macro_rules! args_vec {
    ($($arg:expr),* $(,)?) => { vec![$($crate::driver::Arg::from($arg)),*] };
}

mod backward;
mod forward;
mod head;
mod muon;
mod prepare;
mod products;
mod step;
mod update;

use model::tensors::TensorId;
use train::program::{Coefs, Program, Rows, Site};

use crate::driver::{Arg, Device, Shape};
use crate::error::Result;
use crate::memory::Memory;
use crate::plan::{Array, Place, Plan};
use crate::precision::Precision;

pub(crate) use backward::parts;
pub(crate) use muon::{MuonRoom, Table};
pub(crate) use step::Pass;
pub(crate) use update::NORM_PARTS;

/// See the top of this file.
#[derive(Clone, Copy)]
pub(crate) struct Recorder<'a> {
    pub device: &'a Device,
    pub program: &'a Program,
    pub plan: &'a Plan,
    pub memory: &'a Memory,
}

impl Recorder<'_> {
    /// Tells the device to run a kernel of a module that is the same in every precision.
    fn run(&self, module: &str, name: &str, shape: Shape, args: &[Arg]) -> Result<()> {
        self.device.launch(&*self.device.kernel(module, name)?, shape, args)
    }

    /// The same for a module of this precision.
    fn run_here(&self, module: &str, name: &str, shape: Shape, args: &[Arg]) -> Result<()> {
        self.run(&self.plan.precision.module(module), name, shape, args)
    }

    fn is_exact(&self) -> bool {
        self.plan.precision == Precision::F32
    }

    fn width(&self, rows: Rows) -> usize {
        self.program.buffers.rows[rows.0]
    }

    /// The place of an array.
    fn array(&self, array: Array) -> Arg {
        self.memory.room(self.plan, array).arg()
    }

    /// The place of rows.
    fn rows(&self, rows: Rows) -> Arg {
        self.array(Array::Rows(rows))
    }

    /// The place of coefficients.
    fn coefs(&self, coefs: Coefs) -> Arg {
        self.array(Array::Coefs(coefs))
    }

    /// The place of rows that go with a gain, if there is one.
    fn rows_of(&self, gain: Option<TensorId>, rows: Rows) -> Arg {
        gain.map_or(Arg::NULL, |_| self.rows(rows))
    }

    /// The place of a parameter that is no ternary matrix.
    fn plain(&self, p: TensorId) -> Arg {
        self.memory.dense.latent.at(self.plan.arenas.dense_at(p))
    }

    /// The place of a gain, if there is one.
    fn gain(&self, p: Option<TensorId>) -> Arg {
        p.map_or(Arg::NULL, |p| self.plain(p))
    }

    /// The place of a parameter's gradient.
    fn gradient(&self, p: TensorId) -> Arg {
        match self.plan.arenas.place(p) {
            Place::Ternary(range) => self.memory.ternary.gradient.at(range.start),
            Place::Dense(range) => self.memory.dense.gradient.at(range.start),
        }
    }

    fn ids(&self, pass: &Pass) -> Arg {
        self.memory.ids.at(pass.first_token)
    }

    fn targets(&self, pass: &Pass) -> Arg {
        self.memory.targets.at(pass.first_token)
    }

    fn words(&self) -> Arg {
        self.memory.words.arg()
    }

    /// Where the values of a table begin among those of all tables.
    fn table_at(&self, p: TensorId) -> usize {
        let before = self.plan.tables.iter().take_while(|&&t| t != p);
        before.map(|t| self.program.params[t.0].len()).sum()
    }

    /// Seed, site, threshold and scale of a mask, and the first token, as every kernel with dropout takes them.
    fn mask(&self, pass: &Pass, site: Site) -> [Arg; 5] {
        let recipe = &self.program.recipe;
        let p = if pass.train { recipe.dropout } else { 0.0 };
        let threshold = (f64::from(p) * 4_294_967_296.0) as u32;
        let scale = 1.0 / (1.0 - p);
        args![recipe.seed, site.0, threshold, scale, pass.first_token]
    }
}
