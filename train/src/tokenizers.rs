//! Where a model's tokenizer comes from: GPT-2's, one trained on the text, plain bytes, or a file.
//! Encoding and storing are `formats::tokenizer`'s business.

use crate::bpe;
use crate::data::Text;
use crate::error::{Error, Result};
use crate::watch::{Watch, size};
use formats::ordinary;
use formats::tokenizer::{
    GPT2_ORDER, JSON_BYTES_MAX, Parts, Scheme, Special, Split, TokenKind, Tokenizer, Tokens, VOCAB_MAX,
};
use std::path::PathBuf;
use std::str::FromStr;

/// Pairs of ids that merge into 256, 257, ...; made from the published rank file when this is built.
static GPT2_MERGES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gpt2_merges.bin"));

/// Ids of GPT-2: 256 bytes, 50,000 merges, the end of a text.
pub const GPT2_VOCAB: usize = 50_257;
const _: () = assert!(GPT2_MERGES.len() == 4 * (GPT2_VOCAB - 257));

/// The end of a text, as GPT-2 names it.
pub const END: &str = "<|endoftext|>";

/// The smallest N of `bpe:N`: the bytes, and one more.
pub const BPE_MIN: usize = 257;

/// Which tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GPT-2's 50,257 ids.
    Gpt2,
    /// Byte-pair encoding with this many ids, trained on the training part.
    Bpe(usize),
    /// The 256 bytes, and the end of a text where there are documents.
    Bytes,
    /// A `tokenizer.json`.
    File(PathBuf),
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Kind> {
        let bad = || Error::ConfigValue {
            key: "tokenizer.kind".into(),
            found: format!("{text:?}"),
            expected: format!(
                "gpt2, bytes, bpe:N with N from {BPE_MIN} to {VOCAB_MAX}, or the path of a tokenizer.json"
            ),
        };
        match text {
            "" => Err(bad()),
            "gpt2" => Ok(Kind::Gpt2),
            "bytes" => Ok(Kind::Bytes),
            _ => match text.strip_prefix("bpe:") {
                Some(n) => match n.parse() {
                    Ok(n) if (BPE_MIN..=VOCAB_MAX).contains(&n) => Ok(Kind::Bpe(n)),
                    _ => Err(bad()),
                },
                None if text == "bpe" => Err(bad()),
                None => Ok(Kind::File(text.into())),
            },
        }
    }
}

impl Kind {
    /// Makes the tokenizer for a text. `bpe:N` learns from the training part's documents. Where a separator makes documents, `bytes`
    /// and `bpe:N` have a token for the end of one, the last of their ids.
    ///
    /// # Errors
    /// The text supports fewer than N ids; the file cannot be read, is of a kind that GGUF cannot say, or has no token for the end of
    /// documents; it was stopped.
    pub fn build(&self, text: &Text, watch: &mut Watch<'_>) -> Result<Tokenizer> {
        let documents = !text.separator.is_empty();
        let tokenizer = match self {
            Kind::Gpt2 => gpt2(),
            Kind::Bytes => bytes(),
            Kind::Bpe(vocab) => trained(text, *vocab, usize::from(documents), watch)?,
            Kind::File(path) => {
                let json = ordinary::read(path, JSON_BYTES_MAX as u64)?;
                let tokenizer = Tokenizer::from_json(&json, &path.display().to_string())?;
                if documents && tokenizer.eos().is_none() {
                    return Err(Error::NoEndToken);
                }
                tokenizer
            }
        };
        Ok(if documents { for_documents(&tokenizer) } else { tokenizer })
    }
}

/// GPT-2's byte-level BPE.
pub fn gpt2() -> Tokenizer {
    let (pairs, _) = GPT2_MERGES.as_chunks::<4>();
    let merges: Vec<(u32, u32)> = pairs
        .iter()
        .map(|&[a, b, c, d]| (u16::from_le_bytes([a, b]).into(), u16::from_le_bytes([c, d]).into()))
        .collect();
    let mut tokens = with_merges(&merges);
    let end = tokens.push(END.as_bytes(), TokenKind::Control);
    build(tokens, merges, Some(end))
}

/// One id a byte, numbered as the bytes are.
pub fn bytes() -> Tokenizer {
    let mut tokens = Tokens::new();
    for byte in 0..=255u8 {
        tokens.push(&[byte], TokenKind::Normal);
    }
    build(tokens, Vec::new(), None)
}

/// Byte-pair encoding learnt from a text that GPT-2's rules cut: `vocab` ids, of which 256 are bytes and `others` are still to come.
fn trained(text: &Text, vocab: usize, others: usize, watch: &mut Watch<'_>) -> Result<Tokenizer> {
    let fixed = 256 + others;
    let part = text.train();
    watch.begin(format!("learning {vocab} tokens from {} of text", size(part.len())));
    let merges = bpe::learn(text.documents(part), part.len(), Split::Gpt2, vocab - fixed, watch)?;
    let found = fixed + merges.len();
    if found < vocab {
        return Err(Error::VocabTooLarge { vocab, found });
    }
    Ok(build(with_merges(&merges), merges, None))
}

