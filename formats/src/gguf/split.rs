//! Models that are split over several files, as llama.cpp's tool cuts them: `NAME-00001-of-00003.gguf` and so on, side by side. Each is a GGUF file of its own
//! that says which of how many it is; only the first has the model's metadata. Which file is which, and whether they belong together, is said here; reading them is
//! `file`'s business.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::Problem;
use super::metadata::Metadata;
use crate::Result;

/// How many parts the model has.
const COUNT: &str = "split.count";
/// Which of them a file is, from 0.
const NUMBER: &str = "split.no";
/// How many tensors they have together.
const TENSORS: &str = "split.tensors.count";

/// What only a part has to say, and not the whole.
pub(super) const KEYS: [&str; 3] = [COUNT, NUMBER, TENSORS];

/// The files of a split model, found by the name of one.
#[derive(Debug)]
pub(super) struct Split {
    /// Where they lie, and what all names begin with.
    beside: PathBuf,
    prefix: String,
    /// How many there are; five digits at most, as names have no room for more.
    count: u64,
}

impl Split {
    /// The model of which this file is a part, by its metadata and its name. `None` for a whole one, and for a part whose name does not say so: its
    /// others cannot be found.
    pub fn of(path: &Path, metadata: &Metadata) -> Result<Option<Split>> {
        let named = path.file_name().and_then(|name| parse_name(name.to_str()?));
        let (Some((prefix, number, count)), Some(2..)) = (named, metadata.u64(COUNT)?) else {
            return Ok(None);
        };
        let split = Split { beside: path.to_owned(), prefix: prefix.to_owned(), count };
        split.check(number, metadata)?;
        Ok(Some(split))
    }

    /// The parts' numbers, from 1.
    pub fn numbers(&self) -> RangeInclusive<u64> {
        1..=self.count
    }

    /// How many parts there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The file of a part.
    pub fn path(&self, number: u64) -> PathBuf {
        self.beside.with_file_name(format!("{}-{number:05}-of-{:05}.gguf", self.prefix, self.count))
    }

    /// Checks that the part of this number says that it is this one, of as many.
    pub fn check(&self, number: u64, metadata: &Metadata) -> Result<()> {
        let (count, found) = (metadata.u64(COUNT)?, metadata.u64(NUMBER)?);
        // A first part that does not say so is one all the same.
        let own = found.map_or(1, |from_0| from_0.saturating_add(1));
        if count == Some(self.count) && own == number {
            return Ok(());
        }
        let says = match count {
            Some(count) => format!("part {own} of {count}"),
            None => "a whole model".to_owned(),
        };
        Err(metadata.error(Problem::PartDiffers { number, count: self.count, says }))
    }

    /// Checks that as many tensors were found in all parts as the first says; it need not say it.
    pub fn check_tensors(found: u64, first: &Metadata) -> Result<()> {
        match first.u64(TENSORS)? {
            Some(expected) if expected != found => {
                Err(first.error(Problem::PartsTensors { found, expected }))
            }
            _ => Ok(()),
        }
    }
}

/// What stands before the number of a part's name, the number, and how many there are.
fn parse_name(name: &str) -> Option<(&str, u64, u64)> {
    let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (prefix, number) = rest.rsplit_once('-')?;
    let five = |digits: &str| {
        let number = digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit());
        number.then(|| digits.parse().ok()).flatten()
    };
    Some((prefix, five(number)?, five(count)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts_are_of_five_digits_each() {
        assert_eq!(parse_name("a-b-00002-of-00013.gguf"), Some(("a-b", 2, 13)));
        assert_eq!(parse_name("-99999-of-00000.gguf"), Some(("", 99_999, 0)));
        for other in [
            "a.gguf",
            "a-00002-of-00013",
            "a-2-of-13.gguf",
            "a-000002-of-00013.gguf",
            "a-+0002-of-00013.gguf",
            "a-00002-of-0001é.gguf",
            "00002-of-00013.gguf",
        ] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }
}
