//! Text becoming ids, a stretch at a time: whoever encodes a long text hears how far it is, and may break off. What is a piece
//! and what merges is decided elsewhere.

use super::Tokenizer;
use super::added::{Finder, Part};
use std::collections::HashMap;
use std::ops::Range;

/// Bytes between two words about how far it is: a few milliseconds.
const STRETCH: usize = 1 << 16;

/// Encodes texts one after the other. Merges never cross from one to the next.
pub struct Encoder<'t> {
    tokenizer: &'t Tokenizer,
    /// The added tokens that are looked for.
    added: &'t Finder,
    ids: Vec<u32>,
    /// Words repeat: where in `ids` a short piece already stands. Bounded, as text is input.
    seen: HashMap<&'t str, Range<usize>>,
    piece: Vec<u32>,
}

impl<'t> Encoder<'t> {
    /// No ids yet; the names of user-defined tokens become those.
    pub fn new(tokenizer: &'t Tokenizer) -> Encoder<'t> {
        Encoder::finding(tokenizer, &tokenizer.user_defined)
    }

    /// No ids yet; the names of these tokens become those.
    pub(super) fn finding(tokenizer: &'t Tokenizer, added: &'t Finder) -> Encoder<'t> {
        Encoder { tokenizer, added, ids: Vec::new(), seen: HashMap::new(), piece: Vec::new() }
    }

    /// Adds the ids of a text, [`Tokenizer::encode`]'s. `watch` hears now and then how many of its bytes are done.
    ///
    /// # Errors
    /// The one that `watch` gives; encoding ends there.
    pub fn text<E>(&mut self, text: &'t str, watch: &mut dyn FnMut(usize) -> Result<(), E>) -> Result<(), E> {
        self.ids.reserve(text.len() / 3);
        let (mut done, mut told) = (0, 0);
        for part in self.added.parts(text) {
            let text = match part {
                Part::Text(text) => text,
                Part::Token(id) => {
                    self.id(id);
                    done += self.tokenizer.token_bytes(id).len();
                    continue;
                }
            };
            for piece in self.tokenizer.parts().split.pieces(text) {
                if done - told >= STRETCH {
                    told = done;
                    watch(done)?;
                }
                self.push(piece, &mut || watch(done))?;
                done += piece.len();
            }
        }
        Ok(())
    }

    /// Adds one id.
    pub fn id(&mut self, id: u32) {
        self.ids.push(id);
    }

    /// All ids so far.
    pub fn finish(self) -> Vec<u32> {
        self.ids
    }

    fn push<E>(&mut self, piece: &'t str, look: &mut dyn FnMut() -> Result<(), E>) -> Result<(), E> {
        const SEEN_MAX: usize = 1 << 16;
        const SEEN_LEN_MAX: usize = 32;
        if let Some(range) = self.seen.get(piece) {
            self.ids.extend_from_within(range.clone());
            return Ok(());
        }
        let from = self.ids.len();
        if let Some(&id) = self.tokenizer.whole.get(piece.as_bytes()) {
            self.ids.push(id);
        } else {
            self.piece.clear();
            self.piece.extend(piece.bytes().map(|b| self.tokenizer.byte_ids[b as usize]));
            self.tokenizer.pairs.merge_all(&mut self.piece, look)?;
            self.ids.extend_from_slice(&self.piece);
        }
        if piece.len() <= SEEN_LEN_MAX && self.seen.len() < SEEN_MAX {
            self.seen.insert(piece, from..self.ids.len());
        }
        Ok(())
    }
}