/// The same with a token that ends a document, added if there is none. It begins the next one too: no other token ever stands before
/// a text in training, so none should when the model writes.
fn for_documents(tokenizer: &Tokenizer) -> Tokenizer {
    let mut parts = tokenizer.parts().clone();
    let end = parts.special.eos.unwrap_or_else(|| parts.tokens.push(END.as_bytes(), TokenKind::Control));
    parts.special = Special { bos: Some(end), eos: Some(end), add_bos: false, ..parts.special };
    Tokenizer::new(parts, "the vocabulary of a text of documents").expect("one more name changes no merge")
}

/// The bytes in GPT-2's order, then what each merge makes.
fn with_merges(merges: &[(u32, u32)]) -> Tokens {
    let mut tokens = Tokens::new();
    for byte in GPT2_ORDER {
        tokens.push(&[byte], TokenKind::Normal);
    }
    for &(left, right) in merges {
        let joined = [tokens.bytes(left), tokens.bytes(right)].concat();
        tokens.push(&joined, TokenKind::Normal);
    }
    tokens
}

fn build(tokens: Tokens, merges: Vec<(u32, u32)>, end: Option<u32>) -> Tokenizer {
    let scheme = Scheme::ByteLevel { split: Split::Gpt2, merges };
    let special = Special { bos: end, eos: end, ..Special::default() };
    Tokenizer::new(Parts { tokens, scheme, special }, "the built-in vocabulary")
        .expect("bytes and merges of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpt2_gives_the_published_ids() {
        let t = gpt2();
        assert_eq!(t.vocab_size(), GPT2_VOCAB);
        // From the published encoder: openai/gpt-2, and the examples of Hugging Face's documentation.
        let cases: &[(&str, &[u32])] = &[
            ("Hello world", &[15496, 995]),
            (" Hello world", &[18435, 995]),
            ("Hello, my dog is cute", &[15496, 11, 616, 3290, 318, 13779]),
            ("<|endoftext|>", &[27, 91, 437, 1659, 5239, 91, 29]),
            ("\n\n", &[628]),
            ("", &[]),
        ];
        for (text, ids) in cases {
            assert_eq!(t.encode(text), *ids, "{text:?}");
            assert_eq!(t.decode(ids), *text);
        }
        assert_eq!(t.encode_with_special("Hello<|endoftext|> world"), [15496, 50256, 995]);
        assert_eq!((t.bos(), t.eos(), t.add_bos()), (Some(50256), Some(50256), false));
        assert_eq!(t.token_bytes(50255), b" gazed");
    }

    #[test]
    fn gpt2_agrees_with_the_engine_the_file_is_made_for() {
        let (ours, theirs) = (gpt2(), tiktoken_rs::r50k_base().unwrap());
        let mut texts: Vec<String> = vec!["x".repeat(3000), "the ".repeat(500), " \n".repeat(100)];
        // Runs of characters of every kind: spaces of all sorts, letters, marks, digits, signs, halves of words.
        let bits = [
            " ",
            "  ",
            "\n",
            "\r\n",
            "\t",
            "\u{a0}",
            "\u{3000}",
            "\u{2028}",
            "\u{85}",
            "\u{1c}",
            "a",
            "ing",
            " the",
            "Ünder",
            "'s",
            "'S",
            "'ll",
            "ß",
            "Ж",
            "中文",
            "e\u{301}",
            "😀",
            "👩\u{200d}🚀",
            "1",
            "23",
            "٣",
            "Ⅷ",
            "²",
            ".",
            "...",
            "!?",
            "_",
            "\0",
            "\u{fffd}",
        ];
        let mut random = model::rng::SplitMix64::new(&[5]);
        for _ in 0..2000 {
            texts.push((0..12).map(|_| bits[random.below(bits.len() as u64) as usize]).collect());
        }
        for text in &texts {
            assert_eq!(ours.encode(text), theirs.encode_ordinary(text), "{text:?}");
        }
    }

    #[test]
    fn bytes_are_their_own_numbers() {
        let t = bytes();
        assert_eq!(t.vocab_size(), 256);
        assert_eq!(t.encode("aé\n"), [97, 195, 169, 10]);
        assert_eq!(t.decode(&t.encode("ab 😀\0")), "ab 😀\0");
    }

    fn built(kind: &str, text: &str, separator: &str) -> Result<Tokenizer> {
        // A tenth of a text is no training part.
        let whole = format!("{text}{}", "x".repeat(text.len() / 9 + 1));
        let text = Text::new(whole, "a test".into(), separator).unwrap();
        kind.parse::<Kind>()?.build(&text, &mut Watch::nobody())
    }

    #[test]
    fn trained_has_exactly_the_ids_asked_for() {
        let text = "the cat sat on the mat, the rat sat on the cat\n".repeat(4);
        let t = built("bpe:270", &text, "").unwrap();
        assert_eq!((t.vocab_size(), t.eos()), (270, None));
        assert_eq!(t.decode(&t.encode(&text)), text);
        assert!(t.encode(&text).len() < text.len() / 2);
    }

    /// "Use bpe:256 or less" was the advice where nothing repeats, and bpe:256 is refused.
    #[test]
    fn trained_vocabulary_too_large_is_told_what_is_possible() {
        let cases = [
            ("the cat sat on the mat, the cat sat on the mat", "bpe:5000", "", true),
            ("abc", "bpe:270", "", false),
            ("", "bpe:257", "", false),
            ("abab", "bpe:270", "", true),
            ("ab|ac|ad|", "bpe:270", "|", true),
            ("the cat|the cat|", "bpe:300", "|", true),
        ];
        for (text, kind, separator, repeats) in cases {
            let error = built(kind, text, separator).unwrap_err().to_string();
            let advice = error.split_once("use tokenizer.kind = ").unwrap().1;
            let kinds: Vec<&str> = advice.split(" or ").collect();
            assert_eq!(kinds.len(), if repeats { 2 } else { 1 }, "{error}");
            for kind in kinds {
                built(kind, text, separator).unwrap_or_else(|e| panic!("{error}: {e}"));
            }
        }
    }

    #[test]
    fn documents_add_a_token_that_ends_them_and_the_separator_is_not_learnt() {
        let text = "<end>the cat<end>the rat<end>the cat<end>".repeat(9);
        for (kind, ids) in [("bytes", 257), ("bpe:257", 257), ("bpe:261", 261), ("gpt2", GPT2_VOCAB)] {
            let t = built(kind, &text, "<end>").unwrap();
            let end = t.eos().unwrap();
            assert_eq!((t.vocab_size(), t.bos(), t.ends()), (ids, Some(end), vec![end]), "{kind}");
            assert_eq!(
                (t.token_bytes(end), t.token_kind(end)),
                (END.as_bytes(), TokenKind::Control),
                "{kind}"
            );
            assert_eq!(t.decode(&t.encode(&text)), text);
        }
        let t = built("bpe:261", &text, "<end>").unwrap();
        let learnt: Vec<&[u8]> = (256..260).map(|id| t.token_bytes(id)).collect();
        assert!(
            learnt.iter().all(|token| b" the cat rat".windows(token.len()).any(|w| w == *token)),
            "{learnt:?}"
        );
        // "d<" and "dthe" would be, across the separator.
        assert!(learnt.iter().all(|token| !token.contains(&b'd') && !token.contains(&b'<')), "{learnt:?}");
    }

    /// A `tokenizer.json` of the bytes and these special tokens, the first of which its template puts before each text.
    fn json_of(special: &[&str]) -> String {
        let spelling = |i: usize, byte: u8| match i {
            ..188 => char::from(byte),
            _ => char::from_u32(0x100 + i as u32 - 188).unwrap(),
        };
        let vocab: serde_json::Map<_, _> = GPT2_ORDER
            .iter()
            .enumerate()
            .map(|(i, &byte)| (spelling(i, byte).to_string(), i.into()))
            .collect();
        let added: Vec<_> = (256..)
            .zip(special)
            .map(|(id, name)| serde_json::json!({"id": id, "content": name, "special": true}))
            .collect();
        let first = special.iter().take(1).map(|name| serde_json::json!({"SpecialToken": {"id": name}}));
        serde_json::json!({
            "model": {"type": "BPE", "vocab": vocab, "merges": []},
            "added_tokens": added,
            "pre_tokenizer": {"type": "ByteLevel", "use_regex": true},
            "post_processor": {"single": first.collect::<Vec<_>>()},
        })
        .to_string()
    }

    #[test]
    fn documents_take_the_token_of_a_file_for_their_end_and_their_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokenizer.json");
        let built_from = |special: &[&str], separator: &str| {
            std::fs::write(&file, json_of(special)).unwrap();
            built(file.to_str().unwrap(), "a|b", separator)
        };
        let plain = built_from(&["<s>", "</s>"], "").unwrap();
        assert_eq!((plain.bos(), plain.eos(), plain.add_bos()), (Some(256), Some(257), true));
        // Nothing ever stands before a text but the end of another.
        let documents = built_from(&["<s>", "</s>"], "|").unwrap();
        assert_eq!((documents.bos(), documents.eos(), documents.add_bos()), (Some(257), Some(257), false));
        assert_eq!(documents.vocab_size(), 258);
        let endless = built_from(&["<s>"], "|").unwrap_err().to_string();
        assert!(endless.contains("data.separator") && !endless.contains('\n'), "{endless}");
        built_from(&["<s>"], "").unwrap();
    }

    #[test]
    fn kind_is_read_from_its_name() {
        assert_eq!("gpt2".parse::<Kind>().unwrap(), Kind::Gpt2);
        assert_eq!("bpe:2048".parse::<Kind>().unwrap(), Kind::Bpe(2048));
        assert_eq!("bytes".parse::<Kind>().unwrap(), Kind::Bytes);
        assert_eq!("a/tokenizer.json".parse::<Kind>().unwrap(), Kind::File("a/tokenizer.json".into()));
        for bad in ["", "bpe", "bpe:", "bpe:256", "bpe:-1", "bpe:1e3", "bpe:99999999999"] {
            assert!(bad.parse::<Kind>().is_err(), "{bad}");
        }
    }
}
