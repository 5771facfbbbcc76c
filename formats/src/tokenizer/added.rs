//! Tokens that are added to a vocabulary by hand: found in a text by their names, before the rest of it is merged.
//! Which of them are looked for is the tokenizer's to say.

use super::names::Names;

/// The names of a vocabulary's added tokens together: ten times the most that is published, and an automaton of some 14 MB.
const NAME_BYTES_MAX: usize = 1 << 20;

/// Finds names in a text. Of those that begin leftmost the longest counts, as in Hugging Face's tokenizers; of equal ones the first.
#[derive(Clone, Debug)]
pub struct Finder {
    /// `None` where there is nothing to find.
    names: Option<Names>,
    /// The tokens by the position of their name, and how long that is.
    tokens: Vec<(u32, u32)>,
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t> {
    /// Text without a name in it; not empty.
    Text(&'t str),
    /// A name, as the token that it is.
    Token(u32),
}

impl Finder {
    /// A finder of tokens by their names. Names that are empty or no text are in no text.
    ///
    /// # Errors
    /// What is wrong: names that are too long together.
    pub fn new<'n>(names: impl Iterator<Item = (u32, &'n [u8])>) -> Result<Finder, String> {
        let (mut tokens, mut texts, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (id, name) in names {
            if !name.is_empty() && std::str::from_utf8(name).is_ok() {
                bytes += name.len();
                tokens.push((id, name.len() as u32));
                texts.push(name);
            }
        }
        if bytes > NAME_BYTES_MAX {
            return Err(format!(
                "the names of its added tokens have {bytes} bytes; at most {NAME_BYTES_MAX} are allowed"
            ));
        }
        let names = (!texts.is_empty()).then(|| Names::new(&texts));
        Ok(Finder { names, tokens })
    }

    /// A text in parts that together are the whole of it.
    pub fn parts<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Part<'t>> {
        let mut plain_from = 0;
        let len = |name: u32| self.tokens[name as usize].1 as usize;
        let found = self.names.iter().flat_map(move |names| names.find(text, len));
        let ends = found.map(move |(at, name)| (at..at + len(name), Some(self.tokens[name as usize].0)));
        let last = std::iter::once((text.len()..text.len(), None));
        ends.chain(last).flat_map(move |(range, id)| {
            // Both are text by themselves, so a name begins and ends between characters.
            let plain = Some(&text[plain_from..range.start]).filter(|plain| !plain.is_empty());
            plain_from = range.end;
            [plain.map(Part::Text), id.map(Part::Token)].into_iter().flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Part::{Text, Token};

    fn finder(names: &[&str]) -> Finder {
        Finder::new((0..).zip(names.iter().map(|name| name.as_bytes()))).unwrap()
    }

    fn parts<'t>(finder: &'t Finder, text: &'t str) -> Vec<Part<'t>> {
        finder.parts(text).collect()
    }

    #[test]
    fn added_names_are_found_leftmost_longest_and_first() {
        let f = finder(&["ab", "abc", "bcd", "", "é", "ab"]);
        assert_eq!(parts(&f, "xabcd"), [Text("x"), Token(1), Text("d")]);
        assert_eq!(parts(&f, "abab"), [Token(0), Token(0)]);
        assert_eq!(parts(&f, "bcdéé!"), [Token(2), Token(4), Token(4), Text("!")]);
        assert_eq!(parts(&f, "e\u{301}"), [Text("e\u{301}")]);
        assert_eq!((parts(&f, ""), parts(&finder(&[]), "ab")), (vec![], vec![Text("ab")]));
    }

    #[test]
    fn added_names_that_are_no_text_are_in_none() {
        // The second half of é would be found in the middle of a character.
        let f = Finder::new([(7, &b"\xa9"[..]), (8, b"a")].into_iter()).unwrap();
        assert_eq!(parts(&f, "éa"), [Text("é"), Token(8)]);
    }

    #[test]
    fn added_names_are_bounded() {
        let long = "x".repeat(NAME_BYTES_MAX);
        assert_eq!(parts(&finder(&[&long]), &long), [Token(0)]);
        let names = [(0, long.as_bytes()), (1, b"y")];
        assert!(Finder::new(names.into_iter()).unwrap_err().contains("1048577 bytes"));
    }
}
