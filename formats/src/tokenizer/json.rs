//! Reads a `tokenizer.json`: the part of it that is byte-level BPE and that GGUF can name. What we
//! would have to guess or could not store is refused with a sentence. (The library reads them too, and keeps the merges to itself.)

use super::merges::Merges;
use super::spelling::Spelling;
use super::{Parts, Scheme, Special, Split, TokenKind, Tokenizer, Tokens, VOCAB_MAX};
use crate::shown;
use crate::{Error, Result};
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Larger than any published one (Gemma 3 has 33 MB).
pub const JSON_BYTES_MAX: usize = 256 << 20;

impl Tokenizer {
    /// From the text of a `tokenizer.json`; `name` is the file's, for errors.
    ///
    /// Takes byte-level BPE with a pre-tokenizer and a normal form that GGUF has one name for.
    pub fn from_json(json: &[u8], name: &str) -> Result<Tokenizer> {
        let refuse = |problem| Error::Tokenizer { name: name.to_owned(), problem };
        if json.len() > JSON_BYTES_MAX {
            return Err(refuse(format!("it has {} bytes; at most {JSON_BYTES_MAX} are allowed", json.len())));
        }
        let file: File = serde_json::from_slice(json)
            .map_err(|e| refuse(format!("not the JSON of a BPE tokenizer: {}", shown(&e.to_string()))))?;
        Tokenizer::new(file.parts().map_err(refuse)?, name)
    }
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    model: Model<'a>,
    #[serde(borrow, default)]
    added_tokens: Vec<Added<'a>>,
    #[serde(default)]
    normalizer: Option<Normalizer>,
    #[serde(default)]
    pre_tokenizer: Option<PreTokenizer>,
    #[serde(default)]
    post_processor: Option<PostProcessor>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(borrow)]
    vocab: Vocab<'a>,
    #[serde(borrow)]
    merges: Vec<Merge<'a>>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: Option<bool>,
    #[serde(default)]
    ignore_merges: Option<bool>,
    #[serde(default)]
    dropout: Option<f64>,
}

#[derive(Deserialize)]
struct Added<'a> {
    id: u32,
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
}

#[derive(Deserialize)]
struct Normalizer {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "few")]
    normalizers: Vec<Normalizer>,
}

#[derive(Deserialize)]
struct PreTokenizer {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "few")]
    pretokenizers: Vec<PreTokenizer>,
    #[serde(default)]
    pattern: Option<Pattern>,
    #[serde(default)]
    behavior: Option<String>,
    #[serde(default)]
    invert: bool,
    #[serde(default)]
    add_prefix_space: bool,
    #[serde(default)]
    use_regex: Option<bool>,
    #[serde(default)]
    individual_digits: bool,
}

#[derive(Deserialize)]
enum Pattern {
    Regex(String),
    String(#[expect(dead_code, reason = "named so that it parses, then refused")] String),
}

#[derive(Deserialize)]
struct PostProcessor {
    #[serde(default, deserialize_with = "few")]
    processors: Vec<PostProcessor>,
    #[serde(default, deserialize_with = "few")]
    single: Vec<TemplatePiece>,
}

#[derive(Deserialize)]
enum TemplatePiece {
    SpecialToken { id: String },
    Sequence {},
}

impl File<'_> {
    fn parts(self) -> std::result::Result<Parts, String> {
        self.model.check()?;
        let cut =
            self.pre_tokenizer.as_ref().ok_or("it has no pre-tokenizer; expected ByteLevel")?.split()?;
        let split = match &self.normalizer {
            Some(normalizer) if normalizer.is_nfc()? => cut.of_normal_text().ok_or_else(|| {
                format!(
                    "it brings text into the normal form NFC and splits it as {}, which GGUF cannot say",
                    cut.name()
                )
            })?,
            _ => cut,
        };
        if self.model.ignore_merges.unwrap_or(false) != split.takes_whole_pieces() {
            let (name, flag) = (split.name(), split.takes_whole_pieces());
            return Err(format!(
                "it splits text as {name}, for which GGUF means ignore_merges = {flag}; it says otherwise"
            ));
        }

        let mut texts: BTreeMap<u32, (Cow<str>, TokenKind)> = BTreeMap::new();
        for (text, id) in self.model.vocab.0 {
            if let Some((first, _)) = texts.get(&id) {
                return Err(format!("id {id} is both \"{}\" and \"{}\"", shown(first), shown(&text)));
            }
            texts.insert(id, (text, TokenKind::Normal));
        }
        for added in self.added_tokens {
            texts.insert(added.id, added.token()?);
        }
        let count = texts.len();
        let tokens =
            with_holes_filled(&texts).map_err(|what| format!("its vocabulary of {count} tokens {what}"))?;
        let mut merges = Merges::new(texts.iter().map(|(&id, (text, _))| (id, &**text)), &tokens);
        for merge in &self.model.merges {
            let pushed = match merge {
                Merge::Line(line) => merges.push_line(line),
                Merge::Pair(left, right) => merges.push(left, right),
            };
            pushed.map_err(|what| format!("its list of merges {what}"))?;
        }

        let special = |names: &[&str]| {
            let mut found = names.iter().filter_map(|name| {
                tokens
                    .iter()
                    .find(|(_, bytes, kind)| *bytes == name.as_bytes() && *kind == TokenKind::Control)
            });
            found.next().map(|(id, ..)| id)
        };
        let first = self.post_processor.as_ref().and_then(|p| p.first_token());
        let bos = match first {
            Some(name) => Some(special(&[name]).ok_or_else(|| {
                format!("its template starts with \"{}\", which is not a special token", shown(name))
            })?),
            None => special(&["<|begin_of_text|>", "<s>", "<bos>", "<|endoftext|>"]),
        };
        // A tokenizer.json does not say which token ends a text; by their names they do.
        let eos = special(&["<|end_of_text|>", "</s>", "<eos>", "<|endoftext|>"]);
        let eot = special(&["<|im_end|>", "<|eot_id|>", "<end_of_turn>"]);
        let eom = special(&["<|eom_id|>"]);
        let special = Special { bos, eos, eot, eom, add_bos: first.is_some(), add_eos: false };
        Ok(Parts { scheme: Scheme::ByteLevel { split, merges: merges.finish() }, special, tokens })
    }
}

