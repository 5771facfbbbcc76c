//! How text is cut into pieces before merging: the known pre-tokenizers by their GGUF names.
//! Merging inside a piece is `merge`'s business.

use regex::Regex;
use std::sync::LazyLock;

/// A pre-tokenizer. Merges never cross the boundary between two of its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// GPT-2: words with a leading space, digit runs, punctuation runs.
    Gpt2,
    /// Llama 3: at most three digits a piece, line ends stick to punctuation; a whole piece that
    /// is a token is taken without merging.
    Llama3,
    /// Qwen 2 and 3: as Llama 3, with single digits and ordinary merging.
    Qwen2,
}

// Each published pattern ends in `\s+(?!\S)|\s+`: a run of spaces leaves its last one to the next
// word. Here it ends in `\s+` alone and `Pieces` gives the last space back, because a
// pattern without look-ahead runs on an automaton, in linear time on any text.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";

/// What the published patterns have and ours leaves to `Pieces`.
const LOOK_AHEAD: &str = r"\s+(?!\S)|";

impl Split {
    /// Every way that files name and that can be read.
    pub const ALL: [Split; 3] = [Split::Gpt2, Split::Llama3, Split::Qwen2];

    /// The value of `tokenizer.ggml.pre` we write.
    pub fn name(self) -> &'static str {
        match self {
            Split::Gpt2 => "gpt-2",
            Split::Llama3 => "llama-bpe",
            Split::Qwen2 => "qwen2",
        }
    }

    /// From a value of `tokenizer.ggml.pre`, including the other names in use for the same pattern.
    pub fn from_name(name: &str) -> Option<Split> {
        Some(match name {
            "gpt-2" | "phi-2" => Split::Gpt2,
            "llama-bpe" | "llama3" | "llama-v3" => Split::Llama3,
            "qwen2" | "deepseek-r1-qwen" => Split::Qwen2,
            _ => return None,
        })
    }

    /// From the regular expression of a `tokenizer.json`, if it is one of the published ones.
    pub(super) fn from_pattern(pattern: &str) -> Option<Split> {
        let ours = pattern.replacen(LOOK_AHEAD, "", 1);
        Split::ALL.into_iter().find(|s| s.pattern() == ours && ours != pattern)
    }

    /// Whether a piece that is a token as it stands skips merging.
    pub fn takes_whole_pieces(self) -> bool {
        self == Split::Llama3
    }

    /// Whether files with this pre-tokenizer start sequences with `bos` unless they say otherwise.
    pub(super) fn adds_bos(self) -> bool {
        self == Split::Llama3
    }

    fn pattern(self) -> &'static str {
        match self {
            Split::Gpt2 => GPT2,
            Split::Llama3 => LLAMA3,
            Split::Qwen2 => QWEN2,
        }
    }

    fn regex(self) -> &'static Regex {
        // Constants of this file, compiled by its tests.
        fn compiled(pattern: &str) -> Regex {
            Regex::new(pattern).expect("a constant pattern")
        }
        static REGEX: [LazyLock<Regex>; 3] = [
            LazyLock::new(|| compiled(GPT2)),
            LazyLock::new(|| compiled(LLAMA3)),
            LazyLock::new(|| compiled(QWEN2)),
        ];
        &REGEX[self as usize]
    }

    /// Cuts `text`; the pieces laid end to end are `text` again.
    pub fn pieces(self, text: &str) -> Pieces<'_> {
        Pieces { split: self, regex: self.regex(), text, at: 0 }
    }
}

/// Iterator over the pieces of a text.
pub struct Pieces<'t> {
    split: Split,
    regex: &'static Regex,
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?;
        // Every character starts some alternative, so the match starts here; should that
        // ever fail, one character is a piece too.
        let mut len = match self.regex.find(rest) {
            Some(m) if m.start() == 0 && m.end() > 0 => m.end(),
            _ => first.len_utf8(),
        };
        if len < rest.len() && first.is_whitespace() {
            // Came through `\s+` and more text follows: the last space belongs to what follows.
            let last = rest[..len].chars().next_back().unwrap_or(first);
            let by_line_end = self.split != Split::Gpt2 && matches!(last, '\r' | '\n');
            if last.is_whitespace() && !by_line_end && len > last.len_utf8() {
                len -= last.len_utf8();
            }
        }
        self.at += len;
        Some(&rest[..len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(split: Split, text: &str) -> Vec<&str> {
        split.pieces(text).collect()
    }

    #[test]
    fn split_gpt2_leaves_the_last_space_to_the_word() {
        assert_eq!(cut(Split::Gpt2, "I'll  go\n\nnow "), ["I", "'ll", " ", " go", "\n", "\n", "now", " "]);
        assert_eq!(cut(Split::Gpt2, "a1 22!?  "), ["a", "1", " 22", "!?", "  "]);
        assert_eq!(cut(Split::Gpt2, "   x"), ["  ", " x"]);
    }

    #[test]
    fn split_llama3_and_qwen2_differ_in_digits_only() {
        assert_eq!(cut(Split::Llama3, "x 12345\n\n  y'S"), ["x", " ", "123", "45", "\n\n", " ", " y", "'S"]);
        assert_eq!(cut(Split::Qwen2, "x 123.\n z"), ["x", " ", "1", "2", "3", ".\n", " z"]);
    }

    #[test]
    fn split_cuts_where_the_published_patterns_do() {
        // With look-ahead and backtracking, as their authors wrote them.
        let bits = [
            " ", "  ", "\n", "\r", "\r\n", "\t", "\u{a0}", "\u{3000}", "\u{2028}", "\u{85}", "\u{1c}",
            "\u{b}", "a", "ing", "Ü", "'s", "'S", "'ſ", "'Ll", "'", "ß", "Ж", "中", "\u{301}", "😀",
            "\u{200d}", "1", "23", "4567", "٣", "Ⅷ", "²", ".", "!?", "_", "\0",
        ];
        let mut x = 11u64;
        for split in Split::ALL {
            let published = split.pattern().strip_suffix(r"\s+").unwrap().to_string() + r"\s+(?!\S)|\s+";
            let published = fancy_regex::Regex::new(&published).unwrap();
            for _ in 0..3000 {
                let text: String = (0..10)
                    .map(|_| {
                        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        bits[(x >> 33) as usize % bits.len()]
                    })
                    .collect();
                let theirs: Vec<&str> = published.find_iter(&text).map(|m| m.unwrap().as_str()).collect();
                assert_eq!(cut(split, &text), theirs, "{split:?} of {text:?}");
            }
        }
    }

    #[test]
    fn split_names_round_trip() {
        for s in Split::ALL {
            assert_eq!(Split::from_name(s.name()), Some(s));
            let published = s.pattern().strip_suffix(r"\s+").unwrap().to_string() + r"\s+(?!\S)|\s+";
            assert_eq!(Split::from_pattern(&published), Some(s));
            // Without the look-ahead it is another pattern.
            assert_eq!(Split::from_pattern(s.pattern()), None);
        }
        assert_eq!(Split::from_name("tekken"), None);
    }
}
