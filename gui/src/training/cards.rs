//! The cards of this machine that a run could be trained on. The driver may take long to say which there are, so it is asked on a thread
//! of its own, when a form is opened for the first time, and again when a person wants it.

use train::run::CPU;
use train_cuda::choice::{Choice, name_of, taken_by_itself};
use train_cuda::driver::Card;
use train_cuda::{Error, Result as CudaResult};

use crate::jobs::{self, Job};
use crate::shared::Shared;

/// Where a run will be trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It hangs on which cards there are, and that is not known.
    Unknown,
    /// The processor.
    Processor,
    /// So many cards, and the first of them.
    Cards(Card, usize),
}

impl Place {
    /// What the record of a run calls it.
    pub fn name(&self) -> Option<String> {
        match self {
            Place::Unknown => None,
            Place::Processor => Some(CPU.name.into()),
            Place::Cards(_, count) => Some(name_of(*count)),
        }
    }
}

/// See the top of this file.
#[derive(Debug, Default)]
pub struct Cards {
    asking: Option<Job<CudaResult<Vec<Card>>>>,
    /// It was asked for once.
    asked: bool,
    /// What there is, or why there is nothing.
    listed: Option<Result<Vec<Card>, String>>,
}

impl Cards {
    /// Asks the driver.
    pub fn look(&mut self, shared: &mut Shared) {
        let cards = shared.env.cards;
        if let Some(job) = shared.jobs.start("Looking for NVIDIA cards", move |_| cards()) {
            // A driver that hangs is not waited for.
            job.info.may_be_left();
            (self.asking, self.asked) = (Some(job), true);
        }
    }

    /// Asks for the first time, and takes in the answer.
    pub fn logic(&mut self, wanted: bool, shared: &mut Shared) {
        if wanted && !self.asked {
            self.look(shared);
        }
        // Where it gave no answer, nobody knows more than before.
        if let Some(Ok(answer)) = jobs::take(&mut self.asking) {
            self.listed = Some(answer.map_err(|e| why(&e)));
        }
    }

    /// Whether the driver is being asked.
    pub fn is_looking(&self) -> bool {
        self.asking.is_some()
    }

    /// What there is, or why there is nothing; `None` as long as the driver has not answered.
    pub fn listed(&self) -> Option<Result<&[Card], &str>> {
        self.listed.as_ref().map(|listed| listed.as_deref().map_err(String::as_str))
    }

    /// What a choice comes to here: a card that is gone leaves it to the trainer.
    pub fn choice(&self, kept: &str) -> Choice {
        let choice = kept.parse().unwrap_or_default();
        let is_there = |index| match self.listed() {
            Some(Ok(cards)) => cards.iter().any(|card| card.index == index),
            Some(Err(_)) => false,
            None => true,
        };
        match choice {
            Choice::Cards(cards) if !cards.numbers().all(is_there) => Choice::Auto,
            choice => choice,
        }
    }

    /// Where the trainer goes that is told so; a network in float has no kernels on a card, and goes on one only if told.
    pub fn place(&self, choice: Choice, float: bool) -> Place {
        let choice = choice.for_network(float);
        let cards = match self.listed() {
            _ if choice == Choice::Cpu => return Place::Processor,
            None => return Place::Unknown,
            Some(cards) => cards.unwrap_or_default(),
        };
        let (card, count) = match choice {
            Choice::Cards(set) => {
                let first = set.numbers().next();
                (cards.iter().find(|card| Some(card.index) == first), set.count())
            }
            _ => (taken_by_itself(cards), 1),
        };
        card.map_or(Place::Processor, |card| Place::Cards(card.clone(), count))
    }
}

/// What is wrong, for a person who is not at a command line.
pub fn why(error: &Error) -> String {
    match error {
        Error::NoDriver => "no NVIDIA driver is installed here".to_owned(),
        Error::NoCard { problem } => format!("the NVIDIA driver finds no card ({problem})"),
        Error::OldCard { card, major, minor } => format!(
            "{card} cannot train: its compute capability is {major}.{minor}, and 8.0 is needed (RTX 30, A100 or newer)"
        ),
        Error::Memory { card, needed, free } => format!(
            "{card} is too small: a single sequence takes {needed} MiB with all that belongs to it, and it has {free} MiB"
        ),
        Error::Shape { what, found, expected } => {
            format!("No card can train this: {what} is {found}, and kernels take {expected}")
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(index: usize, capability: (i32, i32)) -> Card {
        Card { index, name: format!("Card {index}"), capability, ..Card::rtx_4090() }
    }

    fn listed(listed: Result<Vec<Card>, String>) -> Cards {
        Cards { listed: Some(listed), ..Cards::default() }
    }

    #[test]
    fn a_choice_goes_where_the_trainer_will() {
        let two = listed(Ok(vec![card(0, (7, 5)), card(1, (8, 9))]));
        assert_eq!(two.place(Choice::Auto, false), Place::Cards(card(1, (8, 9)), 1));
        assert_eq!(two.place(Choice::Auto, true), Place::Processor);
        assert_eq!(two.place(Choice::Cpu, false), Place::Processor);
        assert_eq!(two.place("cuda".parse().unwrap(), false), Place::Cards(card(0, (7, 5)), 1));
        assert_eq!(two.place("cuda:0,1".parse().unwrap(), false), Place::Cards(card(0, (7, 5)), 2));
        let old = listed(Ok(vec![card(0, (7, 5))]));
        assert_eq!(old.place(Choice::Auto, false), Place::Processor);
        let none = listed(Err("no".into()));
        assert_eq!(none.place(Choice::Auto, false), Place::Processor);
        let unknown = Cards::default();
        assert_eq!(unknown.place(Choice::Auto, false), Place::Unknown);
        assert_eq!(unknown.place(Choice::Cpu, false), Place::Processor);
    }

    #[test]
    fn a_card_that_is_gone_leaves_it_to_the_trainer() {
        let two = listed(Ok(vec![card(0, (8, 6)), card(1, (8, 9))]));
        assert_eq!(
            [two.choice("cuda:1"), two.choice("cuda:0,1")].map(|c| c.to_string()),
            ["cuda:1", "cuda:0,1"]
        );
        assert_eq!([two.choice("cuda:2"), two.choice("cuda:1,2")], [Choice::Auto; 2]);
        assert_eq!([two.choice(""), two.choice("abacus")], [Choice::Auto; 2]);
        let none = listed(Err("no".into()));
        assert_eq!([none.choice("cuda"), none.choice("cpu")], [Choice::Auto, Choice::Cpu]);
        assert_eq!(Cards::default().choice("cuda:2").to_string(), "cuda:2");
    }
}
