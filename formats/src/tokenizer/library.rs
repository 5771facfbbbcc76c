//! The `tokenizers` library's BPE and the guard around it. It trusts what it is given, and panics on files that were made for that; so what
//! it gets was checked before, and what it does all the same is told in a sentence.

use super::parts::Scheme;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokenizers::Model;
use tokenizers::models::bpe::{BPE, Merges, Vocab};

/// A vocabulary that merges.
pub struct Library(BPE);

impl Library {
    /// Builds it of tokens that are text and of pairs of them, first ones first. No pair is there twice.
    ///
    /// # Errors
    /// The library's own words.
    pub fn new(vocab: Vocab, merges: Merges, scheme: &Scheme) -> Result<Library, String> {
        // Its cache outlives the vocabulary, a thread at a time; `Encoder` has its own.
        let builder = BPE::builder().vocab_and_merges(vocab, merges).cache_capacity(0);
        let builder = match scheme {
            Scheme::ByteLevel { split, .. } => builder.ignore_merges(split.takes_whole_pieces()),
            Scheme::SentencePiece { .. } => builder.byte_fallback(true),
        };
        guarded(|| builder.build()).map(Library)
    }

    /// The ids of a piece as tokens are spelt.
    ///
    /// # Errors
    /// The library's own words.
    pub fn ids(&self, piece: &str) -> Result<Vec<u32>, String> {
        let tokens = guarded(|| self.0.tokenize(piece))?;
        Ok(tokens.into_iter().map(|token| token.id).collect())
    }
}

/// What the library answers, or why it does not.
fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    // Nothing that a panic leaves half done is looked at again.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(answer) => {
            answer.map_err(|e| format!("the tokenizer library refuses it: {}", crate::shown(&e.to_string())))
        }
        Err(panic) => Err(format!("the tokenizer library fails on it: {}", crate::shown(words(&*panic)))),
    }
}

/// What a panic says.
fn words(panic: &dyn Any) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it does not say why")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Split;

    fn built(texts: &[&str], merges: &[(&str, &str)]) -> Result<Library, String> {
        let vocab = (0..).zip(texts).map(|(id, text)| (text.to_string(), id)).collect();
        let merges = merges.iter().map(|&(left, right)| (left.into(), right.into())).collect();
        Library::new(vocab, merges, &Scheme::ByteLevel { split: Split::Gpt2, merges: vec![] })
    }

    #[test]
    fn library_merges() {
        let library = built(&["a", "b", "ab"], &[("a", "b")]).unwrap();
        assert_eq!(library.ids("abba"), Ok(vec![2, 1, 0]));
        assert_eq!(library.ids(""), Ok(vec![]));
    }

    #[test]
    fn library_panics_become_a_sentence() {
        // A merge longer than any token: published in 2023, and here still.
        let longer = built(&["a", "b"], &[("a", "b")]).err().unwrap();
        assert!(longer.starts_with("the tokenizer library fails on it: range end index 2"), "{longer}");
        let nowhere = built(&["a", "b", "abc"], &[("a", "x")]).err().unwrap();
        assert!(
            nowhere.starts_with("the tokenizer library refuses it: ") && nowhere.contains("`x`"),
            "{nowhere}"
        );
        assert!(guarded::<()>(|| panic!("no")).unwrap_err().ends_with("on it: no"));
        assert!(guarded::<()>(|| std::panic::panic_any(7)).unwrap_err().ends_with("it does not say why"));
    }
}
