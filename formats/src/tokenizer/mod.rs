//! The tokenizer: byte-level BPE, text to ids and back, loaded from GGUF metadata or a
//! `tokenizer.json`. Building one from a corpus is the trainer's business, chat templates the server's.
//!
//! Any text encodes, and decoding gives its bytes back exactly. The names of user-defined tokens become those tokens in
//! every text, as they are text themselves; the names of control tokens stay text unless [`Tokenizer::encode_with_special`] is asked.

mod added;
mod alphabet;
mod encoder;
mod gguf;
mod json;
mod merge;
mod names;
mod restrict;
mod spelled;
mod split;
mod stream;
#[cfg(test)]
mod tests;
mod tokens;

pub use alphabet::GPT2_ORDER;
pub use encoder::Encoder;
pub use gguf::SEPARATOR;
pub use json::JSON_BYTES_MAX;
pub use split::{Pieces, Split};
pub use stream::DecodeStream;
use tokens::BYTES_MAX;
pub use tokens::{TokenKind, Tokens};

use crate::shown;
use crate::{Error, Result};
use added::{Finder, Part};
use merge::Pairs;
use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Range;

/// Most ids a vocabulary may have: the largest published ones have a quarter of that.
pub const VOCAB_MAX: usize = 1 << 20;

/// The facts a tokenizer is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Every id. All 256 single bytes must be among the normal ones.
    pub tokens: Tokens,
    /// Pairs of ids that merge, first ones first.
    pub merges: Vec<(u32, u32)>,
    /// How text is cut before merging.
    pub split: Split,
    /// Starts a sequence.
    pub bos: Option<u32>,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Ends a turn of a chat.
    pub eot: Option<u32>,
    /// Whether the model expects `bos` before a prompt.
    pub add_bos: bool,
}

/// A byte-level BPE tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    parts: Parts,
    byte_ids: [u32; 256],
    pairs: Pairs,
    /// Tokens by the bytes they are; only where whole pieces skip merging.
    whole: HashMap<Vec<u8>, u32>,
    /// Finds user-defined tokens.
    user_defined: Finder,
    /// Finds those and control tokens.
    special: Finder,
}

impl PartialEq for Tokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Tokenizer {
    /// Checks the parts and indexes them. `name` is the file they come from, for the error.
    ///
    /// Fails when the tokens are too many or too long together, a byte has no token, two normal tokens are equal, an id is out of range, a merge
    /// does not make a token of two, or the names of added tokens are too long together.
    pub fn new(parts: Parts, name: &str) -> Result<Self> {
        let refused = |problem: String| Error::Tokenizer { name: name.to_owned(), problem };
        let refuse = |problem: String| Err(refused(problem));
        let n = parts.tokens.len();
        if n > VOCAB_MAX {
            return refuse(format!("it has {n} tokens; at most {VOCAB_MAX} are allowed"));
        }
        if parts.tokens.are_too_long() {
            return refuse(format!("its tokens have more than {BYTES_MAX} bytes together"));
        }
        for (what, id) in [("bos", parts.bos), ("eos", parts.eos), ("eot", parts.eot)] {
            if let Some(id) = id.filter(|&id| id as usize >= n) {
                return refuse(format!("the {what} token is id {id}, but there are {n} tokens"));
            }
        }

        let mut by_bytes: HashMap<&[u8], u32> = HashMap::new();
        for (id, bytes, _) in parts.tokens.iter().filter(|(.., kind)| *kind == TokenKind::Normal) {
            if let Some(first) = by_bytes.insert(bytes, id) {
                return refuse(format!("tokens {first} and {id} are both \"{}\"", text(bytes)));
            }
        }
        let user_defined = || parts.tokens.iter().filter(|(.., kind)| *kind == TokenKind::UserDefined);
        // A word of the vocabulary that somebody added once more keeps its id, and its place among the merges.
        for (id, bytes, _) in user_defined() {
            by_bytes.entry(bytes).or_insert(id);
        }
        let mut byte_ids = [0; 256];
        for byte in 0..=255u8 {
            match by_bytes.get(&[byte][..]) {
                Some(&id) => byte_ids[byte as usize] = id,
                None => {
                    return refuse(format!(
                        "byte {byte:#04x} has no token, so some texts could not be encoded; expected all 256 bytes"
                    ));
                }
            }
        }

        let mut pairs = Pairs::with_capacity(parts.merges.len());
        let mut joined = Vec::new();
        for (rank, &(l, r)) in parts.merges.iter().enumerate() {
            joined.clear();
            for id in [l, r] {
                if !parts.tokens.kind(id).is_text() {
                    return refuse(format!("merge {rank} joins ids {l} and {r}; {id} is no text"));
                }
                joined.extend_from_slice(parts.tokens.bytes(id));
            }
            match by_bytes.get(&joined[..]) {
                Some(&merged) => pairs.push(l, r, merged),
                None => {
                    return refuse(format!("merge {rank} makes \"{}\", which is not a token", text(&joined)));
                }
            }
        }

        let whole = if parts.split.takes_whole_pieces() {
            by_bytes.iter().map(|(bytes, &id)| (bytes.to_vec(), id)).collect()
        } else {
            HashMap::new()
        };
        let names = parts.tokens.iter().filter(|(.., kind)| kind.is_added()).map(|(id, name, _)| (id, name));
        let special = Finder::new(names).map_err(refused)?;
        let user_defined = Finder::new(user_defined().map(|(id, name, _)| (id, name))).map_err(refused)?;
        drop(by_bytes);
        Ok(Tokenizer { parts, byte_ids, pairs, whole, user_defined, special })
    }