/// Ids in order; a missing one gets a name that cannot occur, as converters to GGUF do.
fn with_holes_filled(texts: &BTreeMap<u32, (Cow<str>, TokenKind)>) -> std::result::Result<Tokens, String> {
    let last = texts.keys().next_back().copied().unwrap_or(0);
    if last as usize >= VOCAB_MAX.min(2 * texts.len() + 1024) {
        return Err(format!("has the id {last}, far beyond their number"));
    }
    let mut tokens = Tokens::new();
    for (&id, (text, kind)) in texts {
        while tokens.len() < id as usize {
            let hole = format!("[PAD{}]", tokens.len());
            tokens.push(hole.as_bytes(), TokenKind::Unused);
        }
        Spelling::Bytes.push(&mut tokens, text, *kind)?;
    }
    Ok(tokens)
}

impl Model<'_> {
    fn check(&self) -> std::result::Result<(), String> {
        let empty = |s: &Option<String>| s.as_ref().is_none_or(String::is_empty);
        match self.kind.as_deref() {
            None | Some("BPE") => {}
            Some(other) => {
                return Err(format!("it is of type \"{}\"; only byte-level BPE is supported", shown(other)));
            }
        }
        if !empty(&self.continuing_subword_prefix) || !empty(&self.end_of_word_suffix) {
            return Err(
                "it marks word parts with a prefix or suffix; only byte-level BPE is supported".into()
            );
        }
        if self.byte_fallback == Some(true) {
            return Err(
                "it is SentencePiece-style BPE (byte_fallback); only byte-level BPE is supported".into()
            );
        }
        if self.dropout.is_some_and(|d| d != 0.0) {
            return Err("it drops merges at random; remove model.dropout".into());
        }
        Ok(())
    }
}

impl<'a> Added<'a> {
    /// Its name and kind. Special tokens are looked for only in what a template writes, which puts no spaces and no letters next to
    /// them by accident; of the others we could not store how they are matched.
    fn token(self) -> std::result::Result<(Cow<'a, str>, TokenKind), String> {
        if self.special {
            return Ok((self.content, TokenKind::Control));
        }
        let name = || shown(&self.content);
        if self.single_word {
            return Err(format!(
                "its added token \"{}\" is matched as a whole word only, which GGUF cannot say",
                name()
            ));
        }
        if self.lstrip || self.rstrip {
            return Err(format!(
                "its added token \"{}\" takes the spaces beside it, which GGUF cannot say",
                name()
            ));
        }
        Ok((self.content, TokenKind::UserDefined))
    }
}

impl Normalizer {
    /// Whether it is NFC; otherwise it does nothing.
    fn is_nfc(&self) -> std::result::Result<bool, String> {
        match self.kind.as_str() {
            "NFC" => Ok(true),
            "Sequence" => {
                self.normalizers.iter().try_fold(false, |nfc, normalizer| Ok(normalizer.is_nfc()? || nfc))
            }
            other => Err(format!("its normalizer \"{}\" changes text, which GGUF cannot say", shown(other))),
        }
    }
}

