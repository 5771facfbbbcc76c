//! The tokenizer: byte-level BPE, text to ids and back, loaded from GGUF metadata or a
//! `tokenizer.json`. Building one from a corpus is the trainer's business, chat templates the server's.
//!
//! Any text encodes, and decoding gives its bytes back exactly. Text that looks like a special
//! token stays text unless [`Tokenizer::encode_with_special`] is asked.

mod bytes;
mod json;
mod merge;
mod restrict;
mod split;
mod stream;

pub use bytes::{GPT2_ORDER, spelling};
pub use split::{Pieces, Split};
pub use stream::DecodeStream;

use crate::{Error, Result};
use merge::Pairs;
use std::collections::HashMap;
use std::ops::Range;

/// Most ids a vocabulary may have: the largest published ones have a quarter of that.
pub const VOCAB_MAX: usize = 1 << 20;

/// What a token is, as GGUF's `tokenizer.ggml.token_type` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Text, made by merging bytes.
    Normal = 1,
    /// Stands for what cannot be encoded; never happens here.
    Unknown = 2,
    /// Steers the model and is not text: end of text, start of a turn.
    Control = 3,
    /// Text added to the vocabulary by hand; never made by merging.
    UserDefined = 4,
    /// A hole in the numbering.
    Unused = 5,
}

/// One id of the vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it stands for; for kinds other than [`TokenKind::Normal`], its name.
    pub bytes: Vec<u8>,
    /// What it is.
    pub kind: TokenKind,
}

/// The facts a tokenizer is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Every id in order. All 256 single bytes must be among the normal ones.
    pub tokens: Vec<Token>,
    /// Pairs of ids that merge, first ones first.
    pub merges: Vec<(u32, u32)>,
    /// How text is cut before merging.
    pub split: Split,
    /// Starts a sequence.
    pub bos: Option<u32>,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Whether the model expects `bos` before a prompt.
    pub add_bos: bool,
}

/// A byte-level BPE tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    parts: Parts,
    byte_ids: [u32; 256],
    pairs: Pairs,
    /// Normal tokens by their bytes; only where whole pieces skip merging.
    whole: HashMap<Vec<u8>, u32>,
    /// Tokens that merging never makes, by their names.
    special: HashMap<Vec<u8>, u32>,
    /// The distinct lengths of those names, longest first.
    special_lens: Vec<usize>,
}

impl PartialEq for Tokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Tokenizer {
    /// Checks the parts and indexes them. `name` is the file they come from, for the error.
    ///
    /// Fails when a byte has no token, two normal tokens are equal, an id is out of range, or a
    /// merge does not make a token.
    pub fn new(parts: Parts, name: &str) -> Result<Self> {
        let refuse = |problem: String| Err(Error::Tokenizer { name: name.to_owned(), problem });
        let n = parts.tokens.len();
        if n > VOCAB_MAX {
            return refuse(format!("it has {n} tokens, the limit is {VOCAB_MAX}"));
        }
        for (what, id) in [("bos", parts.bos), ("eos", parts.eos)] {
            if let Some(id) = id.filter(|&id| id as usize >= n) {
                return refuse(format!("the {what} token is id {id}, but there are only {n} tokens"));
            }
        }

        let mut normal: HashMap<&[u8], u32> = HashMap::new();
        let mut special: HashMap<Vec<u8>, u32> = HashMap::new();
        for (id, token) in parts.tokens.iter().enumerate() {
            let id = id as u32;
            match token.kind {
                TokenKind::Normal => {
                    if let Some(first) = normal.insert(&token.bytes, id) {
                        let text = shown(&token.bytes);
                        return refuse(format!("ids {first} and {id} are both \"{text}\""));
                    }
                }
                TokenKind::Control | TokenKind::UserDefined => {
                    if !token.bytes.is_empty() {
                        special.entry(token.bytes.clone()).or_insert(id);
                    }
                }
                TokenKind::Unknown | TokenKind::Unused => {}
            }
        }
        let mut byte_ids = [0; 256];
        for byte in 0..=255u8 {
            match normal.get(&[byte][..]) {
                Some(&id) => byte_ids[byte as usize] = id,
                None => {
                    return refuse(format!(
                        "byte {byte:#04x} has no token, so not every text can be encoded; \
                         train the tokenizer with the whole byte alphabet"
                    ));
                }
            }
        }

        let mut pairs = Pairs::with_capacity(parts.merges.len());
        let mut joined = Vec::new();
        for (rank, &(l, r)) in parts.merges.iter().enumerate() {
            let (Some(left), Some(right)) = (parts.tokens.get(l as usize), parts.tokens.get(r as usize))
            else {
                return refuse(format!("merge {rank} joins ids {l} and {r}, but there are only {n} tokens"));
            };
            joined.clear();
            joined.extend_from_slice(&left.bytes);
            joined.extend_from_slice(&right.bytes);
            let Some(&merged) = normal.get(&joined[..]) else {
                return refuse(format!("merge {rank} makes \"{}\", which is not a token", shown(&joined)));
            };
            // Of equal merges the first one counts.
            pairs.entry((l, r)).or_insert((rank as u32, merged));
        }

        let whole = if parts.split.takes_whole_pieces() {
            normal.iter().map(|(bytes, &id)| (bytes.to_vec(), id)).collect()
        } else {
            HashMap::new()
        };
        drop(normal);
        let mut special_lens: Vec<usize> = special.keys().map(Vec::len).collect();
        special_lens.sort_unstable_by(|a, b| b.cmp(a));
        special_lens.dedup();
        Ok(Tokenizer { parts, byte_ids, pairs, whole, special, special_lens })
    }

