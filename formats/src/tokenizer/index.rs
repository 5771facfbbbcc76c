//! What encoding looks things up in, worked out of a vocabulary's parts and checked: the library's BPE, the finders of added tokens, the
//! token of each byte. It knows texts in pieces; where they come from is the encoder's to say.

use super::added::Finder;
use super::library::Library;
use super::parts::{Parts, Scheme};
use super::sentence;
use super::spelling::Spelling;
use super::tokens::BYTES_MAX;
use super::{TokenKind, VOCAB_MAX, normal};
use crate::shown;
use std::borrow::Cow;
use std::collections::HashSet;
use tokenizers::models::bpe::Vocab;

/// What ends a text or a turn by its name, where a file does not say so: chat models end at one of these.
const ENDS: [&str; 8] = [
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|end|>",
    "<EOT>",
];

/// Two tokens that become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    pub left: u32,
    pub right: u32,
    pub made: u32,
}

/// See the top of this file.
pub struct Index {
    pub byte_ids: [u32; 256],
    /// First ones first.
    pub joins: Vec<Join>,
    /// Where generation ends, ascending.
    pub ends: Vec<u32>,
    /// Finds user-defined tokens.
    pub user_defined: Finder,
    /// Finds those and the ones that are no text.
    pub special: Finder,
    library: Library,
    spelling: Spelling,
    cut: Cut,
}

/// Where a text may be cut without that a merge could cross.
enum Cut {
    Split(super::Split),
    /// Before spaces, but for tokens that go across.
    Words {
        space_first: bool,
        across: bool,
    },
}

impl Index {
    /// Checks the parts and indexes them.
    ///
    /// # Errors
    /// What [`Tokenizer::new`](super::Tokenizer::new) says, as a sentence about the vocabulary.
    pub fn new(parts: &Parts) -> Result<Index, String> {
        let n = parts.tokens.len();
        if n > VOCAB_MAX {
            return Err(format!("it has {n} tokens; at most {VOCAB_MAX} are allowed"));
        }
        if parts.tokens.are_too_long() {
            return Err(format!("its tokens have more than {BYTES_MAX} bytes together"));
        }
        for (what, id) in parts.special.named() {
            if let Some(id) = id.filter(|&id| id as usize >= n) {
                return Err(format!("the {what} token is id {id}, but there are {n} tokens"));
            }
        }
        let spelling = Spelling::of(&parts.scheme);
        let vocab = vocab(parts, spelling)?;
        let byte_ids = byte_ids(&vocab, spelling)?;
        let (joins, cut) = match &parts.scheme {
            Scheme::ByteLevel { split, merges } => {
                (listed(parts, merges, &vocab, spelling)?, Cut::Split(*split))
            }
            Scheme::SentencePiece { scores, space_first } => {
                let odd = scores.iter().position(|score| !score.is_finite());
                if scores.len() != n || odd.is_some() {
                    let found = odd
                        .map_or(format!("{}", scores.len()), |id| format!("{} for token {id}", scores[id]));
                    return Err(format!("it has {n} tokens and needs a score for each; found {found}"));
                }
                let across = sentence::is_across_words(&parts.tokens);
                (
                    sentence::joins(&parts.tokens, scores, &vocab)?,
                    Cut::Words { space_first: *space_first, across },
                )
            }
        };
        let spelt = |id| spelling.of_bytes(parts.tokens.bytes(id));
        // Of equal pairs the first one counts; the library would take the last.
        let mut seen = HashSet::with_capacity(joins.len());
        let first = joins.iter().filter(|join| seen.insert((join.left, join.right)));
        let merges = first.map(|join| (spelt(join.left), spelt(join.right))).collect();
        let library = Library::new(vocab, merges, &parts.scheme)?;

        let named = |wanted: fn(TokenKind) -> bool| {
            let names = parts.tokens.iter().filter(move |(.., kind)| wanted(*kind));
            Finder::new(names.map(|(id, name, _)| (id, name)))
        };
        let user_defined = named(|kind| kind == TokenKind::UserDefined)?;
        let special = named(TokenKind::is_added)?;
        Ok(Index { byte_ids, joins, ends: ends(parts), user_defined, special, library, spelling, cut })
    }

