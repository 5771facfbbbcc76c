//! Tokens that are added to a vocabulary by hand: found in a text by their names, before the rest of it is merged.
//! Which of them are looked for is the tokenizer's to say.
//!
//! The automaton is the one that the library finds them with. The library itself is not asked, because it copies a text with sixteen
//! bytes for each of its own.

use daachorse::{DoubleArrayAhoCorasick, DoubleArrayAhoCorasickBuilder, MatchKind};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Bytes of the names of a vocabulary's added tokens together: ten times the most that is published.
const NAME_BYTES_MAX: usize = 1 << 20;

/// Bytes of one name, twice the longest that is published. Where a long name is begun again and again and never ends, a text costs its
/// length times this.
const NAME_LEN_MAX: usize = 256;

/// Finds names in a text. Of those that begin leftmost the longest counts; of equal ones the first.
#[derive(Clone)]
pub struct Finder {
    /// `None` where there is nothing to find. Shared: some have megabytes of names.
    names: Option<Arc<DoubleArrayAhoCorasick<u32>>>,
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
    /// What is wrong: a name that is too long, or all of them together.
    pub fn new<'n>(names: impl Iterator<Item = (u32, &'n [u8])>) -> Result<Finder, String> {
        let mut tokens = HashMap::new();
        let mut bytes = 0;
        for (id, name) in names.filter(|(_, name)| !name.is_empty() && std::str::from_utf8(name).is_ok()) {
            if name.len() > NAME_LEN_MAX {
                let len = name.len();
                return Err(format!(
                    "the name of its token {id} has {len} bytes; at most {NAME_LEN_MAX} are allowed"
                ));
            }
            bytes += name.len();
            tokens.entry(name).or_insert(id);
        }
        if bytes > NAME_BYTES_MAX {
            return Err(format!(
                "the names of its added tokens have {bytes} bytes; at most {NAME_BYTES_MAX} are allowed"
            ));
        }
        if tokens.is_empty() {
            return Ok(Finder { names: None });
        }
        let names = DoubleArrayAhoCorasickBuilder::new()
            .match_kind(MatchKind::LeftmostLongest)
            .build_with_values(tokens)
            .map_err(|e| format!("the names of its added tokens cannot be looked for: {e}"))?;
        Ok(Finder { names: Some(Arc::new(names)) })
    }

    /// A text in parts that together are the whole of it.
    pub fn parts<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Part<'t>> {
        let mut plain_from = 0;
        let found = self.names.iter().flat_map(move |names| names.leftmost_find_iter(text));
        let ends = found.map(|name| (name.start()..name.end(), Some(name.value())));
        let last = std::iter::once((text.len()..text.len(), None));
        ends.chain(last).flat_map(move |(range, id)| {
            // Both are text by themselves, so a name begins and ends between characters.
            let plain = Some(&text[plain_from..range.start]).filter(|plain| !plain.is_empty());
            plain_from = range.end;
            [plain.map(Part::Text), id.map(Part::Token)].into_iter().flatten()
        })
    }
}

impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Finder").field("any", &self.names.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Part::{Text, Token};
    use std::time::{Duration, Instant};

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

    /// The definition: at each place all names, longest and then first.
    fn plainly(names: &[&str], text: &str) -> Vec<u32> {
        let (mut out, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let here = names
                .iter()
                .enumerate()
                .filter(|(_, name)| text.as_bytes()[at..].starts_with(name.as_bytes()));
            match here.max_by_key(|(i, name)| (name.len(), std::cmp::Reverse(*i))) {
                Some((i, name)) => {
                    out.push(i as u32);
                    at += name.len();
                }
                None => at += 1,
            }
        }
        out
    }

    #[test]
    fn added_names_are_found_as_the_definition_finds_them() {
        let mut state = 5u64;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        let mut found = 0;
        for _ in 0..3000 {
            let letters = 2 + below(3);
            let mut word = |most: usize| -> String {
                let len = 1 + below(most);
                (0..len).map(|_| ["a", "b", "é", "c"][below(letters)]).collect()
            };
            let names: Vec<String> = (0..7).map(|_| word(5)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let text = word(60);
            let finder = finder(&names);
            let whole: String = parts(&finder, &text)
                .iter()
                .map(|part| match *part {
                    Text(text) => text,
                    Token(id) => names[id as usize],
                })
                .collect();
            let tokens: Vec<u32> = finder
                .parts(&text)
                .filter_map(|part| if let Token(id) = part { Some(id) } else { None })
                .collect();
            assert_eq!((whole, &tokens), (text.clone(), &plainly(&names, &text)), "{names:?} in {text:?}");
            found += tokens.len();
        }
        assert!(found > 3000);
    }

    /// Two names, a letter and 20,000 of them, took seconds for 100 kB.
    #[test]
    fn added_names_are_bounded() {
        let long = "a".repeat(NAME_LEN_MAX);
        assert!(
            Finder::new([(3, (long.clone() + "a").as_bytes())].into_iter())
                .unwrap_err()
                .contains("token 3 has 257 bytes")
        );
        let many: Vec<String> = (0..NAME_BYTES_MAX / NAME_LEN_MAX).map(|i| format!("{i:0256}")).collect();
        let mut names: Vec<&str> = many.iter().map(String::as_str).collect();
        let full = finder(&names);
        assert_eq!(parts(&full, &many[77]), [Token(77)]);
        names.push("y");
        let all = (0..).zip(names.iter().map(|name| name.as_bytes()));
        assert!(Finder::new(all).unwrap_err().contains("1048577 bytes"));

        let never = "a".repeat(NAME_LEN_MAX - 1) + "b";
        let begun = finder(&["a", &never]);
        let start = Instant::now();
        assert_eq!(begun.parts(&"a".repeat(100_000)).count(), 100_000);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
