//! A list of merges as files write it, pairs of texts, turned into pairs of ids. Where in the file it stands is the format's business.

use super::{TokenKind, Tokens};
use crate::shown;
use std::collections::HashMap;

/// Most merges of a vocabulary: four times the most that is published.
pub const MERGES_MAX: usize = 1 << 21;

/// Reads merges as pairs of ids of tokens that are text.
pub struct Merges<'a> {
    by_text: HashMap<&'a str, u32>,
    merges: Vec<(u32, u32)>,
}

impl<'a> Merges<'a> {
    /// No merges yet of the tokens that files spell so; the names of those that are no text are ignored.
    pub fn new(texts: impl Iterator<Item = (u32, &'a str)>, tokens: &Tokens) -> Merges<'a> {
        let mut by_text = HashMap::with_capacity(tokens.len());
        for (id, text) in texts.filter(|&(id, _)| tokens.kind(id).is_text()) {
            // The alphabet spells a normal token as an added one may be named.
            if tokens.kind(id) == TokenKind::Normal {
                by_text.insert(text, id);
            } else {
                by_text.entry(text).or_insert(id);
            }
        }
        Merges { by_text, merges: Vec::new() }
    }

    /// Adds `"left right"`.
    pub fn push_line(&mut self, line: &str) -> Result<(), String> {
        match line.split_once(' ') {
            Some((left, right)) => self.push(left, right),
            None => {
                let n = self.merges.len();
                Err(format!("has \"{}\" as merge {n}; expected two texts and a space", shown(line)))
            }
        }
    }

    /// Adds a pair.
    pub fn push(&mut self, left: &str, right: &str) -> Result<(), String> {
        if self.merges.len() == MERGES_MAX {
            return Err(format!("has more than {MERGES_MAX} merges"));
        }
        let id = |text: &str| {
            let id = self.by_text.get(text).copied();
            id.ok_or_else(|| {
                let n = self.merges.len();
                format!("joins \"{}\" in merge {n}, which is no token of text", shown(text))
            })
        };
        let pair = (id(left)?, id(right)?);
        self.merges.push(pair);
        Ok(())
    }

    /// The pairs, first ones first.
    pub fn finish(self) -> Vec<(u32, u32)> {
        self.merges
    }
}
