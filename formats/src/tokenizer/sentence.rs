//! SentencePiece's BPE in the terms of the library: the merges that follow from the scores, and the words that no merge leaves.
//!
//! The order of merges is the one of Hugging Face's converter. llama.cpp merges what gives the highest score wherever it stands, the
//! leftmost first. The two differ where two pairs give the same token, whose order is made up here, and where a character has no
//! token but a text with it has one: llama.cpp finds that text, and a list of pairs cannot.

use super::index::Join;
use super::{TokenKind, Tokens};
use std::borrow::Cow;
use std::cmp::Reverse;
use tokenizers::models::bpe::Vocab;

/// What looking for all pairs may cost: the squares of the tokens' lengths in bytes, together. The largest published vocabularies have 30
/// million.
const WORK_MAX: usize = 1 << 30;

/// All pairs of tokens that are a token together, higher scores first. `vocab` has the tokens as they are spelt, `scores` is by id.
///
/// # Errors
/// The tokens are too long.
pub fn joins(tokens: &Tokens, scores: &[f32], vocab: &Vocab) -> Result<Vec<Join>, String> {
    let work: usize = normal(tokens).map(|bytes| bytes.len() * bytes.len()).sum();
    if work > WORK_MAX {
        return Err(format!(
            "the squares of its tokens' lengths are {work} together; at most {WORK_MAX} are allowed"
        ));
    }
    let part = |text: &str| vocab.get(text).copied().filter(|&id| tokens.kind(id) != TokenKind::Byte);
    let mut texts: Vec<(&String, u32)> = vocab.iter().map(|(text, &id)| (text, id)).collect();
    texts.retain(|&(_, id)| tokens.kind(id) == TokenKind::Normal);
    texts.sort_unstable_by_key(|&(_, id)| id);
    let mut found = Vec::new();
    for (text, made) in texts {
        let chars = text.chars().count();
        let mut pairs: Vec<(Join, [Reverse<usize>; 2])> = Vec::new();
        for (before, (at, _)) in text.char_indices().enumerate().skip(1) {
            if let (Some(left), Some(right)) = (part(&text[..at]), part(&text[at..])) {
                pairs.push((Join { left, right, made }, [Reverse(before), Reverse(chars - before)]));
            }
        }
        pairs.sort_by_key(|(join, _)| (join.left, join.right));
        found.append(&mut pairs);
    }
    let score = |join: &Join| scores[join.made as usize];
    found.sort_by(|(a, a_lengths), (b, b_lengths)| {
        score(b).total_cmp(&score(a)).then(a_lengths.cmp(b_lengths))
    });
    Ok(found.into_iter().map(|(join, _)| join).collect())
}

fn normal(tokens: &Tokens) -> impl Iterator<Item = &[u8]> {
    tokens.iter().filter(|(.., kind)| *kind == TokenKind::Normal).map(|(_, bytes, _)| bytes)
}

/// Whether a token goes on after a space that follows something else. Where none does, no merge leaves a word.
pub fn is_across_words(tokens: &Tokens) -> bool {
    normal(tokens).any(|bytes| bytes.iter().skip_while(|&&byte| byte == b' ').any(|&byte| byte == b' '))
}

/// A text as it is merged, with a space before it or without. What looks as a space is spelt is one.
pub fn with_spaces(text: &str, space_first: bool) -> Cow<'_, str> {
    if text.is_empty() || !space_first && !text.contains('\u{2581}') {
        return Cow::Borrowed(text);
    }
    let first = if space_first { " " } else { "" };
    Cow::Owned(format!("{first}{}", text.replace('\u{2581}', " ")))
}

/// A text in words, each with the spaces before it; those at the end are by themselves.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word = rest.find(|c| c != ' ').unwrap_or(rest.len());
        let end = rest[word..].find(' ').map_or(rest.len(), |at| word + at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(texts: &[(&str, TokenKind)]) -> (Tokens, Vocab) {
        let mut tokens = Tokens::new();
        for (text, kind) in texts {
            tokens.push(text.as_bytes(), *kind);
        }
        let vocab = (0..).zip(texts).map(|(id, (text, _))| (text.to_string(), id)).collect();
        (tokens, vocab)
    }

    #[test]
    fn sentence_joins_come_by_score_and_then_by_length() {
        use TokenKind::{Byte, Normal};
        let texts = ["a", "b", "c", "ab", "bc", "abc", "abcab"].map(|text| (text, Normal));
        let (tokens, vocab) = tokens(&[&texts[..], &[("d", Byte), ("ad", Normal)]].concat());
        let scores = [0.0, 0.0, 0.0, -1.0, -3.0, -2.0, -2.0, 9.0, 9.0];
        let pairs: Vec<(u32, u32, u32)> =
            joins(&tokens, &scores, &vocab).unwrap().iter().map(|j| (j.left, j.right, j.made)).collect();
        // "ad" of "a" and the byte "d" is none.
        assert_eq!(pairs, [(0, 1, 3), (5, 3, 6), (3, 2, 5), (0, 4, 5), (1, 2, 4)]);
    }

    #[test]
    fn sentence_tokens_have_bounds() {
        let long = "x".repeat(1 << 15);
        let (tokens, vocab) = tokens(&[(&long, TokenKind::Normal), ("y", TokenKind::Normal)]);
        assert!(joins(&tokens, &[0.0; 2], &vocab).unwrap_err().contains("1073741825 together"));
    }

    #[test]
    fn sentence_words_have_their_spaces_before_them() {
        let cut = |text: &'static str| words(text).collect::<Vec<_>>();
        assert_eq!(cut(" the  cat\nsat. "), [" the", "  cat\nsat.", " "]);
        assert_eq!((cut(""), cut("  "), cut("é")), (vec![], vec!["  "], vec!["é"]));
        let across =
            |text| is_across_words(&tokens(&[("a", TokenKind::Normal), (text, TokenKind::Normal)]).0);
        assert!(across("of the") && across(" a ") && !across("  the") && !across("   "));
        assert_eq!(with_spaces("a\u{2581}b", true), " a b");
        assert!(
            matches!(with_spaces("a b", false), Cow::Borrowed("a b")) && with_spaces("", true).is_empty()
        );
    }
}
