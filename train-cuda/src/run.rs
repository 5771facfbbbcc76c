//! Cards as a run's device: how much of a batch each takes at a time, and a fresh trainer on them.

use std::net::TcpListener;
use std::sync::atomic::AtomicBool;
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
    /// One of each process; the first one, which this is, listens for the others until it is told to stop.
    Cluster(&'a Cluster, &'a TcpListener, &'a AtomicBool),
}

impl Taking<'_> {
    /// What a run's record calls them.
    pub fn name(self) -> String {
        let count = match self {
            Taking::Here(cards) => cards.count(),
            Taking::Cluster(cluster, ..) => cluster.processes,
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
    /// Sequences of its share of a batch.
    pub of: usize,
    /// Bytes.
    pub sizes: Sizes,
}

impl Fit {
    /// How a card's share goes, to stand behind its name: nothing where there is nothing to say.
    pub(crate) fn manner(&self) -> String {
        let at_a_time = match self.sequences {
            all if all == self.of => String::new(),
            1 => ", a sequence at a time".to_owned(),
            some => format!(", {some} sequences at a time"),
        };
        at_a_time + if self.options.recompute { ", activations computed twice" } else { "" }
    }
}

/// As much of a card's share of a batch at a time as fits in so many bytes; everything else as `options` say. Fewer sequences cost next to
/// nothing, computing activations twice a third of the way forward and back, so that is done only where a single sequence would not fit otherwise.
///
/// # Errors
/// A shape that the kernels do not know, or a single sequence that does not fit.
pub fn fit(program: &Program, card: &Card, free: u64, options: CudaOptions) -> Result<Fit> {
    let (sequences, cards) = (program.recipe.sequences, options.share.cards);
    if sequences < cards {
        return Err(Error::Together {
            problem: format!(
                "{cards} cards cannot share a batch of {sequences} (train.batch); each takes one sequence at least: take fewer cards or a larger batch"
            ),
        });
    }
    match fit_in_passes(program, card, free, options) {
        Err(Error::Memory { .. }) if !options.recompute => {
            fit_in_passes(program, card, free, CudaOptions { recompute: true, ..options })
        }
        other => other,
    }
}

fn fit_in_passes(program: &Program, card: &Card, free: u64, options: CudaOptions) -> Result<Fit> {
    let recipe = &program.recipe;
    let of = options.share.of(recipe.sequences).len();
    let mut sequences = of;
    loop {
        let options = CudaOptions { pass_tokens: sequences * recipe.tokens, ..options };
        let sizes = CudaBackend::sizes(program, &options)?;
        match card.check_room(sizes.total(), free) {
            Ok(()) => return Ok(Fit { options, sequences, of, sizes }),
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
        let taken = |card: &Card, taken: &Taken| tell(&taken.describe(card));
        Ok(match taking {
            Taking::Here(cards) => match cards.only() {
                Some(card) => Box::new(alone(&program, card, tell)?),
                None => Box::new(Several::here(&program, cards, CudaOptions::on(0), &taken)?),
            },
            Taking::Cluster(cluster, listener, cancel) => {
                tell(&format!(
                    "waiting for {} other processes at port {}",
                    cluster.processes - 1,
                    cluster.port
                ));
                Box::new(Several::of_processes(&program, config, cluster, listener, cancel, &taken)?)
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
    tell(&format!("training on {}{}; {}", device.card(), fit.manner(), fit.sizes));
    let backend = CudaBackend::on(device, program.clone(), fit.options)?;
    let began = Instant::now();
    backend.compile()?;
    if began.elapsed() > COMPILING_WORTH_A_WORD {
        let seconds = began.elapsed().as_secs_f64();
        tell(&format!("its driver compiled the kernels in {seconds:.0} s, and keeps them"));
    }
    Ok(backend)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smaller pass first, then activations twice, then neither will do.
    #[test]
    fn a_batch_fits_the_cheapest_way_there_is() {
        let mut config = train::preset::showcase();
        (config.model.context, config.train.batch, config.model.blocks) = (1024, 4, 12);
        let program = graph::build(&config.model_config(512), config.recipe());
        let card = Card::rtx_4090();
        let at = |free: u64| fit(&program, &card, free, CudaOptions::on(0));
        let taken = |fit: &Fit| (fit.sequences, fit.options.recompute);
        let whole = at(u64::MAX).unwrap();
        assert_eq!((taken(&whole), whole.manner().as_str()), ((4, false), ""));
        let half = at(whole.sizes.total() - 1).unwrap();
        assert_eq!((taken(&half), half.manner().as_str()), ((2, false), ", 2 sequences at a time"));
        let one = at(half.sizes.total() - 1).unwrap();
        assert_eq!((taken(&one), one.manner().as_str()), ((1, false), ", a sequence at a time"));
        // Then as many at once as fit.
        let twice = at(one.sizes.total() - 1).unwrap();
        assert_eq!(taken(&twice), (4, true), "{} and {}", one.sizes, twice.sizes);
        assert_eq!(twice.manner(), ", activations computed twice");
        let fewer = at(twice.sizes.total() - 1).unwrap();
        assert_eq!(fewer.manner(), ", 2 sequences at a time, activations computed twice");
        assert!(matches!(at(1 << 20), Err(Error::Memory { .. })));
    }
}