    /// A text as its pieces are cut from it.
    pub fn normal<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.cut {
            Cut::Split(split) if split.normalises() => normal::nfc(text),
            Cut::Split(_) => Cow::Borrowed(text),
            Cut::Words { space_first, .. } => sentence::with_spaces(text, space_first),
        }
    }

    /// The pieces of a text that no merge leaves; together they are the text.
    pub fn pieces<'t>(&self, text: &'t str) -> Box<dyn Iterator<Item = &'t str> + 't> {
        match self.cut {
            Cut::Split(split) => Box::new(split.pieces(text)),
            Cut::Words { across: false, .. } => Box::new(sentence::words(text)),
            Cut::Words { across: true, .. } => Box::new(std::iter::once(text)),
        }
    }

    /// Adds the ids of a piece.
    pub fn merge(&self, piece: &str, ids: &mut Vec<u32>) {
        match self.library.ids(&self.spelling.of_text(piece)) {
            Ok(merged) => ids.extend(merged),
            // Unheard of; and the bytes are the same text in more tokens.
            Err(_) => ids.extend(piece.bytes().map(|byte| self.byte_ids[byte as usize])),
        }
    }
}

/// The tokens that merging makes and takes, as they are spelt.
fn vocab(parts: &Parts, spelling: Spelling) -> Result<Vocab, String> {
    let mut vocab = Vocab::with_capacity(parts.tokens.len());
    for (id, bytes, kind) in parts.tokens.iter() {
        let made = match kind {
            TokenKind::Normal => true,
            TokenKind::Byte => spelling == Spelling::Sentence,
            _ => false,
        };
        if made && let Some(first) = vocab.insert(spelling.of_token(bytes, kind), id) {
            return Err(format!("tokens {first} and {id} are both \"{}\"", text(bytes)));
        }
    }
    // A word of the vocabulary that somebody added once more keeps its id, and its place among the merges.
    for (id, bytes, _) in parts.tokens.iter().filter(|(.., kind)| *kind == TokenKind::UserDefined) {
        vocab.entry(spelling.of_bytes(bytes)).or_insert(id);
    }
    Ok(vocab)
}

fn byte_ids(vocab: &Vocab, spelling: Spelling) -> Result<[u32; 256], String> {
    let mut ids = [0; 256];
    for byte in 0..=255u8 {
        ids[byte as usize] = *vocab.get(&spelling.of_byte(byte)).ok_or_else(|| {
            format!(
                "byte {byte:#04x} has no token, so some texts could not be encoded; expected all 256 bytes"
            )
        })?;
    }
    Ok(ids)
}

/// The merges of a list, checked.
fn listed(
    parts: &Parts,
    merges: &[(u32, u32)],
    vocab: &Vocab,
    spelling: Spelling,
) -> Result<Vec<Join>, String> {
    let mut joined = Vec::new();
    let mut joins = Vec::with_capacity(merges.len());
    for (rank, &(left, right)) in merges.iter().enumerate() {
        joined.clear();
        for id in [left, right] {
            if !parts.tokens.kind(id).is_text() {
                return Err(format!("merge {rank} joins ids {left} and {right}; {id} is no text"));
            }
            joined.extend_from_slice(parts.tokens.bytes(id));
        }
        let made = *vocab
            .get(&spelling.of_bytes(&joined))
            .ok_or_else(|| format!("merge {rank} makes \"{}\", which is not a token", text(&joined)))?;
        joins.push(Join { left, right, made });
    }
    Ok(joins)
}

fn ends(parts: &Parts) -> Vec<u32> {
    let control = parts.tokens.iter().filter(|(.., kind)| *kind == TokenKind::Control);
    let named =
        control.filter(|(_, name, _)| ENDS.iter().any(|end| end.as_bytes() == *name)).map(|(id, ..)| id);
    let special = parts.special;
    let mut ends: Vec<u32> =
        [special.eos, special.eot, special.eom].into_iter().flatten().chain(named).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// A token's text for a message.
fn text(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes))
}
