//! What a card will take of a configuration, or why it cannot train it; told from the plan of the step, on a thread of its own.

use train::config::Config;
use train::graph;
use train::needs::Vocab;
use train_cuda::driver::Card;
use train_cuda::run::fit;
use train_cuda::{CudaOptions, Error, Share};

use super::cards::why;
use crate::jobs::{self, Job};
use crate::shared::Shared;

/// What a card will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    /// Bytes of its memory.
    pub memory: u64,
    /// Sequences at a time.
    pub sequences: usize,
    /// Of so many of a step, or of a card's share of it.
    pub of: usize,
    /// Activations are computed twice.
    pub twice: bool,
}

/// `None` inside if it cannot be told before the run.
pub type Fit = Result<Option<Takes>, String>;

/// See the top of this file.
#[derive(Debug, Default)]
pub struct Fitting {
    asked: Option<(Config, Card, usize)>,
    working: Option<Job<Fit>>,
    fit: Option<Fit>,
}

impl Fitting {
    /// Has it told for a valid configuration and so many cards, if they are other ones.
    pub fn logic(&mut self, wanted: Option<(&Config, &Card, usize)>, shared: &Shared) {
        if let Some(fit) = jobs::take(&mut self.working) {
            self.fit = Some(fit.unwrap_or(Ok(None)));
        }
        let Some((config, card, cards)) = wanted else {
            (self.asked, self.fit) = (None, None);
            return;
        };
        let is_asked =
            self.asked.as_ref().is_some_and(|(c, on, count)| (c, on, *count) == (config, card, cards));
        if self.working.is_none() && !is_asked {
            // What another card takes says nothing; what another configuration took is shown until the answer is there.
            if self.asked.as_ref().is_none_or(|(_, on, _)| on != card) {
                self.fit = None;
            }
            self.asked = Some((config.clone(), card.clone(), cards));
            let (config, card) = (config.clone(), card.clone());
            let work = move |_: &jobs::JobContext| takes(&config, &card, cards);
            self.working = shared.jobs.start_quietly("planning a step on a card", work);
        }
    }

    /// What was told last.
    pub fn fit(&self) -> Option<&Fit> {
        self.fit.as_ref()
    }
}

/// With all of a card's memory; of several cards the largest share.
fn takes(config: &Config, card: &Card, cards: usize) -> Fit {
    card.check().map_err(|e| why(&e))?;
    let vocab = config.vocab();
    let Ok(Vocab::Exactly(ids) | Vocab::AtMost(ids)) = vocab else { return Ok(None) };
    let program = graph::build(&config.model_config(ids), config.recipe());
    let share = Share { rank: cards - 1, cards };
    let fit = match fit(&program, card, card.memory, CudaOptions { share, ..CudaOptions::on(card.index) }) {
        Ok(fit) => fit,
        // The vocabulary may turn out smaller.
        Err(Error::Memory { .. }) if matches!(vocab, Ok(Vocab::AtMost(_))) => return Ok(None),
        Err(error) => return Err(why(&error)),
    };
    let (memory, twice) = (fit.sizes.total(), fit.options.recompute);
    Ok(Some(Takes { memory, sequences: fit.sequences, of: fit.of, twice }))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use train::preset::{self, PRESETS};

    use super::*;

    fn card(memory: u64) -> Card {
        Card { name: "Card".to_owned(), memory, ..Card::rtx_4090() }
    }

    #[test]
    fn a_card_takes_what_fits_or_says_why_not() {
        for (name, _) in PRESETS {
            let config = preset::named(name).unwrap();
            let start = Instant::now();
            let whole = takes(&config, &card(80 << 30), 1).unwrap();
            eprintln!("{name}: {whole:?} in {:?}", start.elapsed());
        }
        let config = preset::named("shakespeare").unwrap();
        let whole = takes(&config, &card(80 << 30), 1).unwrap().unwrap();
        assert_eq!((whole.sequences, whole.of), (config.train.batch, config.train.batch));
        let two = takes(&config, &card(80 << 30), 2).unwrap().unwrap();
        assert_eq!((two.sequences, two.of), (whole.of.div_ceil(2), whole.of.div_ceil(2)), "{two:?}");
        let many = takes(&config, &card(80 << 30), 100).unwrap_err();
        assert!(many.contains("100 cards cannot share a batch of"), "{many}");
        let part = takes(&config, &card(whole.memory - 1), 1).unwrap().unwrap();
        assert!(part.sequences < part.of && part.memory < whole.memory, "{part:?}");
        let small = takes(&config, &card(64 << 20), 1).unwrap_err();
        assert!(small.starts_with("Card is too small") && small.ends_with("it has 64 MiB"), "{small}");
        let mut odd = config.clone();
        (odd.model.heads, odd.model.kv_heads, odd.model.head_dim) = (8, 0, 0);
        let odd = takes(&odd, &card(80 << 30), 1).unwrap_err();
        assert!(odd.contains("head width") && odd.contains("48") && !odd.contains("--device"), "{odd}");
        let old = takes(&config, &Card { capability: (7, 5), ..card(80 << 30) }, 1).unwrap_err();
        assert!(old.contains("7.5") && !old.contains("--device"), "{old}");
    }
}