impl PreTokenizer {
    fn split(&self) -> std::result::Result<Split, String> {
        let unknown = || {
            let known = Split::ALL.map(Split::name).join(", ");
            Err(format!("its pre-tokenizer is none of those GGUF can name here: {known}"))
        };
        match (self.kind.as_str(), &self.pretokenizers[..]) {
            ("ByteLevel", []) if self.add_prefix_space => {
                Err("its pre-tokenizer adds a space before the text, which GGUF cannot say".into())
            }
            ("ByteLevel", []) if self.use_regex != Some(false) => Ok(Split::Gpt2),
            ("Sequence", [one]) if one.kind != "Sequence" => one.split(),
            ("Sequence", [digits, level]) if digits.kind == "Digits" && digits.individual_digits => {
                if level.kind == "ByteLevel" && level.split() == Ok(Split::Gpt2) {
                    Ok(Split::Smollm)
                } else {
                    unknown()
                }
            }
            ("Sequence", [cut, level])
                if cut.kind == "Split"
                    && cut.behavior.as_deref() == Some("Isolated")
                    && !cut.invert
                    && level.kind == "ByteLevel"
                    && level.use_regex == Some(false)
                    && !level.add_prefix_space =>
            {
                match &cut.pattern {
                    Some(Pattern::Regex(pattern)) => Split::from_pattern(pattern).map_or_else(unknown, Ok),
                    _ => unknown(),
                }
            }
            _ => unknown(),
        }
    }
}

impl PostProcessor {
    /// The special token that a template puts before a text.
    fn first_token(&self) -> Option<&str> {
        match self.single.first() {
            Some(TemplatePiece::SpecialToken { id }) => Some(id),
            Some(TemplatePiece::Sequence {}) => None,
            None => self.processors.iter().find_map(PostProcessor::first_token),
        }
    }
}

/// A vocabulary's texts and ids as they stand, repeated ones included.
struct Vocab<'a>(Vec<(Cow<'a, str>, u32)>);

impl<'de: 'a, 'a> Deserialize<'de> for Vocab<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct Map<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Map<'a> {
            type Value = Vocab<'a>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of texts and ids")
            }

            fn visit_map<A: de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Vocab<'a>, A::Error> {
                let mut list = Vec::new();
                while let Some((text, id)) = map.next_entry::<Text<'a>, u32>()? {
                    if list.len() == VOCAB_MAX {
                        return Err(A::Error::custom(format!("more than {VOCAB_MAX} tokens")));
                    }
                    list.push((text.0, id));
                }
                Ok(Vocab(list))
            }
        }
        d.deserialize_map(Map(std::marker::PhantomData))
    }
}

/// A string, borrowed where the JSON has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// `"left right"` in older files, `["left", "right"]` in newer ones.
enum Merge<'a> {
    Line(Cow<'a, str>),
    Pair(Cow<'a, str>, Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Merge<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct Either<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Either<'a> {
            type Value = Merge<'a>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a merge: one string or a pair of strings")
            }

            fn visit_borrowed_str<E>(self, line: &'de str) -> std::result::Result<Merge<'a>, E> {
                Ok(Merge::Line(Cow::Borrowed(line)))
            }

            fn visit_str<E>(self, line: &str) -> std::result::Result<Merge<'a>, E> {
                Ok(Merge::Line(Cow::Owned(line.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Merge<'a>, A::Error> {
                let mut text = |at| match seq.next_element::<Text<'a>>()? {
                    Some(text) => Ok(text.0),
                    None => Err(A::Error::invalid_length(at, &"a pair of strings")),
                };
                Ok(Merge::Pair(text(0)?, text(1)?))
            }
        }
        d.deserialize_any(Either(std::marker::PhantomData))
    }
}

/// A list that in real files has one or two elements: more would only cost memory.
fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> std::result::Result<Vec<T>, D::Error> {
    const FEW: usize = 16;
    struct List<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            write!(f, "a list of at most {FEW} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = seq.next_element()? {
                if list.len() == FEW {
                    return Err(A::Error::invalid_length(FEW + 1, &self));
                }
                list.push(item);
            }
            Ok(list)
        }

        fn visit_unit<E>(self) -> std::result::Result<Vec<T>, E> {
            Ok(Vec::new())
        }
    }
    d.deserialize_any(List(std::marker::PhantomData))
}
