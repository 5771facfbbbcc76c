//! How text is cut into pieces before merging: the known pre-tokenizers by their GGUF names. Merging inside a piece is the library's.
//!
//! The library would cut too, with an engine that goes back and forth and gives up on long texts without a word. Here all patterns run on
//! automata, in linear time on any text.

use regex::Regex;
use std::sync::OnceLock;

/// A pre-tokenizer. Merges never cross the boundary between two of its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// GPT-2: words with a leading space, digit runs, punctuation runs.
    Gpt2,
    /// OLMo and GPT-NeoX: as GPT-2, of text in its normal form C.
    Olmo,
    /// Llama 3 and Falcon 3: at most three digits a piece, line ends stick to punctuation; a whole piece that is a token is taken
    /// without merging.
    Llama3,
    /// Qwen 2 and 3: as Llama 3, with single digits and ordinary merging, of text in its normal form C.
    Qwen2,
    /// What DeepSeek made of Qwen: as Qwen, of text as it stands.
    DeepseekQwen,
    /// SmolLM: single digits, and between them as GPT-2.
    Smollm,
    /// What llama.cpp takes where it knows nothing better: punctuation by itself, digits by three, and between them as GPT-2.
    Default,
}

/// A way to cut that all pieces of another one go through.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Gpt2,
    Llama3,
    Qwen2,
    Digit,
    Digits,
    ThreeDigits,
    Punctuation,
}

/// What a match of a stage's pattern is.
#[derive(Clone, Copy, PartialEq)]
enum Cut {
    /// A piece. All of the text is in some match.
    Words,
    /// The same, and spaces that end in a line end are left whole.
    Lines,
    /// A piece, and what is between two matches is one too.
    Between,
}

// Each published pattern ends in `\s+(?!\S)|\s+`: a run of spaces leaves its last one to the next
// word. Here it ends in `\s+` alone and `Stage::first` gives the last space back, because a
// pattern without look-ahead runs on an automaton.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";

/// What the published patterns have and ours leaves to [`Stage::first`].
const LOOK_AHEAD: &str = r"\s+(?!\S)|";

impl Stage {
    fn pattern(self) -> &'static str {
        match self {
            Stage::Gpt2 => GPT2,
            Stage::Llama3 => LLAMA3,
            Stage::Qwen2 => QWEN2,
            Stage::Digit => r"\p{N}",
            Stage::Digits => r"\p{N}+",
            Stage::ThreeDigits => "[0-9][0-9][0-9]",
            Stage::Punctuation => r"[\p{P}\$\+<=>\^~\|]+",
        }
    }

    fn cut(self) -> Cut {
        match self {
            Stage::Gpt2 => Cut::Words,
            Stage::Llama3 | Stage::Qwen2 => Cut::Lines,
            _ => Cut::Between,
        }
    }

    fn regex(self) -> &'static Regex {
        static REGEX: [OnceLock<Regex>; 7] = [const { OnceLock::new() }; 7];
        // Constants of this file, compiled by its tests.
        REGEX[self as usize].get_or_init(|| Regex::new(self.pattern()).expect("a constant pattern"))
    }

    /// The length of the first piece of a text that is not empty.
    fn first(self, text: &str) -> usize {
        let found = self.regex().find(text);
        let cut = self.cut();
        if cut == Cut::Between {
            return match found {
                Some(m) if m.start() > 0 => m.start(),
                Some(m) => m.end(),
                None => text.len(),
            };
        }
        // Every character starts some alternative, so the match starts here; should that
        // ever fail, one character is a piece too.
        let first = text.chars().next().unwrap_or_default();
        let mut len = match found {
            Some(m) if m.start() == 0 && m.end() > 0 => m.end(),
            _ => first.len_utf8(),
        };
        if len < text.len() && first.is_whitespace() {
            // Came through `\s+` and more text follows: the last space belongs to what follows.
            let last = text[..len].chars().next_back().unwrap_or(first);
            let by_line_end = cut == Cut::Lines && matches!(last, '\r' | '\n');
            if last.is_whitespace() && !by_line_end && len > last.len_utf8() {
                len -= last.len_utf8();
            }
        }
        len
    }
}

