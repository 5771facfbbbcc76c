//! Text becoming ids, a stretch at a time: whoever encodes a long text hears how far it is, and may break off. What is a piece
//! and what merges is decided elsewhere.

use super::Tokenizer;
use super::added::{Finder, Part};
use std::collections::HashMap;
use std::ops::Range;

/// Bytes between two words about how far it is: a few milliseconds.
const STRETCH: usize = 1 << 16;

/// Bytes of a piece that merge together. Longer ones take seconds and hundreds of megabytes, and no text has them but to do that.
const PIECE_MAX: usize = 1 << 20;

/// Encodes texts one after the other. Merges never cross from one to the next.
pub struct Encoder<'t> {
    tokenizer: &'t Tokenizer,
    /// The added tokens that are looked for.
    added: &'t Finder,
    ids: Vec<u32>,
    /// Words repeat: where in `ids` a short piece already stands. Bounded, as text is input.
    seen: HashMap<Box<str>, Range<usize>>,
}

impl<'t> Encoder<'t> {
    /// No ids yet; the names of user-defined tokens become those.
    pub fn new(tokenizer: &'t Tokenizer) -> Encoder<'t> {
        Encoder::finding(tokenizer, &tokenizer.index.user_defined)
    }

    /// No ids yet; the names of these tokens become those.
    pub(super) fn finding(tokenizer: &'t Tokenizer, added: &'t Finder) -> Encoder<'t> {
        Encoder { tokenizer, added, ids: Vec::new(), seen: HashMap::new() }
    }

    /// Adds the ids of a text, [`Tokenizer::encode`]'s. `watch` hears now and then how many of its bytes are done, about.
    ///
    /// # Errors
    /// The one that `watch` gives; encoding ends there.
    pub fn text<E>(&mut self, text: &str, watch: &mut dyn FnMut(usize) -> Result<(), E>) -> Result<(), E> {
        self.ids.reserve(text.len() / 3);
        let (mut done, mut told) = (0, 0);
        for part in self.added.parts(text) {
            let part = match part {
                Part::Text(part) => part,
                Part::Token(id) => {
                    self.id(id);
                    done += self.tokenizer.token_bytes(id).len();
                    continue;
                }
            };
            // Its normal form may be longer or shorter.
            let end = done + part.len();
            let index = &self.tokenizer.index;
            let normal = index.normal(part);
            for piece in index.pieces(&normal) {
                let mut rest = piece;
                while !rest.is_empty() {
                    if done - told >= STRETCH {
                        told = done;
                        watch(done)?;
                    }
                    let (now, later) = rest.split_at(rest.floor_char_boundary(PIECE_MAX));
                    self.push(now);
                    done = end.min(done + now.len());
                    rest = later;
                }
            }
            done = end;
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

    fn push(&mut self, piece: &str) {
        const SEEN_MAX: usize = 1 << 16;
        const SEEN_LEN_MAX: usize = 32;
        if let Some(range) = self.seen.get(piece) {
            self.ids.extend_from_within(range.clone());
            return;
        }
        let from = self.ids.len();
        self.tokenizer.index.merge(piece, &mut self.ids);
        if piece.len() <= SEEN_LEN_MAX && self.seen.len() < SEEN_MAX {
            self.seen.insert(piece.into(), from..self.ids.len());
        }
    }
}
