//! Where to train: on the processor, on a card, or on several.

use std::fmt;
use std::str::FromStr;

use crate::driver::{Card, cards};
use crate::error::{Error, Result};

/// What a command line calls a card.
const NAME: &str = "cuda";

/// What a run's record calls so many cards.
pub fn name_of(cards: usize) -> String {
    if cards == 1 { NAME.into() } else { format!("{NAME} x {cards}") }
}

/// Cards of this machine, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CardSet(u64);

impl CardSet {
    /// Those of these numbers; `None` where one is beyond 63, there twice, or there are none.
    pub fn new(numbers: impl IntoIterator<Item = usize>) -> Option<CardSet> {
        let mut set = 0;
        for number in numbers {
            let bit = u32::try_from(number).ok().and_then(|number| 1u64.checked_shl(number))?;
            if set & bit != 0 {
                return None;
            }
            set |= bit;
        }
        (set != 0).then_some(CardSet(set))
    }

    /// Their numbers, in order.
    pub fn numbers(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |number| self.0 >> number & 1 == 1)
    }

    /// Its number, where it is one.
    pub fn only(self) -> Option<usize> {
        self.numbers().next().filter(|_| self.count() == 1)
    }

    /// How many.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

impl FromStr for CardSet {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<CardSet, String> {
        let numbers: Option<Vec<usize>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        numbers.and_then(CardSet::new).ok_or_else(|| {
            format!(
                "expected numbers of cards, each once, as in 0,1, not {text:?}; tercet devices lists them"
            )
        })
    }
}

impl fmt::Display for CardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, number) in self.numbers().enumerate() {
            write!(f, "{}{number}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// Where to train, as a command line says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// On the first card that can, and where there is none on the processor.
    #[default]
    Auto,
    /// On the processor.
    Cpu,
    /// On these cards.
    Cards(CardSet),
}

impl Choice {
    /// On the card of this number, if a card can have it.
    pub fn card(number: usize) -> Option<Choice> {
        CardSet::new([number]).map(Choice::Cards)
    }

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
            None if text == NAME => Ok(Choice::card(0).expect("a card can be the first")),
            Some((NAME, numbers)) => numbers.parse().map(Choice::Cards),
            _ => Err("expected auto, cpu, cuda, cuda:N or cuda:N,M".to_owned()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Auto => f.write_str("auto"),
            Choice::Cpu => f.write_str("cpu"),
            choice if *choice == Choice::card(0).expect("a card can be the first") => f.write_str(NAME),
            Choice::Cards(cards) => write!(f, "{NAME}:{cards}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        let cards = |numbers: &[usize]| Choice::Cards(CardSet::new(numbers.iter().copied()).unwrap());
        for choice in [Choice::Auto, Choice::Cpu, cards(&[0]), cards(&[3]), cards(&[0, 1]), cards(&[2, 63])] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert_eq!(
            [cards(&[0]), cards(&[3]), cards(&[5, 1])].map(|c| c.to_string()),
            ["cuda", "cuda:3", "cuda:1,5"]
        );
        for text in [
            "",
            "gpu",
            "cuda:",
            "cuda:x",
            "cuda:-1",
            "cuda:64",
            "cuda:0,0",
            "cuda:0,",
            "cuda:99999999999999999999",
        ] {
            assert!(text.parse::<Choice>().is_err(), "{text}");
        }
    }
}