impl Split {
    /// Every way that files name and that can be read.
    pub const ALL: [Split; 7] = [
        Split::Gpt2,
        Split::Olmo,
        Split::Llama3,
        Split::Qwen2,
        Split::DeepseekQwen,
        Split::Smollm,
        Split::Default,
    ];

    /// The value of `tokenizer.ggml.pre` we write.
    pub fn name(self) -> &'static str {
        match self {
            Split::Gpt2 => "gpt-2",
            Split::Olmo => "olmo",
            Split::Llama3 => "llama-bpe",
            Split::Qwen2 => "qwen2",
            Split::DeepseekQwen => "deepseek-r1-qwen",
            Split::Smollm => "smollm",
            Split::Default => "default",
        }
    }

    /// From a value of `tokenizer.ggml.pre`, including the other names in use for the same pattern.
    pub fn from_name(name: &str) -> Option<Split> {
        Some(match name {
            "gpt-2" | "phi-2" => Split::Gpt2,
            "olmo" | "mpt" => Split::Olmo,
            "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "falcon-h1" | "falcon_e" => Split::Llama3,
            "qwen2" => Split::Qwen2,
            "deepseek-r1-qwen" => Split::DeepseekQwen,
            "smollm" | "starcoder" => Split::Smollm,
            "default" => Split::Default,
            _ => return None,
        })
    }

    /// From the regular expression of a `tokenizer.json` that leaves text as it stands, if it is one of the published ones.
    pub(super) fn from_pattern(pattern: &str) -> Option<Split> {
        let ours = pattern.replacen(LOOK_AHEAD, "", 1);
        let known = [(GPT2, Split::Gpt2), (LLAMA3, Split::Llama3), (QWEN2, Split::DeepseekQwen)];
        known.into_iter().find(|(known, _)| *known == ours && ours != pattern).map(|(_, split)| split)
    }

    /// The same pieces of text in its normal form C, if files have a name for that.
    pub(super) fn of_normal_text(self) -> Option<Split> {
        match self {
            Split::Gpt2 | Split::Olmo => Some(Split::Olmo),
            Split::DeepseekQwen | Split::Qwen2 => Some(Split::Qwen2),
            _ => None,
        }
    }

    /// Whether text is brought into its normal form C before it is cut.
    pub fn normalises(self) -> bool {
        matches!(self, Split::Olmo | Split::Qwen2)
    }

    /// Whether a piece that is a token as it stands skips merging.
    pub fn takes_whole_pieces(self) -> bool {
        self == Split::Llama3
    }

    /// Whether files with this pre-tokenizer start sequences with `bos` unless they say otherwise.
    pub(super) fn adds_bos(self) -> bool {
        self == Split::Llama3
    }

    fn stages(self) -> &'static [Stage] {
        match self {
            Split::Gpt2 | Split::Olmo => &[Stage::Gpt2],
            Split::Llama3 => &[Stage::Llama3],
            Split::Qwen2 | Split::DeepseekQwen => &[Stage::Qwen2],
            Split::Smollm => &[Stage::Digit, Stage::Gpt2],
            Split::Default => &[Stage::Punctuation, Stage::Gpt2, Stage::Digits, Stage::ThreeDigits],
        }
    }

    /// Cuts `text`; the pieces laid end to end are `text` again.
    pub fn pieces(self, text: &str) -> Pieces<'_> {
        let stages = self.stages();
        let mut rests = Vec::with_capacity(stages.len());
        rests.push(text);
        Pieces { stages, rests }
    }
}