    /// From the text of a `tokenizer.json`; `name` is the file's, for errors.
    ///
    /// Takes byte-level BPE with a pre-tokenizer that GGUF can name, and refuses the rest.
    pub fn from_json(json: &[u8], name: &str) -> Result<Self> {
        json::tokenizer_from_json(json, name)
    }

    /// The ids of a text. Special tokens' names in it are encoded as the text they are.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut out = Vec::with_capacity(text.len() / 3);
        self.encode_into(text, &mut out);
        out
    }

    /// As [`Tokenizer::encode`], but names of special tokens become those tokens. For text we
    /// wrote ourselves (chat templates), never for a user's.
    pub fn encode_with_special(&self, text: &str) -> Vec<u32> {
        let mut out = Vec::new();
        let mut plain_from = 0;
        let mut at = 0;
        while at < text.len() {
            match self.special_at(&text.as_bytes()[at..]) {
                Some((id, len)) if text.is_char_boundary(at) && text.is_char_boundary(at + len) => {
                    self.encode_into(&text[plain_from..at], &mut out);
                    out.push(id);
                    at += len;
                    plain_from = at;
                }
                _ => at += 1,
            }
        }
        self.encode_into(&text[plain_from..], &mut out);
        out
    }

    /// The longest special token whose name starts here.
    fn special_at(&self, text: &[u8]) -> Option<(u32, usize)> {
        let fits = self.special_lens.iter().filter(|&&len| len <= text.len());
        fits.filter_map(|&len| self.special.get(&text[..len]).map(|&id| (id, len))).next()
    }

    fn encode_into(&self, text: &str, out: &mut Vec<u32>) {
        // Words repeat: where in `out` a short piece already stands. Bounded, as pieces are input.
        const SEEN_MAX: usize = 1 << 16;
        const SEEN_LEN_MAX: usize = 32;
        let mut seen: HashMap<&str, Range<usize>> = HashMap::new();
        let mut ids = Vec::new();
        for piece in self.parts.split.pieces(text) {
            if let Some(range) = seen.get(piece) {
                out.extend_from_within(range.clone());
                continue;
            }
            let from = out.len();
            if let Some(&id) = self.whole.get(piece.as_bytes()) {
                out.push(id);
            } else {
                ids.clear();
                ids.extend(piece.bytes().map(|b| self.byte_ids[b as usize]));
                merge::merge_all(&mut ids, &self.pairs);
                out.extend_from_slice(&ids);
            }
            if piece.len() <= SEEN_LEN_MAX && seen.len() < SEEN_MAX {
                seen.insert(piece, from..out.len());
            }
        }
    }

    /// The text of ids. Bytes that are not UTF-8 show as U+FFFD; control tokens show as nothing.
    pub fn decode(&self, ids: &[u32]) -> String {
        String::from_utf8_lossy(&self.decode_bytes(ids)).into_owned()
    }

    /// The bytes of ids; control tokens have none.
    pub fn decode_bytes(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.text_bytes(id)).copied().collect()
    }

    /// The bytes an id adds to a text: none for control tokens and ids out of range.
    fn text_bytes(&self, id: u32) -> &[u8] {
        match self.parts.tokens.get(id as usize) {
            Some(t) if matches!(t.kind, TokenKind::Normal | TokenKind::UserDefined) => &t.bytes,
            _ => &[],
        }
    }

    /// The bytes of a token, or the name of one that is not text; empty for an id out of range.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.parts.tokens.get(id as usize).map_or(&[], |t| &t.bytes)
    }

    /// What an id is; `Unused` for one out of range.
    pub fn token_kind(&self, id: u32) -> TokenKind {
        self.parts.tokens.get(id as usize).map_or(TokenKind::Unused, |t| t.kind)
    }

    /// The id of a control or user-defined token by its name, `<|im_end|>` say.
    pub fn special_id(&self, name: &str) -> Option<u32> {
        self.special.get(name.as_bytes()).copied()
    }

    /// Number of ids.
    pub fn vocab_size(&self) -> usize {
        self.parts.tokens.len()
    }

    /// The token that starts a sequence.
    pub fn bos(&self) -> Option<u32> {
        self.parts.bos
    }

    /// The token that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.parts.eos
    }

    /// Whether the model expects [`Tokenizer::bos`] before a prompt.
    pub fn add_bos(&self) -> bool {
        self.parts.add_bos && self.parts.bos.is_some()
    }

    /// What it was built from.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }
}

/// A token's text in an error message: lossy, without control characters, not endless.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
