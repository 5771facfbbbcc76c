//! The tokenizer: text to ids and back, loaded from GGUF metadata or a `tokenizer.json`. Merging and normal forms are the `tokenizers`
//! library's; here is what it lacks. Building one from a corpus is the trainer's business, chat templates the server's.
//!
//! Any text encodes, and decoding gives its bytes back exactly, but for what a vocabulary's normal form joins. The names of user-defined
//! tokens become those tokens in every text, as they are text themselves; the names of control tokens stay text unless
//! [`Tokenizer::encode_with_special`] is asked.

mod added;
mod alphabet;
mod encoder;
mod gguf;
mod index;
mod json;
mod library;
mod merges;
mod normal;
mod parts;
mod restrict;
mod sentence;
mod spelling;
mod split;
mod stream;
#[cfg(test)]
mod tests;
mod tokens;

pub use alphabet::GPT2_ORDER;
pub use encoder::Encoder;
pub use gguf::SEPARATOR;
pub use json::JSON_BYTES_MAX;
pub use parts::{Parts, Scheme, Special};
pub use split::{Pieces, Split};
pub use stream::DecodeStream;
pub use tokens::{TokenKind, Tokens};

use crate::{Error, Result};
use added::{Finder, Part};
use index::Index;
use std::convert::Infallible;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Most ids a vocabulary may have: the largest published ones have a quarter of that.
pub const VOCAB_MAX: usize = 1 << 20;

/// A BPE tokenizer.
#[derive(Clone)]
pub struct Tokenizer {
    parts: Parts,
    index: Arc<Index>,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl PartialEq for Tokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Tokenizer {
    /// Checks the parts and indexes them. `name` is the file they come from, for the error.
    ///
    /// Fails when the tokens are too many or too long together, a byte has no token, two tokens of text are equal, an id is out of range, a
    /// merge does not make a token of two, a score is missing or no number, or the names of added tokens are too long.
    pub fn new(parts: Parts, name: &str) -> Result<Self> {
        let refused = |problem| Error::Tokenizer { name: name.to_owned(), problem };
        let index = Arc::new(Index::new(&parts).map_err(refused)?);
        Ok(Tokenizer { parts, index })
    }

    /// The ids of a text. Names of user-defined tokens in it become those tokens, names of control tokens are encoded as
    /// the text they are.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.encode_parts(text, &self.index.user_defined)
    }

    /// As [`Tokenizer::encode`], but names of control tokens become those tokens too. For text we
    /// wrote ourselves (chat templates), never for a user's.
    pub fn encode_with_special(&self, text: &str) -> Vec<u32> {
        self.encode_parts(text, &self.index.special)
    }

    /// The control tokens of [`Tokenizer::encode_with_special`], with the bytes of the text that name them.
    pub fn control_tokens<'t>(&'t self, text: &'t str) -> impl Iterator<Item = (Range<usize>, u32)> + 't {
        let mut end = 0;
        self.index.special.parts(text).filter_map(move |part| {
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

    /// The text of ids. Bytes that are not UTF-8 show as U+FFFD; control tokens show as nothing. The space that a vocabulary puts before a
    /// text is not shown.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes = self.decode_bytes(ids);
        let text = if self.space_first() { bytes.strip_prefix(b" ").unwrap_or(&bytes) } else { &bytes };
        String::from_utf8_lossy(text).into_owned()
    }

    fn space_first(&self) -> bool {
        matches!(self.parts.scheme, Scheme::SentencePiece { space_first: true, .. })
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
        self.parts.special.bos
    }

    /// The token that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.parts.special.eos
    }

    /// The ids that generation ends at, in order: the ends of a text, a turn and a message, and control tokens that are named as one.
    pub fn ends(&self) -> Vec<u32> {
        self.index.ends.clone()
    }

    /// Whether the model expects [`Tokenizer::bos`] before a prompt.
    pub fn add_bos(&self) -> bool {
        self.parts.special.add_bos && self.parts.special.bos.is_some()
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