/// Iterator over the pieces of a text.
pub struct Pieces<'t> {
    stages: &'static [Stage],
    /// What each stage has still to cut, as far as they have begun.
    rests: Vec<&'t str>,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        loop {
            let stage = self.rests.len().checked_sub(1)?;
            let rest = &mut self.rests[stage];
            if rest.is_empty() {
                self.rests.pop();
                continue;
            }
            let (piece, after) = rest.split_at(self.stages[stage].first(rest));
            *rest = after;
            if stage + 1 == self.stages.len() {
                return Some(piece);
            }
            self.rests.push(piece);
        }
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
    fn split_goes_through_one_pattern_after_the_other() {
        assert_eq!(cut(Split::Smollm, "x  12 y"), ["x", "  ", "1", "2", " y"]);
        assert_eq!(cut(Split::Default, "a <b> 12345!"), ["a", " ", "<", "b", ">", " ", "123", "45", "!"]);
        assert_eq!(cut(Split::Default, ""), Vec::<&str>::new());
    }

    /// The patterns of a pre-tokenizer as their authors wrote them, with look-ahead and backtracking.
    fn published(split: Split) -> Vec<fancy_regex::Regex> {
        let with_look_ahead = |stage: Stage| {
            let pattern = stage.pattern();
            let words = pattern.strip_suffix(r"\s+").filter(|_| stage.cut() != Cut::Between);
            words.map_or(pattern.to_owned(), |words| format!(r"{words}\s+(?!\S)|\s+"))
        };
        split
            .stages()
            .iter()
            .map(|&stage| fancy_regex::Regex::new(&with_look_ahead(stage)).unwrap())
            .collect()
    }

    /// A text cut at every beginning and end of a match.
    fn cut_at_matches<'t>(pattern: &fancy_regex::Regex, text: &'t str) -> Vec<&'t str> {
        let mut pieces = Vec::new();
        let mut from = 0;
        for found in pattern.find_iter(text) {
            let found = found.unwrap();
            pieces.extend([&text[from..found.start()], found.as_str()]);
            from = found.end();
        }
        pieces.push(&text[from..]);
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    #[test]
    fn split_cuts_where_the_published_patterns_do() {
        let bits = [
            " ", "  ", "\n", "\r", "\r\n", "\t", "\u{a0}", "\u{3000}", "\u{2028}", "\u{85}", "\u{1c}",
            "\u{b}", "a", "ing", "Ü", "'s", "'S", "'ſ", "'Ll", "'", "ß", "Ж", "中", "\u{301}", "😀",
            "\u{200d}", "1", "23", "4567", "٣", "Ⅷ", "²", ".", "!?", "_", "$", "<|", "\0",
        ];
        let mut x = 11u64;
        for split in Split::ALL {
            let published = published(split);
            for _ in 0..3000 {
                let text: String = (0..10)
                    .map(|_| {
                        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        bits[(x >> 33) as usize % bits.len()]
                    })
                    .collect();
                let theirs = published.iter().fold(vec![&*text], |pieces, pattern| {
                    pieces.into_iter().flat_map(|piece| cut_at_matches(pattern, piece)).collect()
                });
                assert_eq!(cut(split, &text), theirs, "{split:?} of {text:?}");
            }
        }
    }

    #[test]
    fn split_names_round_trip() {
        for s in Split::ALL {
            assert_eq!(Split::from_name(s.name()), Some(s));
            assert_eq!(s.normalises(), s.of_normal_text() == Some(s), "{s:?}");
        }
        for (pattern, split) in [(GPT2, Split::Gpt2), (LLAMA3, Split::Llama3), (QWEN2, Split::DeepseekQwen)] {
            let published = pattern.strip_suffix(r"\s+").unwrap().to_string() + r"\s+(?!\S)|\s+";
            assert_eq!(Split::from_pattern(&published), Some(split));
            // Without the look-ahead it is another pattern.
            assert_eq!(Split::from_pattern(pattern), None);
        }
        assert_eq!(Split::from_name("tekken"), None);
    }
}