    /// The ids of a text. Names of user-defined tokens in it become those tokens, names of control tokens are encoded as
    /// the text they are.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.encode_parts(text, &self.user_defined)
    }

    /// As [`Tokenizer::encode`], but names of control tokens become those tokens too. For text we
    /// wrote ourselves (chat templates), never for a user's.
    pub fn encode_with_special(&self, text: &str) -> Vec<u32> {
        self.encode_parts(text, &self.special)
    }

    /// The control tokens of [`Tokenizer::encode_with_special`], with the bytes of the text that name them.
    pub fn control_tokens<'t>(&'t self, text: &'t str) -> impl Iterator<Item = (Range<usize>, u32)> + 't {
        let mut end = 0;
        self.special.parts(text).filter_map(move |part| {
            let start = end;
            let (len, id) = match part {
                Part::Text(text) => (text.len(), None),
                Part::Token(id) => (self.token_bytes(id).len(), Some(id)),
            };
            end += len;
            Some((start..end, id.filter(|&id| self.token_kind(id) == TokenKind::Control)?))
        })
    }

    fn encode_parts(&self, text: &str, added: &Finder) -> Vec<u32> {
        let mut encoder = Encoder::finding(self, added);
        let Ok(()) = encoder.text(text, &mut |_| Ok::<(), Infallible>(()));
        encoder.finish()
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
    pub fn text_bytes(&self, id: u32) -> &[u8] {
        if self.parts.tokens.kind(id).is_text() { self.parts.tokens.bytes(id) } else { &[] }
    }

    /// The bytes of a token, or the name of one that is not text; empty for an id out of range.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.parts.tokens.bytes(id)
    }

    /// The same as text, for people and templates; what is no UTF-8 is replaced.
    pub fn token_name(&self, id: u32) -> String {
        String::from_utf8_lossy(self.token_bytes(id)).into_owned()
    }

    /// What an id is; [`TokenKind::Unused`] for one out of range.
    pub fn token_kind(&self, id: u32) -> TokenKind {
        self.parts.tokens.kind(id)
    }

    /// The id of a control or user-defined token by its name, `<|im_end|>` say.
    pub fn special_id(&self, name: &str) -> Option<u32> {
        let mut tokens = self.parts.tokens.iter();
        tokens.find(|(_, bytes, kind)| kind.is_added() && *bytes == name.as_bytes()).map(|(id, ..)| id)
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

    /// The ids that generation ends at, in order: end of text and end of turn.
    pub fn ends(&self) -> Vec<u32> {
        let mut ends: Vec<u32> = [self.parts.eos, self.parts.eot].into_iter().flatten().collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    }

    /// Whether the model expects [`Tokenizer::bos`] before a prompt.
    pub fn add_bos(&self) -> bool {
        self.parts.add_bos && self.parts.bos.is_some()
    }

    /// A number that tells vocabularies apart: where it is the same, so is what every id stands for.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        for (_, bytes, kind) in self.parts.tokens.iter() {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
            hasher.update(&[kind as u8]);
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first)
    }

    /// What it was built from.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }
}

/// A token's text for a message.
fn text(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes))
}
