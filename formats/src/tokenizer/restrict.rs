//! A vocabulary cut down to the ids a corpus uses: embedding and softmax shrink with it, the text
//! stays in the same pieces. Which ids are used is the caller's to say.

use super::{Parts, Scheme, Tokenizer, Tokens};

impl Tokenizer {
    /// Keeps `used`, the 256 bytes, control and user-defined tokens, and everything that merging
    /// towards a kept token passes through. Gives the smaller tokenizer and, for each old id, its new one.
    ///
    /// Every text still encodes, and a text whose ids were all used encodes to the same
    /// pieces: all merges on their way are kept in the same order, and no others compete.
    pub fn restrict(&self, used: &[u32]) -> (Tokenizer, Vec<Option<u32>>) {
        let parts = self.parts();
        let joins = &self.index.joins;
        let mut keep: Vec<bool> = parts.tokens.iter().map(|(.., kind)| kind.is_added()).collect();
        let special = parts.special.named().into_iter().filter_map(|(_, id)| id);
        for id in used.iter().chain(&self.index.byte_ids).copied().chain(special) {
            keep[id as usize] = true;
        }

        // Merges by what they make; a token may be made in several ways and all of them stay.
        let mut by_product = joins.clone();
        by_product.sort_by_key(|join| join.made);
        let mut todo: Vec<u32> = (0..keep.len() as u32).filter(|&id| keep[id as usize]).collect();
        while let Some(id) = todo.pop() {
            let from = by_product.partition_point(|join| join.made < id);
            for join in by_product[from..].iter().take_while(|join| join.made == id) {
                for part in [join.left, join.right] {
                    if !std::mem::replace(&mut keep[part as usize], true) {
                        todo.push(part);
                    }
                }
            }
        }

        let mut tokens = Tokens::new();
        let mut map = vec![None; keep.len()];
        for (id, bytes, kind) in parts.tokens.iter() {
            if keep[id as usize] {
                map[id as usize] = Some(tokens.push(bytes, kind));
            }
        }
        let new = |id: u32| map[id as usize];
        let scheme = match &parts.scheme {
            Scheme::ByteLevel { split, .. } => {
                let merges = joins.iter().filter_map(|join| {
                    new(join.made)?;
                    Some((new(join.left)?, new(join.right)?))
                });
                Scheme::ByteLevel { split: *split, merges: merges.collect() }
            }
            Scheme::SentencePiece { scores, space_first } => {
                let kept = scores.iter().zip(&keep).filter(|(_, keep)| **keep);
                Scheme::SentencePiece {
                    scores: kept.map(|(score, _)| *score).collect(),
                    space_first: *space_first,
                }
            }
        };
        let small = Parts { tokens, scheme, special: parts.special.map(new) };
        let small =
            Tokenizer::new(small, "a part of a vocabulary").expect("a closed part of a valid vocabulary");
        (small, map)
    }
}
