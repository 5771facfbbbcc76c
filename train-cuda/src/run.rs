//! A card as a run's device: which one, and how much of a batch it takes at a time.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use model::config::ModelConfig;
use train::config::Config;
use train::graph;
use train::program::Program;
use train::trainer::Trainer;

use crate::backend::CudaBackend;
use crate::driver::{Card, Device, cards};
use crate::error::{Error, Result};
use crate::plan::{CudaOptions, Sizes};
use crate::precision::Precision;

/// What a run's record calls it.
pub const NAME: &str = "cuda";

/// From when on the time that a driver took to compile is told.
const COMPILING_WORTH_A_WORD: Duration = Duration::from_secs(2);

/// Where to train, as a command line says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// On the first card that can, and where there is none on the processor.
    #[default]
    Auto,
    /// On the processor.
    Cpu,
    /// On the card of this number.
    Card(usize),
}

impl Choice {
    /// Where a network goes: one in float has no kernels on a card, and goes to one only if told.
    pub fn for_network(self, float: bool) -> Choice {
        match self {
            Choice::Auto if float => Choice::Cpu,
            choice => choice,
        }
    }
}

/// The card that is taken by itself: the first that can train, as far as can be seen without opening it.
pub fn taken_by_itself(cards: &[Card]) -> Option<&Card> {
    cards.iter().find(|card| card.check().is_ok())
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Choice, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Choice::Auto),
            None if text == "cpu" => Ok(Choice::Cpu),
            None if text == NAME => Ok(Choice::Card(0)),
            Some((NAME, number)) => match number.parse() {
                Ok(number) => Ok(Choice::Card(number)),
                Err(_) => Err(format!("{number:?} is no card's number; tercet devices lists them")),
            },
            _ => Err("expected auto, cpu, cuda or cuda:N".to_owned()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Auto => f.write_str("auto"),
            Choice::Cpu => f.write_str("cpu"),
            Choice::Card(0) => f.write_str(NAME),
            Choice::Card(number) => write!(f, "{NAME}:{number}"),
        }
    }
}

/// The cards that `auto` tries, in order: all of them, as far as can be seen without opening them. Nothing where there is no driver or no card.
///
/// # Errors
/// There are cards, and none can train; what is wrong with the first.
pub fn candidates() -> Result<Vec<Card>> {
    let all = match cards() {
        Ok(all) => all,
        Err(Error::NoDriver | Error::NoCard { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let first = all.first().map(Card::check);
    let can: Vec<Card> = all.into_iter().filter(|card| card.check().is_ok()).collect();
    match first {
        Some(Err(why)) if can.is_empty() => Err(why),
        _ => Ok(can),
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

/// As much of a batch at a time as fits in so many bytes.
///
/// # Errors
/// A shape that the kernels do not know, or a single sequence that does not fit.
pub fn fit(program: &Program, card: &Card, free: u64) -> Result<Fit> {
    let recipe = &program.recipe;
    let mut sequences = recipe.sequences;
    loop {
        let options = CudaOptions {
            card: card.index,
            precision: Precision::Bf16,
            pass_tokens: sequences * recipe.tokens,
            graph: true,
        };
        let sizes = CudaBackend::sizes(program, &options)?;
        match card.check_room(sizes.total(), free) {
            Ok(()) => return Ok(Fit { options, sequences, sizes }),
            Err(error) if sequences == 1 => return Err(error),
            Err(_) => sequences = sequences.div_ceil(2),
        }
    }
}

/// A fresh trainer on a card; `tell` hears what it will take before any of it is taken.
///
/// # Errors
/// What opening the card says, or that it is too small.
pub fn trainer(
    config: &Config,
    model: &ModelConfig,
    card: usize,
    tell: &dyn Fn(&str),
) -> train::Result<Trainer> {
    let program = graph::build(model, config.recipe());
    let make = || -> Result<CudaBackend> {
        let device = Device::open(card)?;
        let fit = fit(&program, device.card(), device.free()?)?;
        let whole = fit.sequences == program.recipe.sequences;
        let at_a_time =
            if whole { String::new() } else { format!(", {} sequences at a time", fit.sequences) };
        tell(&format!("training on {}{at_a_time}; {}", device.card(), fit.sizes));
        let backend = CudaBackend::on(device, program.clone(), fit.options)?;
        let began = Instant::now();
        backend.compile()?;
        if began.elapsed() > COMPILING_WORTH_A_WORD {
            tell(&format!(
                "its driver compiled the kernels in {:.0} s, and keeps them",
                began.elapsed().as_secs_f64()
            ));
        }
        Ok(backend)
    };
    let backend = make().map_err(|e| train::Error::NoDevice { problem: e.to_string() })?;
    Ok(Trainer::new(program, Box::new(backend)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        for choice in [Choice::Auto, Choice::Cpu, Choice::Card(0), Choice::Card(3)] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for text in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:99999999999999999999"] {
            assert!(text.parse::<Choice>().is_err(), "{text}");
        }
    }
}
