//! Where a model's tokenizer comes from: GPT-2's, one trained on the text, plain bytes, or a file.
//! Encoding and storing are `formats::tokenizer`'s business.

use crate::bpe;
use crate::error::{Error, Result};
use crate::watch::Watch;
use formats::ordinary;
use formats::tokenizer::{GPT2_ORDER, JSON_BYTES_MAX, Parts, Split, TokenKind, Tokenizer, Tokens, VOCAB_MAX};
use std::path::PathBuf;
use std::str::FromStr;

/// Pairs of ids that merge into 256, 257, ...; made from the published rank file when this is built.
static GPT2_MERGES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gpt2_merges.bin"));

/// Ids of GPT-2: 256 bytes, 50,000 merges, the end of a text.
pub const GPT2_VOCAB: usize = 50_257;
const _: () = assert!(GPT2_MERGES.len() == 4 * (GPT2_VOCAB - 257));

/// Which tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GPT-2's 50,257 ids.
    Gpt2,
    /// Byte-pair encoding with this many ids, trained on the training part.
    Bpe(usize),
    /// The 256 bytes.
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
                "gpt2, bytes, bpe:N with N from 257 to {VOCAB_MAX}, or the path of a tokenizer.json"
            ),
        };
        match text {
            "" => Err(bad()),
            "gpt2" => Ok(Kind::Gpt2),
            "bytes" => Ok(Kind::Bytes),
            _ => match text.strip_prefix("bpe:") {
                Some(n) => match n.parse() {
                    Ok(n) if (257..=VOCAB_MAX).contains(&n) => Ok(Kind::Bpe(n)),
                    _ => Err(bad()),
                },
                None if text == "bpe" => Err(bad()),
                None => Ok(Kind::File(text.into())),
            },
        }
    }
}

impl Kind {
    /// Makes the tokenizer. `bpe:N` learns from `train_text`, which should be the training part alone.
    ///
    /// # Errors
    /// The text supports fewer than N ids; the file cannot be read or is of a kind that GGUF cannot say.
    pub fn build(&self, train_text: &str) -> Result<Tokenizer> {
        match self {
            Kind::Gpt2 => Ok(gpt2()),
            Kind::Bytes => Ok(bytes()),
            Kind::Bpe(vocab) => trained(train_text, *vocab),
            Kind::File(path) => {
                let json = ordinary::read(path, JSON_BYTES_MAX as u64)?;
                Ok(Tokenizer::from_json(&json, &path.display().to_string())?)
            }
        }
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
    let end = tokens.push(b"<|endoftext|>", TokenKind::Control);
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

/// Byte-pair encoding of exactly `vocab` ids, the 256 bytes included, learnt from a text that GPT-2's rules cut.
///
/// # Errors
/// The text repeats too little for that many ids.
pub fn trained(text: &str, vocab: usize) -> Result<Tokenizer> {
    assert!(vocab >= 256, "the bytes alone are 256");
    let whole = std::iter::once(text);
    let merges = bpe::learn(whole, text.len(), Split::Gpt2, vocab - 256, &mut Watch::nobody())?;
    let found = 256 + merges.len();
    if found < vocab {
        return Err(Error::VocabTooLarge { vocab, found });
    }
    Ok(build(with_merges(&merges), merges, None))
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
    let parts = Parts { tokens, merges, split: Split::Gpt2, bos: end, eos: end, eot: None, add_bos: false };
    Tokenizer::new(parts, "the built-in vocabulary").expect("bytes and merges of them")
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
        let mut random = crate::rng::SplitMix64::new(&[5]);
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

    #[test]
    fn trained_has_exactly_the_ids_asked_for() {
        let text = "the cat sat on the mat, the rat sat on the cat\n".repeat(4);
        let t = trained(&text, 270).unwrap();
        assert_eq!(t.vocab_size(), 270);
        assert_eq!(t.decode(&t.encode(&text)), text);
        assert!(t.encode(&text).len() < text.len() / 2);
        let error = trained(&text, 5000).unwrap_err().to_string();
        assert!(error.contains("5000") && error.contains("bpe:"), "{error}");
        // As many as it says are possible.
        let most = error.rsplit("bpe:").next().unwrap().trim_end_matches(|c: char| !c.is_ascii_digit());
        trained(&text, most.parse().unwrap()).unwrap();
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
