//! How a text grows token by token: which characters are whole, which of them are certain to stay, and what a stop string takes back.
//! These rules are here and nowhere else; whoever shows a text, keeps it or sends it off takes from them what it needs.

use formats::tokenizer::DecodeStream;

use crate::stops::Stops;

/// What one token, or the end, adds to a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Characters that are certain to belong to the text: what a stop string could still take back comes later. Joined, these are the text.
    pub certain: String,
    /// Characters that became whole, whether they stay or not: for those who show them at once, or keep which token wrote which.
    pub decoded: String,
    /// Bytes that a stop string takes off the end of everything `decoded` so far; what is left is the text.
    pub cut: usize,
}

/// A text on its way.
#[derive(Debug)]
pub(crate) struct GrowingText {
    characters: DecodeStream,
    stops: Stops,
}

impl GrowingText {
    /// An empty one, that ends before any of `stops`.
    pub fn new(stops: Stops) -> GrowingText {
        GrowingText { characters: DecodeStream::new(), stops }
    }

    /// Takes the bytes of a token, which may begin or end in the middle of a character. None may follow a stop string.
    pub fn push(&mut self, bytes: &[u8]) -> Growth {
        debug_assert!(self.stopped().is_none());
        let decoded = self.characters.push_bytes(bytes).unwrap_or_default();
        self.grow(decoded)
    }

    /// Nothing more comes: an unfinished character becomes U+FFFD, and what was held back is text, unless a stop string ended it.
    pub fn end(&mut self) -> Growth {
        if self.stopped().is_some() {
            return Growth::default();
        }
        let decoded = self.characters.flush().unwrap_or_default();
        let mut growth = self.grow(decoded);
        growth.certain.push_str(&self.stops.flush());
        growth
    }

    /// The stop string that ended it, once one has.
    pub fn stopped(&self) -> Option<&str> {
        self.stops.found()
    }

    fn grow(&mut self, decoded: String) -> Growth {
        Growth { certain: self.stops.push(&decoded), decoded, cut: self.stops.cut() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of these tokens and what ended it; what is certain and what is left of what was decoded must be the same text.
    fn grown(stops: &[&str], tokens: &[&[u8]]) -> (String, Option<String>) {
        let mut text = GrowingText::new(Stops::new(stops.iter().copied()));
        let (mut certain, mut decoded) = (String::new(), String::new());
        let mut take = |growth: Growth| {
            certain.push_str(&growth.certain);
            decoded.push_str(&growth.decoded);
            decoded.truncate(decoded.len() - growth.cut);
            assert!(decoded.starts_with(&certain), "{decoded:?} {certain:?}");
        };
        for token in tokens {
            take(text.push(token));
            if text.stopped().is_some() {
                break;
            }
        }
        take(text.end());
        assert_eq!(certain, decoded);
        (certain, text.stopped().map(str::to_owned))
    }

    #[test]
    fn growth_is_the_same_text_however_tokens_cut_it() {
        let cases: &[(&[&str], &str, &str, Option<&str>)] = &[
            (&[], "né 😀", "né 😀", None),
            (&["é!"], "né é! more", "né ", Some("é!")),
            (&["\n\nROMEO:"], "light\n\nROMEO: what", "light", Some("\n\nROMEO:")),
            (&["\n\nROMEO:"], "light\n\nROMAN", "light\n\nROMAN", None),
            (&["END"], "the END", "the ", Some("END")),
            (&["END"], "the EN", "the EN", None),
            (&["😀"], "a😀", "a", Some("😀")),
        ];
        for (stops, text, expected, found) in cases {
            for size in 1..=text.len() {
                let tokens: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                let expected = (expected.to_string(), found.map(str::to_owned));
                assert_eq!(grown(stops, &tokens), expected, "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn growth_ends_an_unfinished_character_and_no_stop_string_hides_in_one() {
        assert_eq!(grown(&[], &[b"a", b"\xf0\x9f"]), ("a\u{fffd}".into(), None));
        assert_eq!(grown(&["b"], &[b"a\xf0", b"b"]), ("a\u{fffd}".into(), Some("b".into())));
        // The first half of what a stop string begins with is no part of it.
        assert_eq!(grown(&["é!"], &[b"a\xc3"]), ("a\u{fffd}".into(), None));
        assert_eq!(grown(&["\u{fffd}"], &[b"a\xc3"]), ("a".into(), Some("\u{fffd}".into())));
    }

    #[test]
    fn growth_says_what_is_certain_and_what_a_stop_string_takes_back() {
        let mut text = GrowingText::new(Stops::new(["END"]));
        let growth = |certain: &str, decoded: &str, cut| Growth {
            certain: certain.into(),
            decoded: decoded.into(),
            cut,
        };
        assert_eq!(text.push(b"the E"), growth("the ", "the E", 0));
        assert_eq!(text.push(b"N\xc3"), growth("", "N", 0));
        assert_eq!(text.push(b"\xa9E"), growth("EN\u{e9}", "\u{e9}E", 0));
        assert_eq!(text.push(b"NDING\xc3"), growth("", "NDING", 6));
        assert_eq!(text.end(), growth("", "", 0));
    }
}
