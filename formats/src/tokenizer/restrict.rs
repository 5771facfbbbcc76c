//! A vocabulary cut down to the ids a corpus uses: embedding and softmax shrink with it, the text
//! stays in the same pieces. Which ids are used is the caller's to say.

use super::{Parts, TokenKind, Tokenizer};

impl Tokenizer {
    /// Keeps `used`, the 256 bytes, `bos`, `eos`, control and user-defined tokens, and everything that merging towards a
    /// kept token passes through. Gives the smaller tokenizer and, for each old id, its new one.
    ///
    /// Every text still encodes, and a text whose ids were all used encodes to the same
    /// pieces: all merges on their way are kept in the same order, and no others compete.
    pub fn restrict(&self, used: &[u32]) -> (Tokenizer, Vec<Option<u32>>) {
        let parts = self.parts();
        let n = parts.tokens.len();
        let mut keep = vec![false; n];
        let named = [parts.bos, parts.eos].into_iter().flatten();
        for id in used.iter().chain(&self.byte_ids).copied().chain(named) {
            if let Some(k) = keep.get_mut(id as usize) {
                *k = true;
            }
        }
        for (k, token) in keep.iter_mut().zip(&parts.tokens) {
            *k |= matches!(token.kind, TokenKind::Control | TokenKind::UserDefined);
        }

        // Merges by what they make; a token may be made in several ways and all of them stay.
        let mut by_product: Vec<(u32, u32, u32)> = self.pairs.iter().map(|(&(l, r), &(_, m))| (m, l, r)).collect();
        by_product.sort_unstable();
        let mut todo: Vec<u32> = (0..n as u32).filter(|&id| keep[id as usize]).collect();
        while let Some(id) = todo.pop() {
            let from = by_product.partition_point(|&(m, ..)| m < id);
            for &(_, l, r) in by_product[from..].iter().take_while(|&&(m, ..)| m == id) {
                for part in [l, r] {
                    if !std::mem::replace(&mut keep[part as usize], true) {
                        todo.push(part);
                    }
                }
            }
        }

        let mut next = 0;
        let map: Vec<Option<u32>> = keep
            .iter()
            .map(|&k| {
                let new = k.then_some(next);
                next += k as u32;
                new
            })
            .collect();
        let new = |id: u32| map[id as usize];
        let merges = parts.merges.iter().filter_map(|&(l, r)| {
            let (_, merged) = self.pairs[&(l, r)];
            new(merged)?;
            Some((new(l)?, new(r)?))
        });
        let small = Parts {
            tokens: parts.tokens.iter().zip(&keep).filter(|&(_, &k)| k).map(|(t, _)| t.clone()).collect(),
            merges: merges.collect(),
            split: parts.split,
            bos: parts.bos.and_then(new),
            eos: parts.eos.and_then(new),
            add_bos: parts.add_bos,
        };
        let small = Tokenizer::new(small, "a restricted vocabulary").expect("a part of a valid vocabulary is valid");
        (small, map)
    }
}
