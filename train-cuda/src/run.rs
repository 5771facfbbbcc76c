//! Cards as a run's device: how much of a batch each takes at a time, and a fresh trainer on them.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use model::config::ModelConfig;
use train::backend::Backend;
use train::config::Config;
use train::graph;
use train::program::Program;
use train::trainer::Trainer;

use crate::backend::CudaBackend;
use crate::choice::{CardSet, name_of};
use crate::driver::{Card, Device};
use crate::error::{Error, Result};
use crate::plan::{CudaOptions, Sizes};
use crate::several::{Cluster, Several, Taken};

/// From when on the time that a driver took to compile is told.
const COMPILING_WORTH_A_WORD: Duration = Duration::from_secs(2);

/// The cards that a run takes.
#[derive(Clone, Copy, Debug)]
pub enum Taking<'a> {
    /// Of this process.
    Here(CardSet),
    /// One of each process; the first one, which this is, listens for the others.
    Cluster(&'a Cluster, &'a TcpListener),
}

impl Taking<'_> {
    /// What a run's record calls them.
    pub fn name(self) -> String {
        let count = match self {
            Taking::Here(cards) => cards.count(),
            Taking::Cluster(cluster, _) => cluster.processes,
        };
        name_of(count)
    }
}

/// A run's program on a card, and what it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// How it goes about it.
    pub options: CudaOptions,
    /// Sequences at a time.
    pub sequences: usize,
    /// Bytes.
    pub sizes: Sizes,
}

/// As much of a card's share of a batch at a time as fits in so many bytes; everything else as `options` say.
///
/// # Errors
/// A shape that the kernels do not know, or a single sequence that does not fit.
pub fn fit(program: &Program, card: &Card, free: u64, options: CudaOptions) -> Result<Fit> {
    let (recipe, share) = (&program.recipe, options.share);
    if recipe.sequences < share.cards {
        return Err(Error::Together {
            problem: format!(
                "{} cards cannot share a batch of {} (train.batch); each takes one sequence at least: take fewer cards or a larger batch",
                share.cards, recipe.sequences
            ),
        });
    }
    let mut sequences = share.of(recipe.sequences).len();
    loop {
        let options = CudaOptions { pass_tokens: sequences * recipe.tokens, ..options };
        let sizes = CudaBackend::sizes(program, &options)?;
        match card.check_room(sizes.total(), free) {
            Ok(()) => return Ok(Fit { options, sequences, sizes }),
            Err(error) if sequences == 1 => return Err(error),
            Err(_) => sequences = sequences.div_ceil(2),
        }
    }
}

/// A fresh trainer on one card or several; `tell` hears what it will take before any of it is taken.
///
/// # Errors
/// What opening a card says, or that it is too small; cards that do not reach each other.
pub fn trainer(
    config: &Config,
    model: &ModelConfig,
    taking: Taking<'_>,
    tell: &dyn Fn(&str),
) -> train::Result<Trainer> {
    let program = graph::build(model, config.recipe());
    let open = || -> Result<Box<dyn Backend>> {
        let taken = |card: &Card, taken: Taken| tell(&taken.describe(card));
        Ok(match taking {
            Taking::Here(cards) => match cards.only() {
                Some(card) => Box::new(alone(&program, card, tell)?),
                None => Box::new(Several::here(&program, cards, CudaOptions::on(0), &taken)?),
            },
            Taking::Cluster(cluster, listener) => {
                tell(&format!(
                    "waiting for {} other processes at port {}",
                    cluster.processes - 1,
                    cluster.port
                ));
                Box::new(Several::of_processes(&program, config, cluster, listener, &taken)?)
            }
        })
    };
    let backend = open().map_err(|e| train::Error::NoDevice { problem: e.to_string() })?;
    Ok(Trainer::new(program, backend))
}

/// One card.
fn alone(program: &Program, card: usize, tell: &dyn Fn(&str)) -> Result<CudaBackend> {
    let device = Device::open(card)?;
    let fit = fit(program, device.card(), device.free()?, CudaOptions::on(card))?;
    let at_a_time = at_a_time(fit.sequences, program.recipe.sequences);
    tell(&format!("training on {}{at_a_time}; {}", device.card(), fit.sizes));
    let backend = CudaBackend::on(device, program.clone(), fit.options)?;
    let began = Instant::now();
    backend.compile()?;
    if began.elapsed() > COMPILING_WORTH_A_WORD {
        let seconds = began.elapsed().as_secs_f64();
        tell(&format!("its driver compiled the kernels in {seconds:.0} s, and keeps them"));
    }
    Ok(backend)
}

/// Words on how many sequences go at a time, where that is not all of them.
pub(crate) fn at_a_time(sequences: usize, all: usize) -> String {
    if sequences == all { String::new() } else { format!(", {sequences} sequences at a time") }
}
